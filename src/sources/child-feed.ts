// Feeds a program by its standard input: what it reads comes from an archive, piece by piece, and waits when
// the program does. Its input is closed only after all of it was read whole: a program that is ended
// before that has never seen an end, and cannot take half of something for all of it.

import { once } from 'node:events'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { assert } from '../lib/assert.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { Program } from '../domain/source.ts'
import { startChild } from './child.ts'
import type { Child } from './child.ts'

/** Resolves when more may come. */
export type WriteBytes = (bytes: Buffer) => Promise<void>

/** Writes all of it; rejects when it is damaged. May be called again. */
export type ReadDump = (write: WriteBytes) => Promise<void>

export type FeedOptions = {
  /** Has room for two names for a moment. */
  readonly folder: string
  readonly signal: AbortSignal
  readonly onErrorLine?: (line: string) => void
}

/**
 * Resolves with what it said on its standard error when it ended well. Rejects with SOURCE_COMMAND_FAILED,
 * INTERRUPTED, or with what `read` rejects with; nothing of the program is left then.
 */
export async function feedProgram(
  program: Program,
  read: ReadDump,
  { folder, signal, onErrorLine }: FeedOptions,
): Promise<string> {
  const child = await startChild(program, folder, { isFed: true, onErrorLine })
  const output = new Socket({ fd: child.outputFd, readable: true, writable: false })
  // Nobody wants it, and a program whose output is full would wait.
  output.on('error', () => undefined).resume()
  let forget = (): void => undefined
  try {
    const aborted = new Promise<never>((_resolve, reject) => {
      const onAbort = (): void => reject(interrupted(program))
      if (signal.aborted) onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      forget = () => signal.removeEventListener('abort', onAbort)
    })
    await Promise.race([feed(child, read), failureOf(child), aborted])
    await Promise.race([child.ended, aborted])
    return child.said()
  } finally {
    forget()
    await child.stop()
    output.destroy()
  }
}

async function feed({ input }: Child, read: ReadDump): Promise<void> {
  assert(input !== null, 'a program that is fed has an input')
  // It closed its input: why, its exit says. What is left is read all the same, so that it is proven whole.
  input.on('error', () => undefined)
  await read((bytes) => write(input, bytes))
  input.end()
}

async function write(input: Writable, bytes: Buffer): Promise<void> {
  if (input.destroyed || input.errored !== null || input.write(bytes)) return
  const over = new AbortController()
  const { signal } = over
  try {
    // A pipe that breaks is closed, and never drains.
    await Promise.race([once(input, 'drain', { signal }), once(input, 'close', { signal })])
  } catch (error) {
    // The error of the pipe itself.
    if (!input.destroyed) throw error
  } finally {
    over.abort()
  }
}

/** Never resolves: its good end counts only when all was read. */
async function failureOf({ ended }: Child): Promise<never> {
  await ended
  return new Promise<never>(() => undefined)
}

function interrupted({ argv: [name] }: Program): SpillwayError {
  return new SpillwayError('INTERRUPTED', `${name} was interrupted`)
}
