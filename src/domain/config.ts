// What .env says, once it is parsed: nested, typed, immutable.

import type { Notification } from './notification.ts'
import type { Server } from './server.ts'
import type { Source } from './source.ts'

export type Config = {
  /** The file that was read, absolute; undefined when only the environment spoke. */
  readonly envFile: string | undefined
  readonly serverId: string
  readonly dataDir: string
  /** false: archives go straight to a server, and nothing can wait. */
  readonly hasSpool: boolean
  readonly spoolDir: string
  /** undefined: no limit. */
  readonly spoolLimitBytes: number | undefined
  readonly catalogPath: string
  /** Absolute; it may not be there. */
  readonly sealKeyFile: string
  /** In numeric order, disabled ones too. */
  readonly servers: readonly Server[]
  /** In numeric order. */
  readonly sources: readonly Source[]
  readonly copies: number
  readonly localKeep: number
  /** Most archives that one run may delete; undefined: see `deletesMax`. */
  readonly pruneMaxPerRun: number | undefined
  /** Bits per second; undefined: no limit. */
  readonly uploadLimitBitsPerSecond: number | undefined
  readonly proxy: ProxySettings
  readonly verifiesPacking: boolean
  /** Of the copies, read back at the end of each run; undefined: nothing. */
  readonly verifyNightlyBytes: number | undefined
  readonly zstdLevel: number
  /** So many are archived at the same time, PARALLEL_SOURCES_MAX at most. */
  readonly parallelSources: number
  readonly schedule: string
  /** Most by which a host starts later than the schedule says. */
  readonly randomDelayMs: number
  /** Absolute; undefined: no metrics are written. */
  readonly metricsFile: string | undefined
  readonly daemon: DaemonSettings
  /** In numeric order. */
  readonly notifications: readonly Notification[]
}

// Each takes up to 65 MiB (measured): more would be a gigabyte, and more than the pool of four threads can keep busy.
export const PARALLEL_SOURCES_MAX = 16

/** Of `spillway serve`. */
export type DaemonSettings = {
  /** An address of this machine alone. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Further values of the Host header. */
  readonly names: readonly string[]
  /** Absolute; below them the API may restore. */
  readonly restoreRoots: readonly string[]
  /** The one among them that nobody named; it is made when it is needed. */
  readonly defaultRestoreRoot: string | undefined
  /** Absolute; below them the API may name what is archived. */
  readonly sourceRoots: readonly string[]
}

export type ProxySettings = {
  readonly httpsProxy: string | undefined
  /** Comma-separated, as curl and most others read it. */
  readonly noProxy: string | undefined
}
