// The places that have an archive's bytes, in the order in which they are asked, and which of them failed.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { shellWord } from '../lib/shell-word.ts'
import { storageTermsOf } from '../domain/providers.ts'
import type { ArchiveWithCopies, Catalog, CopyRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { OpenStorage } from './server-pool.ts'
import type { ReadRange } from '../pack/archive-tail.ts'
import type { Server } from '../domain/server.ts'
import type { Storage } from '../storage/storage.ts'
import type { Warning } from '../domain/archive.ts'

type Range = { readonly offsetBytes: number; readonly sizeBytes: number }

export type Place = {
  readonly label: string
  /** Whole bytes of that range and no others, or a rejection. */
  readonly read: (range: Range, signal: AbortSignal) => AsyncIterable<Uint8Array>
  readonly close: () => void
}

// A copy that is damaged in more places than this is told of by its losses.
const WARNINGS_KEPT_MAX = 100
// Reads of a disk: larger ones are no faster.
const CHUNK_BYTES = 256 * 1024

export class ArchivePlaces {
  /** Labels, in the order in which bytes first came from there. */
  readonly from: string[] = []
  readBytes = 0
  readonly #places: readonly Place[]
  readonly #file: string
  readonly #sizeBytes: number
  readonly #signal: AbortSignal
  readonly #down = new Map<Place, unknown>()
  readonly #warnings: Warning[] = []

  constructor(
    places: readonly Place[],
    input: { readonly file: string; readonly sizeBytes: number; readonly signal: AbortSignal },
  ) {
    this.#places = places
    this.#file = input.file
    this.#sizeBytes = input.sizeBytes
    this.#signal = input.signal
  }

  isDown(place: Place): boolean {
    return this.#down.has(place)
  }

  /** It is not asked again. */
  markDown(place: Place, error: unknown): void {
    if (!this.#down.has(place)) this.warn(place, `could not be read: ${messageOf(error)}`)
    this.#down.set(place, error)
  }

  warn({ label }: Place, reason: string): void {
    if (this.#warnings.length < WARNINGS_KEPT_MAX) this.#warnings.push({ path: label, reason })
  }

  warnings(): readonly Warning[] {
    return this.#warnings
  }

  /** From the first place that answers, and whose bytes pass. */
  async read(...[offsetBytes, sizeBytes, check]: Parameters<ReadRange>): Promise<Buffer> {
    let damage: SpillwayError | undefined
    for (const place of this.#places) {
      if (this.isDown(place)) continue
      let bytes: Buffer
      try {
        bytes = await this.readFrom(place, offsetBytes, sizeBytes)
      } catch (error) {
        if (isOurs(error)) throw error
        this.markDown(place, error)
        continue
      }
      try {
        await check?.(bytes)
        return bytes
      } catch (error) {
        if (!(error instanceof SpillwayError) || isOurs(error)) throw error
        damage ??= error
        this.warn(place, `is damaged at byte ${offsetBytes} of ${this.#file}: ${messageOf(error)}`)
      }
    }
    throw damage ?? this.noneReadable()
  }

  /** From this place and no other. */
  async readFrom(
    place: Place,
    ...[offsetBytes, sizeBytes, check]: Parameters<ReadRange>
  ): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(sizeBytes)
    let at = 0
    for await (const chunk of place.read({ offsetBytes, sizeBytes }, this.#signal)) {
      if (at + chunk.length > sizeBytes) throw wrongSize(place.label, this.#file, 'longer')
      bytes.set(chunk, at)
      at += chunk.length
      this.readBytes += chunk.length
    }
    if (at < sizeBytes) throw wrongSize(place.label, this.#file, 'shorter')
    this.#note(place)
    await check?.(bytes)
    return bytes
  }

  async *stream(): AsyncGenerator<Uint8Array> {
    const sizeBytes = this.#sizeBytes
    let offsetBytes = 0
    for (const place of this.#places) {
      if (this.isDown(place)) continue
      try {
        const rest = { offsetBytes, sizeBytes: sizeBytes - offsetBytes }
        for await (const chunk of place.read(rest, this.#signal)) {
          this.#note(place)
          offsetBytes += chunk.length
          this.readBytes += chunk.length
          if (offsetBytes > sizeBytes) throw wrongSize(place.label, this.#file, 'longer')
          yield chunk
        }
        if (offsetBytes === sizeBytes) return
        throw wrongSize(place.label, this.#file, 'shorter')
      } catch (error) {
        if (isOurs(error)) throw error
        this.markDown(place, error)
      }
    }
    throw this.noneReadable()
  }

  noneReadable(): SpillwayError {
    const failures = [...this.#down]
    const reasons = failures.map(([{ label }, error]) => `${label}: ${messageOf(error)}`).join('; ')
    const errors = failures.map(([, error]) => error)
    // What can be done about it counts for more than which came last.
    const told = errors.find((error) => isFailure(error, 'ARCHIVE_FROZEN')) ?? errors.at(-1)
    const { code, hint } =
      told instanceof SpillwayError ? told : { code: 'ARCHIVE_MISSING' as const, hint: undefined }
    return new SpillwayError(
      code,
      `no copy of ${this.#file} could be read to its end: ${reasons}`,
      {
        cause: new AggregateError(errors),
        ...(hint === undefined ? {} : { hint }),
      },
    )
  }

  close(): void {
    for (const place of this.#places) place.close()
  }

  #note({ label }: Place): void {
    if (this.from.at(-1) !== label && !this.from.includes(label)) this.from.push(label)
  }
}

/** A bug or an interruption, and no failure of a place: another one would not help. */
function isOurs(error: unknown): boolean {
  return !(error instanceof SpillwayError) || isFailure(error, 'INTERRUPTED')
}

/** Rejects with ARCHIVE_MISSING when there is none. Asks no server yet. */
export async function placesOf(
  services: {
    readonly config: Config
    readonly catalog: Catalog
    readonly openStorage: () => Promise<OpenStorage>
  },
  archive: ArchiveWithCopies,
  sizeBytes: number,
): Promise<readonly Place[]> {
  const places = [
    ...(await spoolPlaces(archive, sizeBytes)),
    ...(await serverPlaces(services, archive, sizeBytes)),
  ]
  if (places.length === 0) throw await nowhere(services, archive)
  return places
}

async function spoolPlaces(
  { localPath, state }: ArchiveWithCopies,
  sizeBytes: number,
): Promise<readonly Place[]> {
  if (localPath === undefined || state !== 'ready') return []
  const stats = await stat(localPath).catch(() => undefined)
  // Gone or not whole: the copies on servers have what it lacks.
  if (stats?.size !== sizeBytes) return []
  const read = (range: Range) => readSpool(localPath, range)
  return [{ label: 'spool', read, close: () => {} }]
}

/**
 * A delete of it was begun, and may never have reached its server, or been refused there; or it was not found when its
 * server was asked, which may have changed, or was never asked since the catalog was rebuilt.
 */
function wasStored({ state, storedAt }: CopyRow): boolean {
  return state === 'missing' || (state === 'deleting' && storedAt !== undefined)
}

async function* readSpool(
  path: string,
  { offsetBytes, sizeBytes }: Range,
): AsyncGenerator<Uint8Array> {
  if (sizeBytes === 0) return
  try {
    yield* createReadStream(path, {
      start: offsetBytes,
      end: offsetBytes + sizeBytes - 1,
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
  wholeBytes: number,
): Promise<readonly Place[]> {
  // Disabled servers too: that says only that nothing new goes there. While a damaged copy is being replaced a server
  // holds two; the newer one is what it is replaced by.
  const held = config.servers.flatMap((server) =>
    archive.copies
      .filter((copy) => copy.identity === server.identity)
      .filter((copy) => copy.state === 'stored' || wasStored(copy))
      .toSorted((a, b) => b.id - a.id)
      .map((copy) => ({ server, copy })),
  )
  if (held.length === 0) return []
  // Whole ones in cold storage must be thawed first, for hours and for money: every other one comes before.
  const isFrozen = ({ server }: (typeof held)[number]) => storageTermsOf(server).isFrozen
  // What is to be deleted, or was not found, comes last: it may go, or be gone.
  const rankOf = (each: (typeof held)[number]) =>
    (each.copy.state === 'stored' ? 0 : 2) + (isFrozen(each) ? 1 : 0)
  const inOrder = held.toSorted((a, b) => rankOf(a) - rankOf(b))
  const openServer = await openStorage()
  return inOrder.map(({ server, copy }) => {
    let storage: Storage | undefined
    let prepared: Promise<void> | undefined
    return {
      label: server.label,
      async *read(range, signal) {
        // Once, when it is first needed: most servers never are.
        storage ??= openServer(server, true)
        prepared ??= storage.prepare(signal)
        await prepared
        // Asked for as a whole, an object that is too short gives at least what it has.
        const isWhole = range.offsetBytes === 0 && range.sizeBytes === wholeBytes
        try {
          yield* storage.read(copy.key, isWhole ? undefined : range, signal)
        } catch (error) {
          throw isFailure(error, 'ARCHIVE_FROZEN') ? withThawing(error, server, copy.key) : error
        }
      },
      close: () => storage?.close(),
    }
  })
}

/** The very command that helps: nobody knows it by heart on the day of a restore. */
function withThawing(cause: unknown, server: Server, key: string): unknown {
  if (server.kind === 'file') return cause
  const { endpoint, bucket } = server
  const object = `--bucket ${shellWord(bucket)} --key ${shellWord(key)}`
  const aws = `aws --endpoint-url ${shellWord(endpoint)} s3api`
  return new SpillwayError('ARCHIVE_FROZEN', messageOf(cause), {
    cause,
    hint:
      `${aws} restore-object ${object} --restore-request Days=7 ` +
      `(hours, and billed); then again, once head-object says ongoing-request="false"`,
  })
}

/** No place was left to try: why each one was none. */
async function nowhere(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog },
  archive: ArchiveWithCopies,
): Promise<SpillwayError> {
  const stored = archive.copies.filter((copy) => copy.state === 'stored' || wasStored(copy))
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

function wrongSize(label: string, file: string, how: 'longer' | 'shorter'): SpillwayError {
  return new SpillwayError(
    'ARCHIVE_CORRUPT',
    `what ${label} holds of ${file} is ${how} than what was stored there`,
  )
}
