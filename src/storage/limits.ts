// The time limits of every request, in one place. Tests scale them down; nothing else does.

export type NetworkLimits = {
  /** Name look-up, connection and TLS. A server that needs longer is not well. */
  readonly connectMs: number
  /** No byte in either direction: nobody is there any more (DESIGN.md section 7). */
  readonly silenceMs: number
  /**
   * CompleteMultipartUpload may work long before its answer, without a byte. With connecting, and noticed a
   * quarter late, this is within what an operation may take.
   */
  readonly completeSilenceMs: number
  /** What one server may cost one archive without progress, repeats and waits included. */
  readonly withoutProgressMs: number
  /** First delay before a repeat; it grows fivefold, with jitter, up to 10 s. */
  readonly repeatDelayMs: number
}

export const NETWORK_LIMITS: NetworkLimits = {
  connectMs: 10_000,
  silenceMs: 60_000,
  completeSilenceMs: 75_000,
  withoutProgressMs: 120_000,
  repeatDelayMs: 500,
}

/** Blanks keep a Complete alive, but not for ever: so many times its silence, about 18 minutes. */
export const COMPLETE_SILENCES_MAX = 15

/**
 * What beginning or completing an upload may take without progress, whatever it asks: 105 s. The rest of
 * `withoutProgressMs` is for giving the upload up afterwards (15 s, operations/upload-copy.ts).
 */
export function operationMs({ withoutProgressMs }: NetworkLimits): number {
  return (withoutProgressMs * 7) / 8
}
