// Brings the bytes of a stored archive back into the spool, where every upload begins.
//
// The spool's own file is taken where it is there and sound. Otherwise the copies are read one after the
// other, each whole, until one proves to be the archive: a damaged one is told and never sent on.

import { open, rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { checkArchiveFile } from './copies-check-file.ts'
import { dropFile, fileSize, PARTIAL_SUFFIX, publishPartial, roomInSpool } from './spool.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'
import type { CopySession } from './copies-session.ts'
import type { Proof } from './copies-prove.ts'
import type { ServerIdentity } from '../domain/server.ts'

export type Brought = {
  /** Whole, on disk, and proven to be the archive. */
  readonly path: string
  /** It was not there before: `dropFetched` takes it away again. */
  readonly isFetched: boolean
}

export type FetchInput = {
  readonly archive: ArchiveWithCopies & { readonly sizeBytes: number }
  /** Copies to read from, in this order. */
  readonly sources: readonly Proof[]
  /** Bytes read so far of the copy that is being read. */
  readonly onRead: (readBytes: number) => void
  /** Copies that turned out damaged, filled while it works: they are no copies. */
  readonly damaged: Map<ServerIdentity, SpillwayError>
  /** Copies that could not be read, for a reason of the server's: nobody knows what they are worth. */
  readonly unread: Map<ServerIdentity, SpillwayError>
}

/** Rejects with ARCHIVE_CORRUPT when no copy is sound, SPOOL_FULL, or why no copy could be read. */
export async function bringBytes(
  session: CopySession,
  input: FetchInput,
  signal: AbortSignal,
): Promise<Brought> {
  const { archive } = input
  const { config, delivery } = session
  const { localPath, state } = archive
  if (state === 'ready' && localPath !== undefined) {
    if (await isSound(localPath, input, signal)) return { path: localPath, isFetched: false }
    await requireRoom(session, archive)
    await replaceDamaged(session, input, localPath, signal)
    return { path: localPath, isFetched: false }
  }
  await requireRoom(session, archive)
  // Another host's archive may have the name of one of ours.
  const isOurs = archive.host === config.serverId
  const name = isOurs ? archive.file : `${archive.id}-${basename(archive.file)}`
  const partialPath = `${join(config.spoolDir, name)}${PARTIAL_SUFFIX}`
  if (localPath !== undefined) await dropFetch(session, archive)
  await delivery.catalog.beginFetch(archive.id, partialPath)
  let path: string
  try {
    await fetchInto(session, input, partialPath, signal)
    path = await publishPartial(partialPath)
  } catch (error) {
    await dropFile(partialPath)
    await delivery.catalog.endFetch(archive.id)
    throw error
  }
  await delivery.catalog.markFetched(archive.id, path)
  await dropFile(partialPath)
  return { path, isFetched: true }
}

/** The archive is on a server: its file has done its work. */
export async function dropFetched(
  { delivery }: CopySession,
  archive: Pick<ArchiveWithCopies, 'id'>,
  { path }: Brought,
): Promise<void> {
  await dropFile(path)
  await delivery.catalog.markLocalGone(archive.id)
}

/** Of another host, whose own runs do not clear it away. */
async function dropFetch(
  { delivery }: CopySession,
  { id, localPath }: ArchiveWithCopies,
): Promise<void> {
  if (localPath !== undefined) await dropFile(localPath)
  await delivery.catalog.endFetch(id)
}

async function isSound(path: string, input: FetchInput, signal: AbortSignal): Promise<boolean> {
  const { archive, sources } = input
  if ((await fileSize(path)) !== archive.sizeBytes) return false
  try {
    await checkArchiveFile(path, archive, signal)
    return true
  } catch (error) {
    if (!isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED', 'SPOOL_FAILED')) throw error
    if (sources.length > 0) return false
    throw error
  }
}

async function requireRoom(
  { config, delivery }: CopySession,
  archive: { readonly sizeBytes: number },
): Promise<void> {
  const waiting = await delivery.catalog.waitingArchives(config)
  await roomInSpool({
    spoolDir: config.spoolDir,
    limitBytes: config.spoolLimitBytes,
    waitingBytes: waiting.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0),
    expectedBytes: archive.sizeBytes,
  })
}

async function fetchInto(
  session: CopySession,
  input: FetchInput,
  partialPath: string,
  signal: AbortSignal,
): Promise<void> {
  const { archive, damaged, sources, unread } = input
  const failures: SpillwayError[] = []
  for (const source of sources) {
    const { server } = source
    try {
      await readCopy(session, source, input, partialPath, signal)
      await checkArchiveFile(partialPath, archive, signal)
      return
    } catch (error) {
      if (!(error instanceof SpillwayError)) throw error
      const isDamaged = isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED', 'ARCHIVE_MISSING')
      if (!isDamaged && failureOf(error).server === undefined) throw error
      const what = `the copy of ${archive.file} on ${server.label} cannot be used: ${messageOf(error)}`
      const told = new SpillwayError(error.code, what, { cause: error })
      failures.push(told)
      if (isDamaged) {
        damaged.set(server.identity, told)
        await noteDamage(session, source, archive, signal)
      } else {
        unread.set(server.identity, told)
        await session.readers.settle(server, error)
      }
    }
  }
  throw noneSound(archive, failures)
}

/** So that it is known, whatever becomes of this work: the copy is read as by `verify --deep`, for what is where. */
async function noteDamage(
  { delivery, readers }: CopySession,
  { copy, server }: Proof,
  archive: ArchiveWithCopies,
  signal: AbortSignal,
): Promise<void> {
  // Seldom needed, and it loads what reads a tar once more.
  const { verifyDeep } = await import('./verify-deep.ts')
  const { catalog } = delivery
  const task = { archive, copy, server, label: server.label }
  const stretches = [{ firstFrame: 0, endFrame: Infinity, provenAt: undefined }]
  const services = { catalog, storageOf: () => readers.ready(server, signal) }
  const limits = { budgetBytes: undefined, serverMsMax: undefined }
  await verifyDeep(services, [{ task, stretches }], limits, signal)
}

async function readCopy(
  { readers }: CopySession,
  { copy, server }: Proof,
  { archive, onRead }: FetchInput,
  partialPath: string,
  signal: AbortSignal,
): Promise<void> {
  const storage = await readers.ready(server, signal)
  const file = await inSpool(partialPath, open(partialPath, 'w', 0o600))
  try {
    let readBytes = 0
    for await (const chunk of storage.read(copy.key, undefined, signal)) {
      readBytes += chunk.length
      if (readBytes > archive.sizeBytes)
        throw new SpillwayError('ARCHIVE_CORRUPT', 'it is longer than what was stored there')
      await inSpool(partialPath, file.writeFile(chunk))
      onRead(readBytes)
    }
    await inSpool(partialPath, file.sync())
  } finally {
    await file.close()
  }
}

/** The row names the file all the while; the next run knows the `.partial` beside it. */
async function replaceDamaged(
  session: CopySession,
  input: FetchInput,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const partialPath = `${path}${PARTIAL_SUFFIX}`
  try {
    await fetchInto(session, input, partialPath, signal)
    await inSpool(path, rename(partialPath, path))
  } catch (error) {
    await dropFile(partialPath)
    throw error
  }
}

/** What goes wrong with the disk is the spool's failure, whatever the server does. */
async function inSpool<Result>(path: string, step: Promise<Result>): Promise<Result> {
  try {
    return await step
  } catch (cause) {
    const isFull = cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC'
    throw new SpillwayError(
      isFull ? 'SPOOL_FULL' : 'SPOOL_FAILED',
      `cannot write ${path}: ${messageOf(cause)}`,
      { cause },
    )
  }
}

function noneSound(
  { file }: Pick<ArchiveWithCopies, 'file'>,
  failures: readonly SpillwayError[],
): SpillwayError {
  const [only] = failures
  if (only === undefined)
    return new SpillwayError('ARCHIVE_MISSING', `no copy of ${file} can be read now`)
  // Damage is the worst of them: another server's silence may end by itself.
  const worst = failures.find(({ code }) => code === 'ARCHIVE_CORRUPT') ?? only
  return new SpillwayError(worst.code, failures.map(messageOf).join('; '), { cause: worst })
}
