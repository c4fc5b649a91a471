// What a run did, in the shape that `run --json` prints and other programs rely on (DESIGN.md
// section 10: fields may be added, none changed).

import { exitOf } from './exit-code.ts'
import type { ArchiveId, ShownState, Warning } from './archive.ts'
import type { AttemptOutcome } from './errors.ts'

export type ReportedServer = {
  readonly number: number
  readonly endpoint: string
  readonly bucket: string | null
}

export type ReportedAttempt = {
  readonly server: number
  readonly outcome: AttemptOutcome
  readonly code: string | null
  readonly message: string | null
  readonly bytesSent: number
  readonly seconds: number
}

export type ReportedArchive = {
  readonly id: ArchiveId
  readonly source: string
  readonly file: string
  readonly key: string
  readonly state: ShownState
  readonly location: 'local' | 's3' | 'both' | null
  readonly sizeBytes: number
  readonly sourceBytes: number
  readonly fileCount: number
  readonly sha256: string
  readonly server: ReportedServer | null
  readonly copies: readonly ReportedServer[]
  readonly attempts: readonly ReportedAttempt[]
  readonly warnings: readonly Warning[]
  readonly warningCount: number
  readonly notes: readonly Warning[]
}

export type SourceOutcome = 'ok' | 'warnings' | 'failed' | 'skipped'

export type ReportedSource = {
  readonly name: string
  readonly outcome: SourceOutcome
  readonly code: string | null
  readonly message: string | null
  /** What can be done about it. */
  readonly hint: string | null
}

/** What retention did, and what it was kept from. */
export type ReportedRetention = {
  readonly deleted: readonly {
    readonly id: ArchiveId
    readonly source: string
    readonly file: string
    /** Of all its copies. */
    readonly bytes: number
  }[]
  /** Of which copies were deleted and others stay, since their server cannot be asked, or refuses. */
  readonly partlyDeleted: readonly {
    readonly id: ArchiveId
    readonly source: string
    readonly file: string
    /** Of the copies that were deleted. */
    readonly bytes: number
    readonly copiesLeft: number
  }[]
  /** On all servers together, as they confirmed it. */
  readonly freedBytes: number
  /** Copies that are to go and still count as used: by server, with its first answer. */
  readonly refused: readonly {
    readonly server: number | null
    readonly label: string
    readonly copies: number
    readonly bytes: number
    readonly code: string
    readonly message: string
  }[]
  /** Sources of which nothing may be deleted now. */
  readonly held: readonly { readonly source: string; readonly reason: string }[]
  /** Archives that are due, and more than one run may delete. */
  readonly remaining: number
}

export type RunOutcome = 'ok' | 'warnings' | 'failed'

export type RunReport = {
  readonly outcome: RunOutcome
  readonly exit: number
  readonly startedAt: string
  readonly seconds: number
  readonly sources: readonly ReportedSource[]
  readonly archives: readonly ReportedArchive[]
  readonly retention: ReportedRetention
  /** Worth knowing, and nothing wrong yet: a forecast. The exit code does not know of them. */
  readonly notices: readonly string[]
  /** What is wrong besides the archives: a server that could not be asked, a spool file lost. */
  readonly warnings: readonly string[]
}

export function runOutcome(exit: number): RunOutcome {
  if (exit === 0) return 'ok'
  return exit === 3 ? 'warnings' : 'failed'
}

/** The exit code of a run from everything that happened in it. */
export function runExit(input: {
  readonly failures: readonly number[]
  readonly hasWarnings: boolean
}): number {
  return exitOf([...input.failures, ...(input.hasWarnings ? [3] : [])])
}

/** What was found out after the archives: warnings of the run, and no more than that. */
export function withWarnings(report: RunReport, warnings: readonly string[]): RunReport {
  if (warnings.length === 0) return report
  const exit = runExit({ failures: [report.exit], hasWarnings: true })
  return {
    ...report,
    ...{ exit, outcome: runOutcome(exit), warnings: [...report.warnings, ...warnings] },
  }
}
