// The whole way of a restore: archive -> frames -> blocks of tar -> members -> tree.
//
// Where the tree is written is a choice: in a worker thread (compose-unpacker.ts), since the calls are
// synchronous and would hold up network and timers; or right here, for tests and small archives.

import { readTarBlocks } from './frame-reader.ts'
import { TarReader } from './tar-reader.ts'
import { TreeWriter } from './extract-tree.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { TreeLimits, TreeResult } from './extract-tree.ts'
import type { Unpacker, UnpackProgress } from './unpacker.ts'

export interface TreeSink {
  /** Resolves when `block` may change again. A later call may reject for an earlier one's sake. */
  write(block: Buffer): Promise<void>
  finish(): Promise<TreeResult>
  /** Ends at once, also while another call is under way. */
  close(): Promise<void>
}

export type TreeSinkInput = {
  readonly directory: string
  readonly limits: TreeLimits
  readonly onProgress: (progress: UnpackProgress) => void
}

export type OpenTreeSink = (input: TreeSinkInput) => Promise<TreeSink>

export function createUnpackerWith(openSink: OpenTreeSink): Unpacker {
  return {
    unpack: async (input, signal) => {
      const { archive, directory, onProgress = () => {}, memberCountMax, sourceBytesMax } = input
      throwIfAborted(signal)
      const limits = { memberCountMax, sourceBytesMax }
      const sink = await openSink({ directory, limits, onProgress })
      try {
        const { blocks, sha256 } = readTarBlocks(archive)
        for await (const block of blocks) {
          throwIfAborted(signal)
          await orAborted(sink.write(block.bytes), signal)
        }
        const result = await orAborted(sink.finish(), signal)
        return { ...result, sha256: sha256() }
      } finally {
        await sink.close()
      }
    },
  }
}

/** Writes in this thread. */
export async function openTreeSink(input: TreeSinkInput): Promise<TreeSink> {
  const tree = new TreeWriter(input.directory, input.limits)
  const reader = new TarReader(tree)
  return {
    write: async (block) => {
      await reader.write(block)
      input.onProgress(tree.progress)
    },
    finish: async () => {
      await reader.finish()
      const result = tree.finish()
      input.onProgress(tree.progress)
      return result
    },
    close: async () => tree.close(),
  }
}

/** Does not wait for what is under way once the signal is given: closing the sink ends that. */
async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let onAbort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(interrupted())
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw interrupted()
}

function interrupted(): SpillwayError {
  return new SpillwayError('INTERRUPTED', 'the restore was interrupted')
}
