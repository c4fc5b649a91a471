// The HTTP handler under the S3 client: the SDK signs and parses, the bytes go through here.
//
// The SDK's own handler has no time limit that survives a dripping peer, counts no bytes while they
// are sent, waits for "100 Continue" as long as the longest timeout, and cannot bound an answer. This
// one does one request per call, never follows a redirect, and never repeats anything.

import { request as httpRequest } from 'node:http'
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { lookupElsewhere, requireElsewhere } from '../lib/link-local.ts'
import type { TunnelOptions } from '../lib/proxy-tunnel.ts'
import { ExchangeError, noteTrace } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import type { RateLimit } from './rate-limit.ts'
import { sendBody } from './s3-http-body.ts'
import type { SdkBody } from './s3-http-body.ts'
import { SilenceWatch } from './silence-watch.ts'

/** The part of the SDK's request that we use. */
type SdkRequest = {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly path: string
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>
  readonly headers: Record<string, string>
  readonly body?: SdkBody
}

type SdkResponse = {
  readonly statusCode: number
  readonly reason: string
  readonly headers: Record<string, string>
  readonly body: Uint8Array | IncomingMessage
}

export type HandlerOptions = {
  readonly agent: Agent
  /** The same without kept connections. */
  readonly freshAgent: Agent
  readonly caPem: readonly string[] | undefined
  readonly connectMs: number
  readonly rateLimit: RateLimit | undefined
}

/** What `client.send` passes through to us. */
export type SendOptions = { readonly abortSignal: AbortSignal; readonly exchange: Exchange }

// A page of 1000 objects has about 0.5 MB, of 10 000 parts about 2.5 MB.
const ANSWER_BYTES_MAX = 16 * 1024 * 1024

export class S3HttpHandler {
  readonly metadata = { handlerProtocol: 'http/1.1' }
  readonly #options: HandlerOptions

  constructor(options: HandlerOptions) {
    this.#options = options
  }

  async handle(request: SdkRequest, options: SendOptions): Promise<{ response: SdkResponse }> {
    options.abortSignal.throwIfAborted()
    // An address is not looked up.
    requireElsewhere(request.hostname)
    return { response: await new Call(request, options, this.#options).run() }
  }

  destroy(): void {
    this.#options.agent.destroy()
    this.#options.freshAgent.destroy()
  }

  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Record<string, never> {
    return {}
  }
}

/** One request. Whatever happens, it settles once, and leaves no timer and no listener. */
class Call {
  readonly #request: SdkRequest
  readonly #exchange: Exchange
  readonly #signal: AbortSignal
  readonly #options: HandlerOptions
  readonly #timers: NodeJS.Timeout[] = []
  /** For a way through a proxy that is not open yet. */
  readonly #ended = new AbortController()
  #client!: ClientRequest
  #reject = (_error: Error): void => {}
  /** Why we ended the request ourselves: Node would say "aborted" for all of these. */
  #failure: Error | undefined
  #watch: SilenceWatch | undefined
  #patience: NodeJS.Timeout | undefined
  #noteConnected = (): void => {}
  /** Also when the connection failed. */
  readonly #connected = new Promise<void>((resolve) => {
    this.#noteConnected = resolve
  })
  #isConnected = false
  #socketBytes = (): number => 0
  #bodyBytesSent = 0
  #answer: IncomingMessage | undefined

  constructor(
    request: SdkRequest,
    { exchange, abortSignal }: SendOptions,
    options: HandlerOptions,
  ) {
    this.#request = request
    this.#exchange = exchange
    this.#signal = abortSignal
    this.#options = options
  }

  async run(): Promise<SdkResponse> {
    const onAbort = (): void => this.#end(abortError())
    this.#watchPatience()
    try {
      return await new Promise<SdkResponse>((resolve, reject) => {
        this.#reject = reject
        this.#client = this.#open()
        this.#signal.addEventListener('abort', onAbort, { once: true })
        // Once an answer has begun, reading it decides: a refusal may come through a connection
        // whose other direction is already broken.
        const rejectUnanswered = (error: Error): void => {
          if (this.#answer === undefined) reject(error)
        }
        this.#client.on('error', rejectUnanswered)
        this.#client.on('close', () => {
          this.#noteConnected()
          rejectUnanswered(this.#failure ?? closedUnanswered())
        })
        this.#client.on('socket', (socket: Socket) => this.#onSocket(socket))
        this.#client.on('response', (answer) => {
          this.#answer = answer
          this.#receive(answer).then(resolve, (error: Error) => reject(this.#failure ?? error))
        })
        this.#send().catch((error: Error) => {
          this.#end(error)
          reject(error)
        })
      })
    } catch (error) {
      this.#client?.destroy()
      this.#watch?.stop()
      this.#note(error)
      throw error
    } finally {
      this.#signal.removeEventListener('abort', onAbort)
      this.#timers.forEach((timer) => clearTimeout(timer))
      clearTimeout(this.#patience)
      if (this.#exchange.isStreamed !== true) this.#watch?.stop()
    }
  }

  #open(): ClientRequest {
    const { protocol, hostname, port, method, path, query, headers } = this.#request
    const expect = this.#exchange.holdsBody === true ? { expect: '100-continue' } : {}
    const options: RequestOptions & TunnelOptions & { ca?: string[] } = {
      method,
      protocol,
      host: hostname.replace(/^\[|\]$/g, ''),
      path: path + queryString(query ?? {}),
      headers: { ...headers, ...expect },
      lookup: lookupElsewhere,
      tunnelEnds: this.#ended.signal,
      agent: this.#exchange.isFresh === true ? this.#options.freshAgent : this.#options.agent,
      ...(port === undefined ? {} : { port }),
      ...(this.#options.caPem === undefined ? {} : { ca: [...this.#options.caPem] }),
    }
    const { connectMs } = this.#options
    this.#after(connectMs, 'connect-timeout', `no connection after ${connectMs} ms`)
    return protocol === 'https:' ? httpsRequest(options) : httpRequest(options)
  }

  #onSocket(socket: Socket): void {
    const begin = (): void => {
      clearTimeout(this.#timers[0])
      this.#isConnected = true
      const { silence, deadlineMs } = this.#exchange
      const before = socket.bytesRead
      this.#socketBytes = () => socket.bytesRead - before
      this.#watch = new SilenceWatch(
        silence,
        () => this.#socketBytes() + this.#bodyBytesSent,
        () => this.#end(silent(silence.silenceMs)),
      )
      this.#noteConnected()
      if (deadlineMs !== undefined)
        this.#after(deadlineMs, 'deadline', `not done in ${deadlineMs} ms`)
    }
    if (this.#client.reusedSocket) begin()
    else socket.once(this.#request.protocol === 'https:' ? 'secureConnect' : 'connect', begin)
  }

  #after(ms: number, failure: 'connect-timeout' | 'deadline', message: string): void {
    this.#timers.push(setTimeout(() => this.#end(new ExchangeError(failure, message)), ms))
  }

  /** Looks again when it should be over: there may have been progress since. */
  #watchPatience(): void {
    const { patience } = this.#exchange
    if (patience === undefined) return
    const look = (): void => {
      const { leftMs } = patience
      if (leftMs <= 0) this.#end(new ExchangeError('silent', 'no progress for too long'))
      else this.#patience = setTimeout(look, leftMs)
    }
    this.#patience = setTimeout(look, Math.max(0, patience.leftMs))
  }

  #end(error: Error): void {
    this.#failure ??= error
    this.#answer?.destroy(error)
    this.#client?.destroy(error)
    // Of a request that has no connection yet (a proxy is silent) Node says nothing more.
    if (this.#client?.socket) return
    this.#ended.abort()
    this.#noteConnected()
    this.#reject(this.#failure)
  }

  async #send(): Promise<void> {
    await sendBody({
      client: this.#client,
      exchange: this.#exchange,
      body: this.#request.body,
      rateLimit: this.#options.rateLimit,
      signal: this.#signal,
      connected: this.#connected,
      isAnswered: () => this.#answer !== undefined,
      pauseWatch: () => this.#watch?.pause(),
      resumeWatch: () => this.#watch?.resume(),
      onSent: (bytes) => {
        this.#bodyBytesSent += bytes
        this.#exchange.onSent?.(bytes)
      },
      // What the server is silent about begins when it has everything.
      onEnd: () => this.#watch?.restart(),
    })
  }

  async #receive(answer: IncomingMessage): Promise<SdkResponse> {
    const head = {
      statusCode: answer.statusCode ?? 0,
      reason: answer.statusMessage ?? '',
      headers: plainHeaders(answer),
    }
    const isGood = head.statusCode >= 200 && head.statusCode < 300
    const isPage = isGood && /^text\/html/i.test(head.headers['content-type'] ?? '')
    if (this.#exchange.isStreamed === true && isGood) {
      if (isPage) throw notS3()
      // The consumer reads at its own pace and guards the stream itself (s3-read.ts).
      this.#watch?.stop()
      return { ...head, body: answer }
    }
    const body = await collect(answer, isGood ? this.#exchange.onReceived : undefined)
    // The rest of a body that was refused half-way must not be taken for the next request.
    if (!this.#client.writableEnded) this.#client.destroy()
    // Where XML is expected the body tells, whatever the header says; and Swift says of no body that it is HTML.
    if (isPage && this.#exchange.root === undefined && body.length > 0) throw notS3()
    if (isGood) checkRoot(body, this.#exchange.root)
    return { ...head, body }
  }

  #note(error: unknown): void {
    if (typeof error !== 'object' || error === null) return
    noteTrace(error, {
      isConnected: this.#isConnected,
      bodyBytesSent: this.#bodyBytesSent,
      isReusedConnection: this.#client.reusedSocket,
      isAnswered: this.#answer !== undefined,
    })
  }
}

async function collect(
  answer: IncomingMessage,
  onReceived: Exchange['onReceived'],
): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > ANSWER_BYTES_MAX)
        throw new ExchangeError('answer-too-large', `an answer of more than ${bytes} bytes`)
      chunks.push(chunk)
      onReceived?.(chunk)
    }
  } catch (error) {
    if (error instanceof ExchangeError || (error as Error).name === 'AbortError') throw error
    throw new ExchangeError('answer-cut', `the answer broke off after ${bytes} bytes`)
  }
  return Buffer.concat(chunks)
}

function checkRoot(body: Uint8Array, root: string | undefined): void {
  if (root === undefined) return
  const start = Buffer.from(body).toString('utf8', 0, Math.min(body.length, 4096)).trimStart()
  // <Error> in a 200 answer is the SDK's to report; an empty one, too.
  if (start === '' || new RegExp(`<(?:\\w+:)?(?:${root}|Error)[\\s/>]`).test(start)) return
  throw new ExchangeError('answer-not-s3', `no <${root}> in the answer`)
}

function notS3(): ExchangeError {
  return new ExchangeError('answer-not-s3', 'a web page instead of an S3 answer')
}

function plainHeaders(answer: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(answer.headers))
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value
  return headers
}

/** In the form that the SDK signs: sorted by name, strictly encoded. */
function queryString(query: NonNullable<SdkRequest['query']>): string {
  const pairs: string[] = []
  for (const name of Object.keys(query).sort()) {
    const value = query[name]
    if (value === undefined || value === null) pairs.push(encode(name))
    else for (const one of [value].flat()) pairs.push(`${encode(name)}=${encode(String(one))}`)
  }
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

export function silent(silenceMs: number): ExchangeError {
  return new ExchangeError('silent', `nothing moved for ${silenceMs / 1_000} s`)
}

function closedUnanswered(): Error {
  return Object.assign(new Error('closed before an answer'), { code: 'ECONNRESET' })
}

function abortError(): Error {
  return Object.assign(new Error('aborted'), { name: 'AbortError' })
}
