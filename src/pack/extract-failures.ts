// What the system said while a member was restored, as a failure that says what it means.

import { shownPath } from './extract-paths.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { ByteString } from './tar-header.ts'

export type RestoreStep = 'create' | 'write' | 'finish'

export function restoreFailure(error: unknown, path: ByteString, step: RestoreStep): unknown {
  if (error instanceof SpillwayError) return error
  const code = errnoOf(error)
  // No errno: a mistake of ours, which must not look like one of the disk's.
  if (code === undefined) return error
  const shown = shownPath(path)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new SpillwayError('RESTORE_FAILED', `no space is left for "${shown}" (${code})`, {
      cause: error,
      facts: { code },
      hint: 'free some room, empty the folder, and restore again',
    })
  if (step === 'create' && code === 'EEXIST') return twice(path, error)
  if (step === 'create' && (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP'))
    return new SpillwayError(
      'ARCHIVE_REFUSED',
      `the archive's member "${shown}" lies in something that is no folder that came before it`,
      { cause: error },
    )
  return new SpillwayError(
    'RESTORE_FAILED',
    `cannot ${step} "${shown}": ${withoutPath(messageOf(error))}`,
    { cause: error, facts: { code } },
  )
}

/** A list that lies on the disk can fail while it is read. */
export function* guarded<Item>(items: Generator<Item>): Generator<Item> {
  try {
    yield* items
  } catch (error) {
    throw restoreFailure(error, '', 'finish')
  }
}

/** Two members of one name; or two names that this file system does not tell apart. */
export function twice(path: ByteString, cause?: unknown): SpillwayError {
  return new SpillwayError(
    'ARCHIVE_REFUSED',
    `the archive's member "${shownPath(path)}" is there already`,
    {
      cause,
      hint: 'if names differ in upper and lower case alone, restore to a file system that tells them apart',
    },
  )
}

export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  const { code } = error
  return typeof code === 'string' && 'syscall' in error ? code : undefined
}

/** Node ends its messages with the path as it was used, which says nothing to a reader. */
function withoutPath(message: string): string {
  return message.replace(/, [a-z]+( '.*)?$/s, '')
}
