// The time limits of every request, in one place. Tests scale them down; nothing else does.

export type NetworkLimits = {
  /** Name look-up, connection and TLS. A server that needs longer is not well. */
  readonly connectMs: number
  /** No byte in either direction: nobody is there any more (DESIGN.md section 7). */
  readonly silenceMs: number
  /** CompleteMultipartUpload may work for minutes before its answer, without a byte. */
  readonly completeSilenceMs: number
  /** What one server may cost one archive without progress, repeats and waits included. */
  readonly withoutProgressMs: number
  /** First delay before a repeat; it grows fivefold, with jitter, up to 10 s. */
  readonly repeatDelayMs: number
}

export const NETWORK_LIMITS: NetworkLimits = {
  connectMs: 10_000,
  silenceMs: 60_000,
  completeSilenceMs: 110_000,
  withoutProgressMs: 120_000,
  repeatDelayMs: 500,
}
