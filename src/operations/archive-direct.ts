// One source becomes one archive without a spool (SPOOL=none): it goes to a server as it is read, a few parts at a
// time in memory. What a server has is nowhere else, so the next server gets an archive of its own: the source is
// read again from its start, under a new id and a new key. An answer that was lost can then never make one
// archive out of the bytes of two.
//
// Order of events, each on disk before the next: row `packing`; the upload begins; the source is read to its
// end; row `ready`, with a path that no file has; only then the upload is completed. Nothing can wait.

import { attemptOn, Journal, nextServer } from './deliver.ts'
import { beginRow, closeAfter, ownPathsOf, packSource } from './archive-source.ts'
import { describeSource } from '../domain/source.ts'
import { expectedBytes } from '../domain/placement.ts'
import { MemoryContent } from './memory-content.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { ArchiveRow } from '../catalog/catalog.ts'
import type { ArchivedSource, ArchiveOptions, ArchiveServices, Packed } from './archive-source.ts'
import type { Delivery } from './deliver.ts'
import type { PartMemory } from '../pack/part-memory.ts'
import type { ReportedAttempt } from '../domain/run-report.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { Source } from '../domain/source.ts'

type DirectOptions = ArchiveOptions & {
  /** Called when no server took it. */
  readonly onGivenUp: (facts: GivenUp) => void
  /** Of an earlier reading in this run. */
  readonly earlierAttempts: readonly ReportedAttempt[]
}

export type GivenUp = {
  /** The last that was begun. */
  readonly row: ArchiveRow
  readonly attempts: readonly ReportedAttempt[]
  readonly hasSickServer: boolean
  /** Some server may have it after all; the next run asks. */
  readonly mayBeStored: boolean
}

/** What is known after some servers have been tried. */
type Tries = {
  readonly source: Source
  readonly options: ArchiveOptions
  readonly last: ArchiveRow | undefined
  readonly attempts: ReportedAttempt[]
  /** Servers that refused it, or failed. */
  readonly done: Set<ServerIdentity>
  /** Servers that got a second chance. */
  readonly repeated: Set<ServerIdentity>
  /** undefined: the reservation grows with what is sent. */
  needBytes: number | undefined
  hasSickServer: boolean
  mayBeStored: boolean
}

type Try =
  | {
      readonly kind: 'stored'
      readonly server: Server
      readonly delivery: Delivery
      readonly packed: Packed
    }
  | { readonly kind: 'passed' }
  | { readonly kind: 'none'; readonly row: ArchiveRow }

/** Rejects with SOURCE_*, NO_SERVER_LEFT, CATALOG_* or INTERRUPTED. */
export async function archiveDirect(
  services: ArchiveServices,
  source: Source,
  options: DirectOptions,
  signal: AbortSignal,
): Promise<ArchivedSource> {
  const { onGivenUp, onPacked } = options
  services.emit({ kind: 'source-started', source: source.name, path: describeSource(source) })
  const last = await services.catalog.lastGood(source.name)
  const tries: Tries = {
    ...{ source, options, last, attempts: [...options.earlierAttempts], done: new Set() },
    ...{ repeated: new Set(), hasSickServer: false, mayBeStored: false },
    needBytes: expectedBytes(last?.sizeBytes) ?? (await surveyed(services, source, signal)),
  }
  for (;;) {
    const tried = await tryNext(services, tries, signal)
    if (tried.kind === 'stored') {
      const { server, delivery, packed } = tried
      onPacked({ ...packed, attempts: tries.attempts })
      const result = { stored: [server], hasSickServer: tries.hasSickServer }
      return { ...packed, delivery, result, historyProblems: [] }
    }
    if (tried.kind === 'passed') continue
    if (last === undefined && tries.needBytes !== undefined) {
      // What is read was counted, not what is left of it once it is compressed.
      tries.needBytes = undefined
      continue
    }
    const { attempts, hasSickServer, mayBeStored } = tries
    onGivenUp({ row: tried.row, attempts, hasSickServer, mayBeStored })
    throw noServerTook(tries)
  }
}

/** How much a first archive can take at most; undefined: nobody knows. What is wrong, the reading tells. */
async function surveyed(
  { config, packer }: ArchiveServices,
  source: Source,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { sourceBytes, memberCount = 0 } = await packer
    .survey({ source, ownPaths: ownPathsOf(config) }, signal)
    .catch((error: unknown) => {
      if (!(error instanceof SpillwayError)) throw error
      return { sourceBytes: undefined, memberCount: undefined }
    })
  // Headers, names and index of a member that does not compress at all.
  const perMemberBytes = 2_048
  return sourceBytes === undefined ? undefined : sourceBytes + memberCount * perMemberBytes
}

async function tryNext(services: ArchiveServices, tries: Tries, signal: AbortSignal): Promise<Try> {
  const { source, options, attempts } = tries
  const row = await beginRow(services, source, options)
  options.hooks.begin(row)
  const reading = new Reading(services, { tries, row }, signal)
  const delivery: Delivery = {
    ...{ archive: row, content: reading.content, holders: new Set<ServerIdentity>(), attempts },
    ...{ copiesMissing: 1, needIsFinal: tries.last !== undefined || tries.needBytes === undefined },
  }
  const journal = new Journal(services, delivery)
  try {
    const server = await nextServer(services, delivery, tries.done, journal, signal)
    if (server === undefined) {
      await giveUp(services, row, 'no server had room for it and was well')
      return { kind: 'none', row }
    }
    const outcome = await attemptOn(services, delivery, server, journal, signal)
    if (outcome === 'stored')
      return { kind: 'stored', server, delivery, packed: await reading.end() }
    await reading.stop(new Error('no packing goes on without its server'))
    const why = attempts.at(-1)?.message ?? 'the server failed'
    if (!(await giveUp(services, row, why))) tries.mayBeStored = true
    const mayRepeat = outcome !== 'passed' && !tries.repeated.has(server.identity)
    if (mayRepeat) tries.repeated.add(server.identity)
    else tries.done.add(server.identity)
    // With twice as much in mind the parts are larger.
    if (attempts.at(-1)?.code === 'OUT_OF_PARTS')
      tries.needBytes = Math.max(tries.needBytes ?? 0, reading.content.bytes * 2)
    return { kind: 'passed' }
  } catch (error) {
    await reading.stop(error)
    const reason = signal.aborted ? interrupted(source) : error
    await giveUp(services, row, messageOf(reason))
    throw reason
  } finally {
    tries.hasSickServer ||= journal.hasSickServer
  }
}

/** Unless nobody knows yet whether the server has it: then the next run asks, and this resolves with false. */
async function giveUp(
  { catalog }: ArchiveServices,
  { id }: ArchiveRow,
  why: string,
): Promise<boolean> {
  const { state, copies } = await catalog.findArchive(id)
  const isOpen = state === 'ready' && copies.some((copy) => copy.state === 'uncertain')
  if (!isOpen) await catalog.markArchiveFailed(id, why, new Date())
  return !isOpen
}

/** The reading of the source for one server, which begins when that server waits for the first part. */
class Reading {
  readonly content: MemoryContent
  readonly #services: ArchiveServices
  readonly #tries: Tries
  readonly #row: ArchiveRow
  readonly #signal: AbortSignal
  readonly #stop = new AbortController()
  #packing: Promise<Packed> | undefined
  #closing: Promise<void> | undefined

  constructor(
    services: ArchiveServices,
    { tries, row }: { readonly tries: Tries; readonly row: ArchiveRow },
    signal: AbortSignal,
  ) {
    this.#services = services
    this.#tries = tries
    this.#row = row
    this.#signal = signal
    this.content = new MemoryContent(tries.needBytes, (memory) => this.#begin(memory))
  }

  async end(): Promise<Packed> {
    await this.#closing
    return this.#packing!
  }

  /** Resolves when nothing of it is left. */
  async stop(reason: unknown): Promise<void> {
    this.#stop.abort(reason)
    await this.#packing?.catch(() => undefined)
    await this.#closing
  }

  #begin(memory: PartMemory): void {
    const { hooks } = this.#tries.options
    this.#packing = this.#pack(memory)
    this.#closing = closeAfter(
      this.#packing,
      { hooks, stop: this.#stop.signal, isPassing: ({ wasStopped }) => wasStopped },
      this.#signal,
    )
    // Whoever waits for it comes later.
    this.#closing.catch(() => undefined)
  }

  async #pack(memory: PartMemory): Promise<Packed> {
    const { source, options, last } = this.#tries
    const content = this.content.growth
    const both = AbortSignal.any([this.#signal, this.#stop.signal])
    try {
      await options.hooks.open(both)
    } catch (error) {
      content.fail(error)
      throw error
    }
    return packSource(this.#services, { source, row: this.#row, content, memory, last }, both)
  }
}

function interrupted({ name }: Source): SpillwayError {
  return new SpillwayError('INTERRUPTED', `archiving ${name} was interrupted`)
}

function noServerTook({ attempts }: Tries): SpillwayError {
  const tried = attempts.map(
    ({ server, outcome, code }) => `${server}: ${outcome}${code === null ? '' : ` (${code})`}`,
  )
  const why = tried.join(', ') || 'there is none'
  return new SpillwayError(
    'NO_SERVER_LEFT',
    `no server took the archive (${why}); nothing waits, because there is no spool (SPOOL=none)`,
    {
      facts: { attempts: attempts.length },
      hint: 'mend or add a server and run it again: the source is read anew',
    },
  )
}
