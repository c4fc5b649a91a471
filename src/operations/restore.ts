// Restores an archive, or a part of it, into a folder.
//
// It is read by position: of a part only the frames that are needed, and a damaged frame costs nothing but
// the members in it. An archive whose index is damaged is read from its first byte. What the catalog knows
// of a whole archive (members, bytes, checksum) is compared in the end; after a failure the message says
// that the folder is incomplete.

import { mkdir, readdir, rmdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { isFailure, messageOf, reworded, SpillwayError } from '../domain/errors.ts'
import { allStripped, memberMissing, planRestore, planWhole } from './restore-plan.ts'
import { lostSince } from './newer-archives.ts'
import { openArchiveBytes } from './archive-bytes.ts'
import { checkTarget } from '../pack/extract-target.ts'
import { parsePathPattern, plainPath } from '../pack/extract-patterns.ts'
import { specsOf } from '../pack/extract-select.ts'
import { withArchiveInUse } from './archive-in-use.ts'
import type { ArchiveBytes, ArchiveBytesServices } from './archive-bytes.ts'
import type { ArchiveInUseServices } from './archive-in-use.ts'
import type { ArchiveTail } from '../pack/archive-tail.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'
import type { IndexedMember } from '../pack/member-record.ts'
import type { OverwriteRule } from '../pack/extract-overwrite.ts'
import type { PathSpec } from '../pack/extract-patterns.ts'
import type { RestorePlan } from './restore-plan.ts'
import type { Unpacker, UnpackResult } from '../pack/unpacker.ts'
import type { Warning } from '../domain/archive.ts'

/** To look into an archive, for what is only planned. */
export type LookServices = ArchiveBytesServices & ArchiveInUseServices

export type RestoreServices = LookServices & { readonly unpacker: Unpacker }

export type RestoreProgress = {
  /** Of the archive: read so far, and to be read in all. */
  readonly readBytes: number
  readonly totalBytes: number
  readonly sourceBytes: number
  readonly memberCount: number
}

export type RestoreInput = {
  /** An id, a unique prefix of one, a file name, or `latest:SOURCE`. */
  readonly archive: string
  /** Exact or with wildcards, relative to the archived folder; none: everything. */
  readonly paths?: readonly string[]
  /** Created when it is missing; its parent is not. Must be empty unless `overwrite` is given. */
  readonly to: string
  /** How many leading parts of every path are left out. */
  readonly strip?: number
  readonly overwrite?: OverwriteRule | undefined
  readonly onProgress?: (progress: RestoreProgress) => void
}

export type Restored = {
  readonly archive: ArchiveWithCopies
  /** Absolute. */
  readonly to: string
  readonly memberCount: number
  readonly sourceBytes: number
  /** Of the archive, as it came over the line. */
  readonly readBytes: number
  readonly seconds: number
  /** `spool` or a server's label; several, in order, when one failed half way. */
  readonly from: readonly string[]
  /** Left as they were in the folder. */
  readonly keptCount: number
  /** Left out, because `strip` takes their whole path; null: not known, the index is damaged. */
  readonly strippedCount: number | null
  /** Could not be given back: their bytes are damaged in every copy. */
  readonly lostCount: number
  readonly lost: readonly string[]
  readonly warningCount: number
  readonly warnings: readonly Warning[]
}

export type PlannedRestore = RestorePlan & {
  readonly archive: ArchiveWithCopies
  readonly from: readonly string[]
}

/**
 * Rejects with ARCHIVE_MISSING, MEMBER_MISSING, ARCHIVE_CORRUPT, ARCHIVE_REFUSED, RESTORE_FAILED,
 * INTERRUPTED, or with why no copy could be read. What was written until then stays.
 */
export async function restoreArchive(
  services: RestoreServices,
  input: RestoreInput,
  signal: AbortSignal,
): Promise<Restored> {
  const startedMs = performance.now()
  return withArchiveInUse(services, input.archive, async (archive) => {
    const bytes = await openArchiveBytes(services, archive, signal)
    try {
      const done = await restoreFrom(services, { ...input, row: archive, bytes }, signal)
      const lost = await lostSince(services.catalog, input.archive, archive)
      const warnings = [...lost, ...done.warnings]
      const warningCount = done.warningCount + lost.length
      return { ...done, warnings, warningCount, seconds: (performance.now() - startedMs) / 1_000 }
    } finally {
      bytes.close()
    }
  })
}

/** The same up to where something would be written. ARCHIVE_CORRUPT: its index cannot be read. */
export async function planOfRestore(
  services: LookServices,
  input: Pick<RestoreInput, 'archive' | 'paths' | 'to' | 'strip' | 'overwrite'>,
  signal: AbortSignal,
  onMember: (member: IndexedMember) => void,
): Promise<PlannedRestore> {
  return withArchiveInUse(services, input.archive, async (archive) => {
    await checkFolder(resolve(input.to), input.overwrite !== undefined)
    const bytes = await openArchiveBytes(services, archive, signal)
    try {
      const tail = await bytes.openTail()
      if (tail === undefined)
        throw new SpillwayError(
          'ARCHIVE_CORRUPT',
          `the index of ${archive.file} is damaged: it can be restored, but not looked into first`,
        )
      const texts = input.paths ?? []
      const specs = await specsOf((path) => tail.findMember(path), texts)
      const plan = await planRestore(tail, { texts, specs, strip: input.strip ?? 0 }, onMember)
      return { ...plan, archive, from: bytes.from() }
    } finally {
      bytes.close()
    }
  })
}

type Opened = RestoreInput & { readonly row: ArchiveWithCopies; readonly bytes: ArchiveBytes }

async function restoreFrom(
  { unpacker }: Pick<RestoreServices, 'unpacker'>,
  input: Opened,
  signal: AbortSignal,
): Promise<Omit<Restored, 'seconds'>> {
  const { row, bytes, overwrite, strip = 0 } = input
  const ready = await lookInto(input)
  const to = resolve(input.to)
  const before = await createFolder(to)
  const onProgress = (progress: { sourceBytes: number; memberCount: number }) =>
    input.onProgress?.({ ...progress, readBytes: bytes.readBytes(), totalBytes: ready.totalBytes })
  const { memberCount: memberCountMax, sourceBytes: sourceBytesMax } = row
  const limits = { memberCountMax, sourceBytesMax }
  const tree = { directory: to, paths: ready.specs, strip, overwrite, onProgress, ...limits }
  let result: UnpackResult
  try {
    const { tail } = ready
    const [archive, reopen] = [bytes.stream(), () => bytes.stream()]
    result =
      tail === undefined
        ? await unpacker.unpack({ ...tree, archive, reopen, isSalvage: true }, signal)
        : await unpacker.unpackParts({ ...tree, tail }, signal)
    if (ready.isWhole && result.lostCount === 0) compare(row, result)
    if (!ready.isWhole && tail === undefined && isNothing(result))
      throw strip === 0 ? memberMissing(input.paths ?? []) : allStripped(input.paths ?? [], strip)
  } catch (error) {
    throw await explained(about(row.file, error), to, before, overwrite !== undefined)
  }
  const { memberCount, sourceBytes, keptCount, lostCount, lost } = result
  const warnings = [...bytes.warnings(), ...result.warnings]
  const warningCount = bytes.warnings().length + result.warningCount
  const { strippedCount } = ready
  const left = { keptCount, strippedCount, lostCount, lost }
  const given = { memberCount, sourceBytes, ...left, warningCount, warnings }
  return { archive: row, to, ...given, readBytes: bytes.readBytes(), from: bytes.from() }
}

type Ready = {
  /** undefined: to be read from its first byte. */
  readonly tail: ArchiveTail | undefined
  readonly specs: readonly PathSpec[]
  readonly isWhole: boolean
  readonly totalBytes: number
  readonly strippedCount: number | null
}

/** Before anything is written: what is meant, is there. */
async function lookInto({ bytes, paths: texts = [], strip = 0 }: Opened): Promise<Ready> {
  const isWhole = texts.every((text) => plainPath(text) === '')
  const tail = await bytes.openTail()
  try {
    if (tail !== undefined && isWhole && strip === 0) {
      const { readBytes: totalBytes } = await planWhole(tail)
      return { tail, specs: [], isWhole, totalBytes, strippedCount: 0 }
    }
    if (tail !== undefined) {
      const wanted = isWhole ? [] : texts
      const specs = await specsOf((path) => tail.findMember(path), wanted)
      const plan = await planRestore(tail, { texts: wanted, specs, strip })
      const { readBytes: totalBytes, strippedCount } = plan
      return { tail, specs, isWhole, totalBytes, strippedCount }
    }
  } catch (error) {
    // Damaged where it is needed now, or it lies. What the tar itself says is as good.
    if (!isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED')) throw error
  }
  const specs = texts.map((text): PathSpec => {
    const { isGlob, base } = parsePathPattern(text)
    return isGlob ? { kind: 'glob', text } : { kind: 'exact', path: base }
  })
  const strippedCount = strip === 0 ? 0 : null
  return { tail: undefined, specs, isWhole, totalBytes: bytes.sizeBytes, strippedCount }
}

function isNothing({ memberCount, keptCount, lostCount }: UnpackResult): boolean {
  return memberCount + keptCount + lostCount === 0
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
    if (code === 'ENOENT') throw noParent(path, cause)
    throw new SpillwayError('RESTORE_FAILED', `cannot create ${path}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

/** Rejects as createFolder and the unpacker would, for a restore that is only planned. */
async function checkFolder(path: string, mayHoldFiles: boolean): Promise<void> {
  if (await isThere(path)) checkTarget(path, mayHoldFiles)
  else if (!(await isThere(dirname(path)))) throw noParent(path, undefined)
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    // What else is wrong with it is told when it is opened.
    return !(error instanceof Error && 'code' in error && error.code === 'ENOENT')
  }
}

function noParent(path: string, cause: unknown): SpillwayError {
  return new SpillwayError(
    'RESTORE_FAILED',
    `cannot create ${path}: there is no ${dirname(path)}`,
    { cause, hint: 'create that folder, or correct the path' },
  )
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
  const found = {
    memberCount: result.readMemberCount,
    sourceBytes: result.readSourceBytes,
    sha256: result.sha256,
  }
  for (const fact of ['memberCount', 'sourceBytes', 'sha256'] as const) {
    if (archive[fact] !== undefined && archive[fact] !== found[fact])
      throw new SpillwayError(
        'ARCHIVE_CORRUPT',
        `${archive.file} is not what was archived: its ${NAMES[fact]} is ${found[fact]}, the catalog says ${archive[fact]}`,
      )
  }
}

const NAMES = {
  memberCount: 'number of members',
  sourceBytes: 'content in bytes',
  sha256: 'SHA-256',
} as const

/** What is wrong inside of an archive does not know its name. */
function about(file: string, error: unknown): unknown {
  const isInside = isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED')
  if (!isInside || !(error instanceof SpillwayError) || error.message.includes(file)) return error
  return reworded(error, `${file}: ${error.message}`)
}

/** Says what became of the folder; one that we created in vain goes again. */
async function explained(
  error: unknown,
  to: string,
  before: Before,
  isOverwriting: boolean,
): Promise<unknown> {
  if (before === 'in use' && !isOverwriting) return error
  if (await isEmpty(to)) {
    // Best effort: an empty folder harms nobody.
    if (before === 'created') await rmdir(to).catch(() => undefined)
    return error
  }
  if (!(error instanceof SpillwayError)) return error
  const state = before === 'in use' ? 'may hold only a part of it' : 'is incomplete'
  return reworded(error, `${error.message}; ${to} ${state}`)
}
