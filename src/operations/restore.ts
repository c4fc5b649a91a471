// Restores one archive into a folder of its own.
//
// The archive is unpacked while it arrives, so nothing needs room twice. What the catalog knows of it
// (members, bytes, checksum) is compared as soon as it can be; until then the folder is closed to
// others, and after a failure the message says that it is incomplete.

import { mkdir, readdir, rmdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { openArchiveBytes } from './archive-bytes.ts'
import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { OpenStorage } from './server-pool.ts'
import type { Unpacker, UnpackResult } from '../pack/unpacker.ts'
import type { Warning } from '../domain/archive.ts'

export type RestoreServices = {
  readonly config: Config
  readonly catalog: Catalog
  /** Called only when the spool cannot serve the archive. */
  readonly openStorage: () => Promise<OpenStorage>
  readonly unpacker: Unpacker
}

export type RestoreProgress = {
  /** Of the archive. */
  readonly readBytes: number
  readonly totalBytes: number
  readonly sourceBytes: number
  readonly memberCount: number
}

export type RestoreInput = {
  /** An id, a unique prefix of one, a file name, or `latest:SOURCE`. */
  readonly archive: string
  /** Created when it is missing; its parent is not. Must be empty. */
  readonly to: string
  readonly onProgress?: (progress: RestoreProgress) => void
}

export type Restored = {
  readonly archive: ArchiveWithCopies
  /** Absolute. */
  readonly to: string
  readonly memberCount: number
  readonly sourceBytes: number
  readonly seconds: number
  /** `spool` or a server's label; several, in order, when one failed half way. */
  readonly from: readonly string[]
  readonly warningCount: number
  readonly warnings: readonly Warning[]
}

/**
 * Rejects with ARCHIVE_MISSING, ARCHIVE_CORRUPT, ARCHIVE_REFUSED, RESTORE_FAILED, INTERRUPTED, or with
 * why no copy could be read. What was written until then stays.
 */
export async function restoreArchive(
  services: RestoreServices,
  input: RestoreInput,
  signal: AbortSignal,
): Promise<Restored> {
  const startedMs = performance.now()
  const archive = await services.catalog.findArchive(input.archive)
  const source = await openArchiveBytes(services, archive, signal)
  const to = resolve(input.to)
  const before = await createFolder(to)

  let readBytes = 0
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source.bytes) {
      readBytes += chunk.length
      yield chunk
    }
  }
  const onProgress = (progress: { sourceBytes: number; memberCount: number }) =>
    input.onProgress?.({ ...progress, readBytes, totalBytes: source.sizeBytes })
  let result: UnpackResult
  try {
    const { memberCount: memberCountMax, sourceBytes: sourceBytesMax } = archive
    const limits = { memberCountMax, sourceBytesMax }
    result = await services.unpacker.unpack(
      { archive: counted(), directory: to, onProgress, ...limits },
      signal,
    )
    compare(archive, result)
  } catch (error) {
    throw await explained(error, to, before)
  }
  const warnings = [...source.warnings(), ...result.warnings]
  return {
    archive,
    to,
    memberCount: result.memberCount,
    sourceBytes: result.sourceBytes,
    seconds: (performance.now() - startedMs) / 1_000,
    from: source.from(),
    warningCount: source.warnings().length + result.warningCount,
    warnings,
  }
}

/** How the folder was found. */
type Before = 'created' | 'empty' | 'in use'

/** Parents are not created: a disk that is not mounted must not fill the one below. */
async function createFolder(path: string): Promise<Before> {
  try {
    await mkdir(path, { mode: 0o700 })
    return 'created'
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    // What it is, and whether it is ours, the unpacker says with more care.
    if (code === 'EEXIST') return (await isEmpty(path)) ? 'empty' : 'in use'
    if (code === 'ENOENT')
      throw new SpillwayError(
        'RESTORE_FAILED',
        `cannot create ${path}: there is no ${dirname(path)}`,
        { cause, hint: 'create that folder, or correct the path' },
      )
    throw new SpillwayError('RESTORE_FAILED', `cannot create ${path}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

async function isEmpty(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).length === 0
  } catch {
    // Not a folder, or not one that we may read: nothing of ours in any case.
    return false
  }
}

/** An archive that unpacks well may still be another one, or miss its last members. */
function compare(archive: ArchiveWithCopies, result: UnpackResult): void {
  const facts = ['memberCount', 'sourceBytes', 'sha256'] as const
  for (const fact of facts) {
    const [expected, found] = [archive[fact], result[fact]]
    if (expected !== undefined && expected !== found)
      throw new SpillwayError(
        'ARCHIVE_CORRUPT',
        `${archive.file} is not what was archived: its ${NAMES[fact]} is ${found}, the catalog says ${expected}`,
      )
  }
}

const NAMES = {
  memberCount: 'number of members',
  sourceBytes: 'content in bytes',
  sha256: 'SHA-256',
} as const

/** Says what became of the folder; one that we created in vain goes again. */
async function explained(error: unknown, to: string, before: Before): Promise<unknown> {
  if (before === 'in use') return error
  if (await isEmpty(to)) {
    // Best effort: an empty folder harms nobody.
    if (before === 'created') await rmdir(to).catch(() => undefined)
    return error
  }
  if (!(error instanceof SpillwayError)) return error
  const { code, facts, hint } = error
  return new SpillwayError(code, `${error.message}; ${to} is incomplete`, {
    cause: error,
    facts,
    ...(hint === undefined ? {} : { hint }),
  })
}
