// One request to one server, with the repairs that are possible without a person: another region that
// the server names, path style where sub-domains do not work, and doing without optional headers.
// What was repaired is remembered, so it costs one request per run.

import type { S3Client } from '@aws-sdk/client-s3'
import type { SpillwayError } from '../domain/errors.ts'
import type { S3Server } from '../domain/server.ts'
import { traceOf } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import type { NetworkLimits } from './limits.ts'
import { interrupted, Patience, repeated } from './retry.ts'
import { addressingOf, createClient, createHandler } from './s3-client.ts'
import type { Addressing, HandlerInput } from './s3-client.ts'
import { factsOf, failureOfS3 } from './s3-errors.ts'
import type { S3Facts } from './s3-errors.ts'
import type { S3HttpHandler, SendOptions } from './s3-http.ts'

/** Headers that we can do without; servers that know them not answer 501. */
export type OptionalHeader = 'storage-class' | 'if-none-match'

/** Handed to `client.send`; the type is the SDK's, the content is for our handler. */
export type CallOptions = { readonly abortSignal: AbortSignal }

export type CallInput<T> = {
  /** For messages: "part 3 of KEY". */
  readonly action: string
  readonly signal: AbortSignal
  readonly exchange?: Partial<Exchange>
  /** The optional header that the request has: the first suspect of a 501. */
  readonly optional?: OptionalHeader
  /** Of the operation that this is a part of; ends this request, too, when it is over. */
  readonly patience?: Patience
  /** Of every try that failed, also of those that are repeated. */
  readonly onFailure?: (failure: unknown) => void
  /** Sends one command; called again after a repair. */
  readonly run: (client: S3Client, options: CallOptions, lacks: Lacks) => Promise<T>
}

export type Lacks = ReadonlySet<OptionalHeader>

// Region, path style, two optional headers, and an old connection: more cannot be wrong at once.
const REPAIRS_MAX = 5
// A drip below this is silence: no S3 answer that matters is smaller and takes longer than 60 s.
const WINDOW_BYTES_MIN = 1_024

export class S3Caller {
  /** `host/bucket`. */
  readonly place: string
  readonly #server: S3Server
  readonly #limits: NetworkLimits
  readonly #handler: S3HttpHandler
  readonly #lacks = new Set<OptionalHeader>()
  #addressing: Addressing
  #client: S3Client
  #hasAnswered = false

  constructor(input: Omit<HandlerInput, 'connectMs'> & { readonly limits: NetworkLimits }) {
    const { server, limits } = input
    this.#server = server
    this.#limits = limits
    this.place = `${new URL(server.endpoint).host}/${server.bucket}`
    this.#handler = createHandler({ ...input, connectMs: limits.connectMs })
    this.#addressing = addressingOf(server)
    this.#client = createClient(server, this.#handler, this.#addressing)
  }

  /** For what only reads its settings (lib-storage). */
  get client(): S3Client {
    return this.#client
  }

  /** What the server does not take, and is no longer sent. */
  get lacks(): ReadonlySet<OptionalHeader> {
    return this.#lacks
  }

  /** Milliseconds that the server's clock is ahead, by the date of its answers; 0 before the first. */
  get clockOffsetMs(): number {
    return this.#client.config.systemClockOffset
  }

  /** With the repeats that the failure's row allows. */
  async call<T>(input: CallInput<T>): Promise<T> {
    return repeated({
      attempt: () => this.once(input),
      patience: input.patience ?? new Patience(this.#limits),
      limits: this.#limits,
      signal: input.signal,
    })
  }

  /** Without repeats, but with repairs. Rejects with a SpillwayError, or with a bug of ours. */
  async once<T>(input: CallInput<T>): Promise<T> {
    let mayBeOld = true
    for (let repairs = 0; ; repairs += 1) {
      if (input.signal.aborted) throw interrupted()
      const client = this.#client
      try {
        const output = await input.run(client, this.#options(input), this.#lacks)
        this.#hasAnswered = true
        return output
      } catch (error) {
        if (input.signal.aborted) throw interrupted()
        input.onFailure?.(this.#failure(error, input.action))
        const isOld = mayBeOld && isOldConnection(error)
        if (isOld) mayBeOld = false
        // Another request may have repaired it meanwhile: then this one has simply used the old client.
        const isWorthIt =
          isOld || client !== this.#client || this.#repair(factsOf(error), input.optional)
        if (repairs < REPAIRS_MAX && isWorthIt) continue
        throw this.#failure(error, input.action)
      }
    }
  }

  close(): void {
    this.#handler.destroy()
  }

  #options({ signal, exchange, patience }: CallInput<unknown>): SendOptions {
    const { silenceMs } = this.#limits
    const silence = { silenceMs, bytesMin: WINDOW_BYTES_MIN }
    const shared = patience === undefined ? {} : { patience }
    return { abortSignal: signal, exchange: { silence, ...shared, ...exchange } }
  }

  #failure(error: unknown, action: string): unknown {
    const keyTail = this.#server.accessKey.slice(-4)
    const failure: SpillwayError | undefined = failureOfS3(error, {
      place: this.place,
      action,
      keyTail,
      settings: `S3_SERVER_${this.#server.number}_`,
      mayExpectTls: !this.#hasAnswered && this.#server.endpoint.startsWith('http:'),
    })
    return failure ?? error
  }

  /** True when something was changed that may make the same request work. */
  #repair(facts: S3Facts, optional: OptionalHeader | undefined): boolean {
    const { region, isPathStyle } = this.#addressing
    const { status, s3Code, nodeCode } = facts
    // An answer to HEAD does not say that it was the clock.
    if (status === 403 && facts.isClockCorrected) return true
    if (facts.region !== undefined && facts.region !== region && isAboutRegion(facts))
      return this.#readdress({ region: facts.region })
    const isHostRefused =
      s3Code === 'SignatureDoesNotMatch' || nodeCode === 'ERR_TLS_CERT_ALTNAME_INVALID'
    if (isHostRefused && !isPathStyle) return this.#readdress({ isPathStyle: true })
    const isHeaderRefused =
      status === 501 || s3Code === 'NotImplemented' || s3Code === 'InvalidStorageClass'
    if (!isHeaderRefused || optional === undefined || this.#lacks.has(optional)) return false
    this.#lacks.add(optional)
    return true
  }

  #readdress(change: Partial<Addressing>): boolean {
    const clockOffsetMs = this.#client.config.systemClockOffset
    this.#addressing = { ...this.#addressing, clockOffsetMs, ...change }
    // The old client is not destroyed: it shares its handler with the new one.
    this.#client = createClient(this.#server, this.#handler, this.#addressing)
    return true
  }
}

function isAboutRegion({ status, s3Code }: S3Facts): boolean {
  if (status === 301 || status === 307) return true
  return /^(AuthorizationHeaderMalformed|IllegalLocationConstraintException|InvalidRegion)$/.test(
    s3Code ?? (status === 400 ? 'AuthorizationHeaderMalformed' : ''),
  )
}

/** A kept connection that the server had closed meanwhile: no news about the server. */
function isOldConnection(error: unknown): boolean {
  const trace = traceOf(error)
  if (trace === undefined || !trace.isReusedConnection || trace.isAnswered) return false
  return /^(ECONNRESET|EPIPE)$/.test(factsOf(error).nodeCode ?? '')
}
