// The content of one file of an archive, with the few reads that it takes.

import { setImmediate } from 'node:timers/promises'
import { isFailure } from '../domain/errors.ts'
import { memberMissing } from './restore-plan.ts'
import { lostSince } from './newer-archives.ts'
import { openArchiveBytes } from './archive-bytes.ts'
import { parsePathPattern, plainPath, plainPaths } from '../pack/extract-patterns.ts'
import { withArchiveInUse } from './archive-in-use.ts'
import type { ArchiveBytes, ArchiveBytesServices } from './archive-bytes.ts'
import type { ArchiveInUseServices } from './archive-in-use.ts'
import type { ArchiveTail } from '../pack/archive-tail.ts'
import type { ByteString } from '../pack/tar-header.ts'
import type { IndexedMember } from '../pack/member-record.ts'
import type { Warning } from '../domain/archive.ts'
import type { WriteContent } from '../pack/extract-content.ts'

export type CatInput = {
  readonly archive: string
  readonly path: string
  /** Resolves when more may come. */
  readonly write: WriteContent
}

/**
 * Returns what went wrong on the way without harm. Rejects with MEMBER_MISSING, ARCHIVE_CORRUPT (what was
 * whole in front of the damage is written), or as a restore does.
 */
export async function catMember(
  services: ArchiveBytesServices & ArchiveInUseServices,
  { archive: name, path, write }: CatInput,
  signal: AbortSignal,
): Promise<{ readonly warnings: readonly Warning[] }> {
  return withArchiveInUse(services, name, async (archive) => {
    const bytes = await openArchiveBytes(services, archive, signal)
    try {
      await copyMember(bytes, path, interruptible(write, signal))
      const lost = await lostSince(services.catalog, name, archive)
      return { warnings: [...lost, ...bytes.warnings()] }
    } finally {
      bytes.close()
    }
  })
}

/**
 * A hole of a terabyte is written without a read, and writing to a file or pipe never lets Node look at its
 * signals: without a pause of ours Ctrl-C would go unheard.
 */
function interruptible(write: WriteContent, signal: AbortSignal): WriteContent {
  return async (piece) => {
    await write(piece)
    await setImmediate()
    signal.throwIfAborted()
  }
}

/** Of an archive that is open already. */
export async function copyMember(
  bytes: ArchiveBytes,
  path: string,
  write: WriteContent,
): Promise<void> {
  // Loads the tar reader, which `--help` does without.
  const { copyContent, copyContentOfStream } = await import('../pack/extract-content.ts')
  const tail = await bytes.openTail()
  const found = tail === undefined ? DAMAGED : await find(tail, path)
  if (tail !== undefined && found !== DAMAGED) {
    if (found === undefined) throw memberMissing([path])
    await copyContent(tail, found, write)
  } else await copyContentOfStream(() => bytes.stream(), literalOf(path), write)
}

const DAMAGED = 'damaged'

async function find(
  tail: ArchiveTail,
  path: string,
): Promise<IndexedMember | undefined | typeof DAMAGED> {
  try {
    // A name may hold what elsewhere is a wildcard.
    for (const plain of [...plainPaths(path), literalOf(path)]) {
      const member = await tail.findMember(plain)
      if (member !== undefined) return member
    }
    return undefined
  } catch (error) {
    if (isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED')) return DAMAGED
    throw error
  }
}

/** With its escapes read; where there are wildcards in it, as it is. Throws USAGE. */
function literalOf(path: string): ByteString {
  const { isGlob, base } = parsePathPattern(path)
  return isGlob ? plainPath(path) : base
}
