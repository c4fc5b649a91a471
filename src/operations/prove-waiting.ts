// An archive that waits may have lain in the spool for weeks, on a disk that rots. What is sent is proven to be what was
// read then, so a file that was damaged meanwhile would be stored, and count as a good archive.

import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { checkArchiveFile } from './copies-check-file.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'

/** Rejects with ARCHIVE_CORRUPT, ARCHIVE_REFUSED (of another version), SPOOL_FAILED or INTERRUPTED. */
export async function proveWaiting(
  archive: ArchiveWithCopies,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await checkArchiveFile(path, archive, signal)
  } catch (error) {
    // It was good when it was packed: what looks like somebody else's archive now is damage, too.
    if (!isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED')) throw error
    if (error instanceof SpillwayError && error.facts['isOfAnotherVersion'] === true) throw error
    const { id, file } = archive
    const what = `${file} was damaged in the spool, and is not sent: ${messageOf(error)}`
    throw new SpillwayError('ARCHIVE_CORRUPT', what, {
      cause: error,
      facts: { path },
      hint: archive.copies.some(({ state }) => state === 'stored')
        ? 'a server has it, too: spillway copies'
        : `restore what is sound of it (spillway restore ${id} --to=DIR), then remove ${path}`,
    })
  }
}
