// Sends the body of one request: in small pieces, each awaited until the socket has taken it, so that
// progress is exact, the rate limit holds, and an early answer stops the sending.

import type { ClientRequest } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Exchange } from './exchange.ts'
import type { RateLimit } from './rate-limit.ts'

/** What the SDK may hand over: we give it no stream. */
export type SdkBody = Uint8Array | string

export type BodySending = {
  readonly client: ClientRequest
  readonly exchange: Exchange
  readonly body: SdkBody | undefined
  readonly rateLimit: RateLimit | undefined
  readonly signal: AbortSignal
  /** Resolves when the connection stands, or has failed. */
  readonly connected: Promise<void>
  readonly isAnswered: () => boolean
  readonly pauseWatch: () => void
  readonly resumeWatch: () => void
  readonly onSent: (bytes: number) => void
  /** Everything was sent. */
  readonly onEnd: () => void
}

// A piece counts as progress when the socket has taken all of it: 64 KiB within the 60 s of silence is
// 1 kB/s, below which nobody backs up anything.
const PIECE_BYTES = 64 * 1024

// Ceph answers 100 first and its refusal just after: of bodies that waited 300 ms, all were refused
// with an answer; of those that did not wait, half died with a broken pipe.
const HOLD_AFTER_CONTINUE_MS = 500
// A server or proxy that ignores Expect gets the body after this.
const HOLD_WITHOUT_CONTINUE_MS = 2_000

/** Resolves when everything was sent, or when there is no point in sending more. */
export async function sendBody(sending: BodySending): Promise<void> {
  const { client, exchange, body } = sending
  if (exchange.openBody === undefined && body === undefined) return void client.end()
  let wake = (): void => {}
  const stop = (): void => wake()
  client.once('response', stop).once('close', stop)
  if (exchange.holdsBody === true) await holdBack(sending)
  // The rate limit's bytes are for connections that stand, and only those are watched.
  await sending.connected
  for await (const chunk of exchange.openBody?.() ?? [bytesOf(body ?? '')]) {
    for (let from = 0; from < chunk.length; from += PIECE_BYTES) {
      const piece = chunk.subarray(from, from + PIECE_BYTES)
      if (sending.rateLimit !== undefined) await waitForTurn(sending, piece.length)
      if (sending.isAnswered() || client.destroyed) return
      await new Promise<void>((resolve) => {
        wake = resolve
        client.write(piece, () => resolve())
      })
      if (sending.isAnswered() || client.destroyed) return
      sending.onSent(piece.length)
    }
  }
  client.end()
  sending.onEnd()
}

async function waitForTurn(sending: BodySending, bytes: number): Promise<void> {
  sending.pauseWatch()
  try {
    await sending.rateLimit?.take(bytes, sending.signal)
  } finally {
    sending.resumeWatch()
  }
}

async function holdBack({ client, signal }: BodySending): Promise<void> {
  const over = new AbortController()
  const stop = (): void => over.abort()
  client.once('response', stop).once('close', stop)
  signal.addEventListener('abort', stop, { once: true })
  let isContinued = false
  const continued = new Promise<void>((resolve) => {
    client.once('continue', () => {
      isContinued = true
      resolve()
    })
  })
  client.flushHeaders()
  try {
    const wait = (ms: number) => delay(ms, undefined, { signal: over.signal })
    await Promise.race([continued, wait(HOLD_WITHOUT_CONTINUE_MS)])
    if (isContinued) await wait(HOLD_AFTER_CONTINUE_MS)
  } catch {
    // The answer came, or the connection ended: the caller sees which.
  } finally {
    signal.removeEventListener('abort', stop)
    over.abort()
  }
}

function bytesOf(body: SdkBody): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}
