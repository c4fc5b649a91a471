// One HTTP request and its answer, as the S3 code asks for it and as the connection reports it.

import type { Patience } from './retry.ts'
import type { SilenceRule } from './silence-watch.ts'

/** What the S3 code wants from one request beyond what the SDK knows; passed through `send`. */
export type Exchange = {
  readonly silence: SilenceRule
  /** The whole request, for operations that may trickle (Complete's blanks); undefined: no end. */
  readonly deadlineMs?: number
  /** Ends the request when it is over, be it its own fault or that of those before it. */
  readonly patience?: Patience
  /** Called with each piece of the body of a good answer. */
  readonly onReceived?: (chunk: Uint8Array) => void
  /** Sent instead of the SDK's body; opened once per request. */
  readonly openBody?: () => AsyncIterable<Uint8Array>
  readonly onSent?: (bytes: number) => void
  /**
   * Wait with the body for a refusal: `Expect: 100-continue`, and some time after the server's "100".
   * A server that refuses a body before it reads it (Ceph, when full) closes the connection, and
   * its answer is lost in the broken pipe unless we were listening, not sending.
   */
  readonly holdsBody?: boolean
  /** On a connection of its own, never on one that was kept. */
  readonly isFresh?: boolean
  /** The answer's body is handed over as a stream (GetObject). */
  readonly isStreamed?: boolean
  /** The answer must be XML with this root, else it does not come from an S3 server. */
  readonly root?: string
}

/** How a request failed on our side of the wire; other failures are Node's own errors. */
export type ExchangeFailure =
  'connect-timeout' | 'silent' | 'deadline' | 'answer-cut' | 'answer-too-large' | 'answer-not-s3'

export class ExchangeError extends Error {
  override readonly name = 'ExchangeError'
  readonly failure: ExchangeFailure

  constructor(failure: ExchangeFailure, message: string) {
    super(message)
    this.failure = failure
  }
}

/** What is known about a failed request; the handler hangs it on the error that it rejects with. */
export type ExchangeTrace = {
  /** What fails then may have been done all the same. */
  readonly isConnected: boolean
  readonly bodyBytesSent: number
  /** The connection had served another request before: it may just have been old. */
  readonly isReusedConnection: boolean
  readonly isAnswered: boolean
}

const traces = new WeakMap<object, ExchangeTrace>()

export function noteTrace(error: object, trace: ExchangeTrace): void {
  traces.set(error, trace)
}

export function traceOf(error: unknown): ExchangeTrace | undefined {
  return typeof error === 'object' && error !== null ? traces.get(error) : undefined
}
