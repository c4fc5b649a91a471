// One source becomes one archive: packed into the spool, and sent while it is still being packed.
//
// Order of events, each on disk before the next: row `packing`; file whole and fsynced; final name;
// row `ready`; only then may an upload be completed, so a copy never exists of what was not whole.

import { deliver } from './deliver.ts'
import { dropFile, finishedPath, publishPartial, roomInSpool, streamedPath } from './spool.ts'
import { expectedBytes } from '../domain/placement.ts'
import { newArchiveId } from '../domain/archive.ts'
import type { ArchiveId } from '../domain/archive.ts'
import { isFailure, messageOf } from '../domain/errors.ts'
import type { SpillwayError } from '../domain/errors.ts'
import { recordSpooled } from './record-history.ts'
import type { HookServices, SourceHooks } from './source-hooks.ts'
import { SpoolContent } from './spool-content.ts'
import type { SpoolShares } from './spool-shares.ts'
import type { UnderWay } from './under-way.ts'
import type { ArchiveRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Delivery, DeliveryResult, DeliveryServices } from './deliver.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { Packer, PackResult } from '../pack/packer.ts'
import type { PartMemory } from '../pack/part-memory.ts'
import { describeSource } from '../domain/source.ts'
import type { Source } from '../domain/source.ts'

export type ArchiveServices = DeliveryServices &
  HookServices & {
    readonly config: Config
    readonly packer: Packer
  }

export type Packed = {
  readonly row: ArchiveRow
  readonly packed: PackResult
  readonly localPath: string
}

export type ArchivedSource = Packed & {
  readonly delivery: Delivery
  readonly result: DeliveryResult
  /** Why its files are not known to `find` yet; the archive is whole. */
  readonly historyProblems: readonly SpillwayError[]
}

export type ArchiveOptions = {
  /** Called once the archive is whole, whatever happens to its delivery afterwards. */
  readonly onPacked: (facts: Packed & Pick<Delivery, 'attempts'>) => void
  /** Of this source, and new. */
  readonly hooks: SourceHooks
  /** No other source is archived meanwhile; else one that finds the spool full is read again when none is. */
  readonly isAlone: boolean
  /** The caller gives back what is taken for this source. */
  readonly spoolShares: SpoolShares
  /** The caller ends it. */
  readonly underWay: UnderWay
}

/**
 * Rejects when there is no archive: with SOURCE_*, SPOOL_*, CATALOG_* or INTERRUPTED. An archive that
 * no server took is a result: it waits. What went wrong around the reading is told by `hooks.problems`,
 * either way.
 */
export async function archiveSource(
  services: ArchiveServices,
  source: Source,
  options: ArchiveOptions,
  signal: AbortSignal,
): Promise<ArchivedSource> {
  const { catalog, config, emit } = services
  const { hooks, isAlone, onPacked } = options
  const isPassing = ({ error }: { error: unknown }) => !isAlone && isFailure(error, 'SPOOL_FULL')
  const last = await catalog.lastGood(source.name)
  const wanted = { id: newArchiveId(Date.now()), expected: expectedBytes(last?.sizeBytes) }
  // Beside others nothing is begun without room: it comes again.
  const share = isAlone ? undefined : await roomFor(services, source, wanted, options)
  emit({ kind: 'source-started', source: source.name, path: describeSource(source) })
  const row = await beginRow(services, source, options, wanted.id)
  hooks.begin(row)
  // Alone the row comes first: a source that has no room in the spool failed, and `status` must say so.
  const findRoom = isAlone ? () => roomFor(services, source, wanted, options) : async () => share
  const outputBytesMax = await prepare(findRoom, hooks, signal).catch(async (error: unknown) => {
    await hooks.close({ error, isPassing: isPassing({ error }) }, signal)
    await catalog.markArchiveFailed(row.id, messageOf(error), new Date())
    throw error
  })
  const partialPath = row.localPath!
  const content = SpoolContent.growing(partialPath, wanted.expected)
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const delivery: Delivery = {
    archive: row,
    content,
    holders: new Set(),
    copiesMissing: config.copies,
    attempts: [],
  }
  const reading = packSource(services, { source, row, content, outputBytesMax, last }, both)
  const packing = reading.then((facts) => {
    onPacked({ ...facts, attempts: delivery.attempts })
    return facts
  })
  const closing = closeAfter(reading, { hooks, stop: stop.signal, isPassing }, signal)
  const delivering = deliver(services, delivery, signal)
  // While the last parts are on their way; without an archive there is nothing to record.
  const recording = packing.then(
    () => recordSpooled(services, source.name, both),
    () => [],
  )
  const [closed, packed, delivered] = await Promise.allSettled([
    closing,
    packing,
    // A delivery that cannot go on for a reason of ours (the catalog, the spool) ends the packing.
    delivering.catch((error: unknown) => {
      if (!content.isWhole) stop.abort(error)
      throw error
    }),
  ])
  const historyProblems = await recording
  await dropFile(partialPath)
  if (packed.status === 'rejected') {
    // Packing that was stopped because the delivery cannot go on failed for the delivery's reason.
    const isStopped = stop.signal.aborted && !signal.aborted && delivered.status === 'rejected'
    const reason: unknown = isStopped ? delivered.reason : packed.reason
    await dropFile(finishedPath(partialPath))
    await catalog.markArchiveFailed(row.id, messageOf(reason), new Date())
    throw reason
  }
  if (delivered.status === 'rejected') throw delivered.reason
  if (closed.status === 'rejected') throw closed.reason
  return { ...packed.value, delivery, result: delivered.value, historyProblems }
}

type CloseOptions = {
  readonly hooks: SourceHooks
  /** Ends the reading for its reason. */
  readonly stop: AbortSignal
  /** Whether the source is well all the same, and is read again. */
  readonly isPassing: (failure: {
    readonly error: unknown
    readonly wasStopped: boolean
  }) => boolean
}

/** As soon as all has been read: what the upload still needs lies in the spool. */
export async function closeAfter(
  reading: Promise<unknown>,
  { hooks, stop, isPassing }: CloseOptions,
  signal: AbortSignal,
): Promise<void> {
  const failure = await reading.then(
    () => undefined,
    (thrown: unknown) => {
      const error: unknown = stop.aborted ? stop.reason : thrown
      return { error, isPassing: isPassing({ error, wasStopped: stop.aborted }) }
    },
  )
  await hooks.close(failure, signal)
}

/** Resolves with the most bytes that the archive may take in the spool; undefined: no limit. */
async function prepare(
  findRoom: () => Promise<number | undefined>,
  hooks: SourceHooks,
  signal: AbortSignal,
): Promise<number | undefined> {
  const outputBytesMax = await findRoom()
  await hooks.open(signal)
  return outputBytesMax
}

/** Takes the source's share. Rejects with SPOOL_FULL. */
function roomFor(
  { catalog, config }: ArchiveServices,
  { name }: Source,
  {
    id,
    expected: expectedBytes,
  }: { readonly id: ArchiveId; readonly expected: number | undefined },
  { isAlone, spoolShares }: ArchiveOptions,
): Promise<number | undefined> {
  const wanted = { source: name, archiveId: id, expectedBytes, isAlone }
  return spoolShares.take(wanted, async (beside) => {
    const waiting = await catalog.waitingArchives(config)
    const counted = waiting.filter(({ id }) => !beside.archiveIds.has(id))
    return roomInSpool({
      spoolDir: config.spoolDir,
      limitBytes: config.spoolLimitBytes,
      waitingBytes: counted.reduce((sum, archive) => sum + (archive.sizeBytes ?? 0), 0),
      expectedBytes,
      beside,
    })
  })
}

/** Reads a source to its end: into the spool, or into `memory` as far as the upload takes it from there. */
export async function packSource(
  { catalog, config, emit, packer }: ArchiveServices,
  input: {
    readonly source: Source
    readonly row: ArchiveRow
    readonly content: SpoolContent
    readonly memory?: PartMemory
    readonly outputBytesMax?: number | undefined
    readonly last: ArchiveRow | undefined
  },
  signal: AbortSignal,
): Promise<Packed> {
  const { content, memory, row, source } = input
  const partialPath = row.localPath!
  const begun = performance.now()
  const names = { source: source.name, file: row.file }
  try {
    const packed = await packer.pack(
      {
        archiveId: row.id,
        host: config.serverId,
        source,
        outputPath: partialPath,
        ...(memory === undefined ? {} : { outputMemory: memory }),
        startedAt: row.startedAt,
        zstdLevel: config.zstdLevel,
        verifies: config.verifiesPacking,
        ownPaths: ownPathsOf(config),
        outputBytesMax: input.outputBytesMax,
      },
      (progress) => {
        content.grow(progress.outputBytes, progress.kept)
        emit({
          kind: 'packing',
          ...names,
          outputBytes: progress.outputBytes,
          sourceBytes: progress.sourceBytes,
          memberCount: progress.memberCount,
          expectedSourceBytes: input.last?.sourceBytes,
        })
      },
      signal,
    )
    const localPath =
      memory === undefined ? await publishPartial(partialPath) : streamedPath(partialPath)
    await catalog.markReady(row.id, {
      localPath,
      sizeBytes: packed.outputBytes,
      sourceBytes: packed.sourceBytes,
      memberCount: packed.memberCount,
      sha256: packed.sha256,
      endedAt: packed.endedAt,
      warningCount: packed.warningCount,
      warnings: packed.warnings,
    })
    emit(packedEvent(names, packed, (performance.now() - begun) / 1_000))
    content.finish(packed.outputBytes)
    return { row, packed, localPath }
  } catch (error) {
    content.fail(error)
    throw error
  }
}

function packedEvent(
  names: { readonly source: string; readonly file: string },
  { outputBytes, sourceBytes, memberCount, warningCount }: PackResult,
  seconds: number,
): RunEvent {
  const sizeBytes = outputBytes
  return { kind: 'packed', ...names, sizeBytes, sourceBytes, memberCount, warningCount, seconds }
}

/** What must never be archived: data, spool, the catalog, local servers; and the key beside what it opens. */
export function ownPathsOf(config: Config): readonly string[] {
  const directories = config.servers.flatMap((server) =>
    server.kind === 'file' ? [server.directory] : [],
  )
  const key = config.sealKeyFile
  return [config.dataDir, config.spoolDir, config.catalogPath, key, `${key}.new`, ...directories]
}

/** The row of a new archive, before anything is read: also what fails is told by `status`. */
export function beginRow(
  { catalog, config }: ArchiveServices,
  source: Source,
  { underWay }: Pick<ArchiveOptions, 'underWay'>,
  id = newArchiveId(Date.now()),
): Promise<ArchiveRow> {
  underWay.begin(source.name, id)
  return catalog.beginArchive({
    id,
    source: source.name,
    sourceKind: source.kind,
    startedAt: new Date(),
    spoolDir: config.spoolDir,
  })
}
