// What a source that runs programs puts into its archive: outputs, one after another. A kind of source is an
// `OutputSeries`: it yields an output, hears how that went once it is good, and yields the next one. So
// each may ask a server what there is, dump one database after another, and end with a list of them.

import type { Warning } from '../domain/archive.ts'
import type { SpillwayError } from '../domain/errors.ts'
import type { Program } from '../domain/source.ts'
import type { FoundInOutput, OutputFormat } from './output-format.ts'

/** What a program writes. */
export type ProgramOutput = {
  readonly kind: 'program'
  /** Of the member; at most 100 bytes. */
  readonly fileName: string
  readonly program: Program
  /** Of the member; undefined: when the program ended. */
  readonly modifiedAt?: Date
  /** What the thread that reads it looks for. */
  readonly format?: OutputFormat
  /** Judges it after the program has ended well, and before anybody can take it for good: throws. */
  readonly accept?: (facts: OutputFacts) => void
  /** Says the program's failure in words of the source. */
  readonly explain?: (failure: SpillwayError) => SpillwayError
}

/** What is known already. */
export type BytesOutput = {
  readonly kind: 'bytes'
  readonly fileName: string
  readonly bytes: Uint8Array
}

export type Output = ProgramOutput | BytesOutput

export type OutputFacts = {
  readonly sizeBytes: number
  readonly startedAt: Date
  readonly endedAt: Date
  /** The program's last words on its standard error. */
  readonly said: string
  readonly found: FoundInOutput
}

export type OutputFindings = {
  readonly warnings: readonly Warning[]
  /** What was left out on purpose. */
  readonly notes: readonly Warning[]
}

/**
 * Outputs come in the byte order of their names, or nobody finds them in the archive (FORMAT.md). The folder
 * that one lies in is put before it by whoever takes them. `return()` is always called at its end: its `finally` takes away what it has left on disk.
 */
export type OutputSeries = AsyncGenerator<Output, OutputFindings, OutputFacts>

export type OutputContext = {
  /** For pipes and for files with secrets, as long as it runs. */
  readonly folder: string
  readonly signal: AbortSignal
}

/** What a dry run and the wizard show of a server. */
export type OutputSurvey = {
  /** undefined: nobody knows. */
  readonly sourceBytes: number | undefined
  readonly memberCount: number
  /** What it consists of, where a person would name that. */
  readonly parts?: readonly SurveyedPart[]
}

export type SurveyedPart = { readonly name: string; readonly sizeBytes: number | undefined }
