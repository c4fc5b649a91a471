// One request with a deadline. Redirects are not followed: a message to the wrong place is none.

import { request as httpRequest } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isLinkLocal, lookupElsewhere } from '../lib/link-local.ts'
import { ProxyTunnel } from '../lib/proxy-tunnel.ts'
import type { TunnelOptions } from '../lib/proxy-tunnel.ts'
import type { ProxySettings } from '../domain/config.ts'
import { proxyFor } from '../domain/proxy.ts'
import { NotDelivered, networkReason } from './not-delivered.ts'

export type WebMessage = {
  readonly url: string
  readonly contentType: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

// What a receiver says of itself is a sentence; more is a page of a proxy.
const ANSWER_BYTES_MAX = 4_000
const ANSWER_CHARACTERS_SHOWN = 200

export async function sendWeb(
  message: WebMessage,
  { proxy, tryMs }: { readonly proxy: ProxySettings; readonly tryMs: number },
): Promise<void> {
  const url = new URL(message.url)
  if (isLinkLocal(url.hostname))
    throw new NotDelivered('it has a link-local address, which no receiver has', {
      mayRepeat: false,
    })
  const proxyUrl = proxyFor(url, proxy)
  const body = Buffer.from(message.body)
  const options: RequestOptions = {
    method: 'POST',
    lookup: lookupElsewhere,
    headers: {
      'User-Agent': 'spillway',
      'Content-Type': message.contentType,
      'Content-Length': body.length,
      ...message.headers,
    },
    // Node's own agent keeps connections, and the process with them.
    agent: proxyUrl === undefined ? false : new ProxyTunnel(proxyUrl, { keepAlive: false }),
  }
  const { status, text } = await exchange(url, options, body, tryMs)
  if (status >= 200 && status < 300) return
  const said = text === '' ? '' : `: ${text}`
  throw new NotDelivered(`it answered ${status}${said}`, {
    mayRepeat: status === 408 || status === 429 || status >= 500,
    ...remedyOf(status),
  })
}

function remedyOf(status: number): { readonly remedy: string } | undefined {
  if (status >= 300 && status < 400)
    return { remedy: 'it has moved: set NOTIFY_N_URL to the address where it is now' }
  if (status === 401 || status === 403)
    return { remedy: 'it does not take the token or the login in NOTIFY_N_URL' }
  if (status === 404 || status === 410)
    return { remedy: 'it does not know that address: is NOTIFY_N_URL whole, and still valid?' }
  return undefined
}

type Answer = { readonly status: number; readonly text: string }

async function exchange(
  url: URL,
  options: RequestOptions,
  body: Buffer,
  tryMs: number,
): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const ended = new AbortController()
    const tunnel: TunnelOptions = { tunnelEnds: ended.signal }
    const request = send(url, { ...options, ...tunnel })
    const timer = setTimeout(() => {
      const seconds = Math.round(tryMs / 100) / 10
      reject(new NotDelivered(`it did not answer within ${seconds} s`, { mayRepeat: true }))
      request.destroy()
      ended.abort()
    }, tryMs)
    const failed = (cause: unknown): void => {
      clearTimeout(timer)
      reject(new NotDelivered(networkReason(cause), { mayRepeat: true, cause }))
    }
    request.on('error', failed)
    request.on('response', (response: IncomingMessage) => {
      const status = response.statusCode ?? 0
      const pieces: Buffer[] = []
      let bytes = 0
      const done = (): void => {
        clearTimeout(timer)
        resolve({ status, text: shown(Buffer.concat(pieces).toString()) })
        request.destroy()
      }
      response.on('data', (piece: Buffer) => {
        pieces.push(piece)
        bytes += piece.length
        if (bytes > ANSWER_BYTES_MAX) done()
      })
      response.on('end', done)
      response.on('error', failed)
    })
    request.end(body)
  })
}

function shown(text: string): string {
  const line = text.replace(/[\p{C}\s]+/gu, ' ').trim()
  // Pages of HTML say nothing in their first two hundred characters.
  if (line.startsWith('<')) return ''
  return line.length > ANSWER_CHARACTERS_SHOWN
    ? `${line.slice(0, ANSWER_CHARACTERS_SHOWN)}...`
    : line
}
