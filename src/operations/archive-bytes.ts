// The bytes of an archive, from wherever they can be had: the spool's own file, else the copies in the
// order of the servers. Copies are the same bytes, so when one fails half way the next one goes on
// from there, and whoever reads notices nothing.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { OpenStorage } from './server-pool.ts'
import type { Warning } from '../domain/archive.ts'

export type ArchiveBytes = {
  readonly bytes: AsyncIterable<Uint8Array>
  readonly sizeBytes: number
  /** Where bytes came from so far: `spool`, labels of servers. */
  readonly from: () => readonly string[]
  /** Places that failed; the reading went on elsewhere. */
  readonly warnings: () => readonly Warning[]
}

type Place = {
  readonly label: string
  readonly open: (offsetBytes: number, signal: AbortSignal) => AsyncIterable<Uint8Array>
}

// Reads of a disk: larger ones are no faster.
const CHUNK_BYTES = 256 * 1024

/** Rejects with ARCHIVE_MISSING when there is no place to read from. Opens nothing yet. */
export async function openArchiveBytes(
  services: {
    readonly config: Config
    readonly catalog: Catalog
    readonly openStorage: () => Promise<OpenStorage>
  },
  archive: ArchiveWithCopies,
  signal: AbortSignal,
): Promise<ArchiveBytes> {
  const { sizeBytes } = archive
  if (sizeBytes === undefined || archive.state === 'packing')
    throw new SpillwayError('ARCHIVE_MISSING', `${archive.file} was never finished`)
  const places = [
    ...(await spoolPlaces(archive, sizeBytes)),
    ...(await serverPlaces(services, archive, sizeBytes)),
  ]
  if (places.length === 0) throw await nowhere(services, archive)
  const from: string[] = []
  const failures: { readonly label: string; readonly error: unknown }[] = []
  return {
    sizeBytes,
    bytes: readFrom({ archive, places, sizeBytes, from, failures, signal }),
    from: () => from,
    warnings: () =>
      failures.map(({ label, error }) => ({
        path: label,
        reason: `could not be read: ${messageOf(error)}`,
      })),
  }
}

async function* readFrom(input: {
  readonly archive: ArchiveWithCopies
  readonly places: readonly Place[]
  readonly sizeBytes: number
  readonly from: string[]
  readonly failures: { readonly label: string; readonly error: unknown }[]
  readonly signal: AbortSignal
}): AsyncGenerator<Uint8Array> {
  const { archive, places, sizeBytes, from, failures, signal } = input
  let offsetBytes = 0
  for (const { label, open } of places) {
    try {
      for await (const chunk of open(offsetBytes, signal)) {
        if (from.at(-1) !== label) from.push(label)
        offsetBytes += chunk.length
        if (offsetBytes > sizeBytes) throw wrongSize(label, archive.file, 'longer')
        yield chunk
      }
      if (offsetBytes === sizeBytes) return
      throw wrongSize(label, archive.file, 'shorter')
    } catch (error) {
      // What is no failure of this place is a bug or an interruption: another one would not help.
      if (!(error instanceof SpillwayError) || isFailure(error, 'INTERRUPTED')) throw error
      failures.push({ label, error })
    }
  }
  throw noneReadable(archive.file, failures)
}

async function spoolPlaces(
  { localPath, state }: ArchiveWithCopies,
  sizeBytes: number,
): Promise<readonly Place[]> {
  if (localPath === undefined || state !== 'ready') return []
  const stats = await stat(localPath).catch(() => undefined)
  // Gone or not whole: the copies on servers have what it lacks.
  if (stats?.size !== sizeBytes) return []
  return [{ label: 'spool', open: (offsetBytes) => readSpool(localPath, offsetBytes) }]
}

async function* readSpool(path: string, offsetBytes: number): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, {
      start: offsetBytes,
      highWaterMark: CHUNK_BYTES,
    }) as AsyncIterable<Buffer>
  } catch (cause) {
    throw new SpillwayError('SPOOL_FAILED', `cannot read ${path}: ${messageOf(cause)}`, { cause })
  }
}

async function serverPlaces(
  {
    config,
    openStorage,
  }: { readonly config: Config; readonly openStorage: () => Promise<OpenStorage> },
  archive: ArchiveWithCopies,
  sizeBytes: number,
): Promise<readonly Place[]> {
  // Disabled servers too: that says only that nothing new goes there.
  const held = config.servers.flatMap((server) => {
    const copy = archive.copies.find(
      ({ identity, state }) => identity === server.identity && state === 'stored',
    )
    return copy === undefined ? [] : [{ server, copy }]
  })
  if (held.length === 0) return []
  const open = await openStorage()
  return held.map(({ server, copy }) => ({
    label: server.label,
    async *open(offsetBytes, signal) {
      const storage = open(server, true)
      try {
        await storage.prepare(signal)
        const rest = { offsetBytes, sizeBytes: sizeBytes - offsetBytes }
        yield* storage.read(copy.key, offsetBytes === 0 ? undefined : rest, signal)
      } finally {
        storage.close()
      }
    },
  }))
}

/** No place was left to try: why each one was none. */
async function nowhere(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog },
  archive: ArchiveWithCopies,
): Promise<SpillwayError> {
  const stored = archive.copies.filter(({ state }) => state === 'stored')
  if (stored.length === 0) {
    const why = archive.reason === undefined ? '' : `: ${archive.reason}`
    return new SpillwayError('ARCHIVE_MISSING', `no copy of ${archive.file} is left${why}`)
  }
  const rows = await catalog.servers()
  const labels = stored.map(
    ({ identity }) => rows.find((row) => row.identity === identity)?.label ?? identity,
  )
  const file = config.envFile ?? 'the environment'
  return new SpillwayError(
    'ARCHIVE_MISSING',
    `${archive.file} lies only on servers that are not in ${file} any more: ${labels.join(', ')}`,
    { hint: 'add the server again (its number does not matter)' },
  )
}

function noneReadable(
  file: string,
  failures: readonly { readonly label: string; readonly error: unknown }[],
): SpillwayError {
  const reasons = failures.map(({ label, error }) => `${label}: ${messageOf(error)}`).join('; ')
  const last = failures.at(-1)?.error
  const { code, hint } =
    last instanceof SpillwayError ? last : { code: 'ARCHIVE_MISSING' as const, hint: undefined }
  return new SpillwayError(code, `no copy of ${file} could be read to its end: ${reasons}`, {
    cause: new AggregateError(failures.map(({ error }) => error)),
    ...(hint === undefined ? {} : { hint }),
  })
}

function wrongSize(label: string, file: string, how: 'longer' | 'shorter'): SpillwayError {
  return new SpillwayError(
    'ARCHIVE_CORRUPT',
    `what ${label} holds of ${file} is ${how} than what was stored there`,
  )
}
