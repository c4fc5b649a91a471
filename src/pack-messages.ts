// What the threads of one packing say to each other.
//
//   pack-worker  --block, members, end-->  frame-worker
//   both  --progress, done, surveyed, failed, output-read-->  main thread (compose-packer.ts)
//   main thread  --output, output-good, output-bytes, output-folder, outputs-end-->  pack-worker (for programs)
//
// Blocks travel in shared memory (pack/block-ring.ts); a message only says that one was given.

import type { FailureCode, FailureFacts } from './domain/errors.ts'
import { messageOf, SpillwayError } from './domain/errors.ts'
import type { FolderSource } from './domain/source.ts'
import type { ArchiveJob, WalkTotals } from './pack/archive-writer.ts'
import type { RingMemory } from './pack/block-ring.ts'
import type { WorkerPort } from './lib/worker.ts'
import type { RawIndexBlock } from './pack/member-record.ts'
import type { PartMemory } from './pack/part-memory.ts'
import type { PackProgress, PackResult, Surveyed } from './pack/packer.ts'
import type { OutputFindings } from './sources/output.ts'
import type { FoundInOutput, OutputFormat } from './sources/output-format.ts'

export type WalkOrder = {
  /** undefined: outputs of commands, which come by `OutputMessage`. */
  readonly source: FolderSource | undefined
  readonly ownPaths: readonly string[]
  readonly ring: RingMemory
}

export type FrameOrder = {
  readonly job: ArchiveJob
  /** A file that the main thread created and closes, or memory. */
  readonly output: { readonly fd: number } | { readonly memory: PartMemory }
  readonly outputBytesMax: number | undefined
  readonly ring: RingMemory
}

/** The first message to each thread, with its end of the channel between the two. */
export type FrameStart = { readonly order: FrameOrder; readonly walker: WorkerPort }

/** Without `frames`: a survey. */
export type WalkStart = { readonly order: WalkOrder; readonly frames: WorkerPort | undefined }

export type FrameMessage =
  | { readonly kind: 'block'; readonly lengthBytes: number; readonly read: ReadSoFar }
  | { readonly kind: 'members'; readonly block: RawIndexBlock }
  /** A place in the tar for `fill`. */
  | { readonly kind: 'keep'; readonly blockBytes: number }
  | { readonly kind: 'fill'; readonly block: Uint8Array }
  | { readonly kind: 'end'; readonly totals: WalkTotals }
  /** From the main thread: the ring is stopped. */
  | { readonly kind: 'stop' }

/** To the thread that packs what commands write: each output, and whether it is good, which comes last. */
export type OutputMessage =
  /** The main thread closes it. `fileName` is bytes (latin1). */
  | {
      readonly kind: 'output'
      readonly fd: number
      readonly fileName: string
      readonly format: OutputFormat | undefined
    }
  | { readonly kind: 'output-good'; readonly endedAt: Date }
  /** A member whose content is known. */
  | { readonly kind: 'output-bytes'; readonly fileName: string; readonly bytes: Uint8Array }
  | { readonly kind: 'output-folder'; readonly fileName: string }
  | { readonly kind: 'outputs-end'; readonly findings: OutputFindings }
  | { readonly kind: 'stop' }

export type ReadSoFar = Pick<PackProgress, 'sourceBytes' | 'memberCount'>

export type WorkerMessage =
  | { readonly kind: 'progress'; readonly progress: PackProgress }
  | { readonly kind: 'done'; readonly result: PackResult }
  | {
      readonly kind: 'surveyed'
      readonly surveyed: ReadSoFar & Required<Pick<Surveyed, 'findings'>>
    }
  /** An output has ended, which says nothing about its program. */
  | { readonly kind: 'output-read'; readonly bytes: number; readonly found: FoundInOutput }
  | { readonly kind: 'failed'; readonly failure: FailureMessage }

/** An error as data: a thread gets copies, which know neither class nor fields. */
export type FailureMessage = {
  readonly code: FailureCode | undefined
  readonly message: string
  readonly facts: FailureFacts
  readonly hint: string | undefined
  readonly stack: string | undefined
}

export function encodeFailure(error: unknown): FailureMessage {
  const stack = error instanceof Error ? error.stack : undefined
  const { code, facts, hint } =
    error instanceof SpillwayError ? error : { code: undefined, facts: {}, hint: undefined }
  return { code, message: messageOf(error), facts, hint, stack }
}

export function decodeFailure({ code, message, facts, hint, stack }: FailureMessage): Error {
  const error =
    code === undefined
      ? new Error(message)
      : new SpillwayError(code, message, { facts, ...(hint === undefined ? {} : { hint }) })
  // Where it happened, not where it was heard of.
  if (stack !== undefined) error.stack = stack
  return error
}
