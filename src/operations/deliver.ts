// Sends one archive to the first server that has room and is well, and on to the next one when that
// one is full or fails, even in the middle: the next server receives the same bytes from the spool.
//
// Every server that was asked or passed by is an entry in the archive's journal.

import { placeArchive } from '../domain/placement.ts'
import { failureOf, messageOf, SpillwayError } from '../domain/errors.ts'
import { PARALLEL_SOURCES_MAX } from '../domain/config.ts'
import { formatBytes } from '../domain/sizes.ts'
import { journalCode } from './server-pool.ts'
import { FIRST_BYTES, uploadCopy } from './upload-copy.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ServerRow } from '../catalog/catalog.ts'
import type { MakeRoom } from './prune.ts'
import type { ReportedAttempt } from '../domain/run-report.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { ServerPool } from './server-pool.ts'
import type { UploadContent } from './upload-content.ts'
import type { ArchiveToSend, UploadServices } from './upload-copy.ts'

export type DeliveryServices = UploadServices & {
  readonly pool: ServerPool
  /** Deletes what retention would delete anyway, where that makes a full server take the archive. */
  readonly makeRoom?: MakeRoom
  readonly emit: (event: RunEvent) => void
}

export type Delivery = {
  readonly archive: ArchiveToSend
  readonly content: UploadContent
  /** What it takes will not be known any better before it is stored. */
  readonly needIsFinal?: boolean
  /** Servers that hold, or may hold, a copy already. */
  readonly holders: ReadonlySet<ServerIdentity>
  /** Copies still to be stored. */
  readonly copiesMissing: number
  /** Copies stored by earlier runs; undefined: none. */
  readonly copiesStored?: number
  /** Filled as the attempts end, so that they are known also when the delivery rejects. */
  readonly attempts: ReportedAttempt[]
  /** Before the first byte is sent; not where no server has room. Rejects if the bytes are not the archive's any more. */
  readonly prove?: (signal: AbortSignal) => Promise<void>
}

export type DeliveryResult = {
  readonly stored: readonly Server[]
  /** A server was passed by because something is wrong with it. */
  readonly hasSickServer: boolean
}

/**
 * Resolves with what was stored, which may be too little: the archive then waits. Rejects when
 * packing failed, the spool cannot be read, the catalog fails, or the run is interrupted.
 */
export async function deliver(
  services: DeliveryServices,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<DeliveryResult> {
  const journal = new Journal(services, delivery)
  const stored: Server[] = []
  /** Servers that are through with this archive: they hold it, refused it, or failed. */
  const done = new Set<ServerIdentity>(delivery.holders)

  // The first bytes decide: an archive smaller than a part is whole before a server is chosen,
  // so that its exact size is known.
  await delivery.content.until(FIRST_BYTES, signal)
  let isProven = false
  while (stored.length < delivery.copiesMissing) {
    const isExact = delivery.content.isWhole
    const server = await nextServer(services, delivery, done, journal, signal)
    if (server === undefined) {
      if (isExact) break
      // What is known too roughly may fit once it is known exactly.
      await delivery.content.untilWhole(signal)
      continue
    }
    if (!isProven) await delivery.prove?.(signal)
    isProven = true
    const outcome = await attemptOn(services, delivery, server, journal, signal)
    if (outcome === 'again') await delivery.content.untilWhole(signal)
    else if (outcome !== 'retry') done.add(server.identity)
    if (outcome === 'stored') stored.push(server)
  }
  // What comes in after the last copy must still come in: the archive is only good as a whole.
  await delivery.content.untilWhole(signal)
  return { stored, hasSickServer: journal.hasSickServer }
}

export async function nextServer(
  services: DeliveryServices,
  delivery: Delivery,
  done: Set<ServerIdentity>,
  journal: Journal,
  signal: AbortSignal,
): Promise<Server | undefined> {
  const { catalog, pool } = services
  const { content } = delivery
  const isFinal = content.isWhole || delivery.needIsFinal === true
  const usage = new Map((await catalog.servers()).map((row) => [row.identity, row]))
  const neededBytes = content.isWhole ? content.bytes : (content.expectedBytes ?? FIRST_BYTES)
  const open = pool.servers.filter((server) => !done.has(server.identity))
  const { candidates, withoutRoom } = placeArchive({
    servers: open,
    usageByIdentity: usage,
    neededBytes,
  })
  const wellFrom = (server: Server) => pool.downBecause(server) === undefined
  const chosen = candidates.find(wellFrom)
  for (const { server, spareBytes } of withoutRoom) {
    if (!wellFrom(server) || (chosen !== undefined && server.number >= chosen.number)) continue
    const missing = { missingBytes: neededBytes - spareBytes, neededBytes }
    if (await journal.hasMadeRoom(server, missing, signal))
      return nextServer(services, delivery, done, journal, signal)
  }
  for (const server of candidates) {
    if (chosen !== undefined && server.number >= chosen.number) break
    done.add(server.identity)
    await journal.passedSick(server, pool.downBecause(server))
  }
  for (const { server, spareBytes } of withoutRoom) {
    if (chosen === undefined ? !isFinal : server.number >= chosen.number) continue
    // While packing the need is an estimate: such a server is asked again once it is exact.
    if (isFinal) done.add(server.identity)
    await journal.passedFull(server, neededBytes, spareBytes, usage.get(server.identity))
  }
  return chosen
}

export async function attemptOn(
  services: DeliveryServices,
  { archive, content }: Delivery,
  server: Server,
  journal: Journal,
  signal: AbortSignal,
): Promise<'stored' | 'passed' | 'again' | 'retry'> {
  const { emit, pool } = services
  const begun = performance.now()
  const wasWhole = content.isWhole
  let sentBytes = 0
  const seconds = () => (performance.now() - begun) / 1_000
  const totalBytes = () => (content.isWhole ? content.bytes : content.expectedBytes)
  const onSent = (bytes: number): void => {
    sentBytes += bytes
    emit({
      kind: 'uploading',
      file: archive.file,
      server: server.label,
      sentBytes,
      totalBytes: totalBytes(),
    })
  }
  try {
    const storage = await pool.ready(server, signal)
    emit({
      kind: 'upload-started',
      file: archive.file,
      server: server.label,
      totalBytes: totalBytes(),
    })
    await uploadCopy(services, { archive, content, server, storage, onSent }, signal)
  } catch (error) {
    const { server: outcome } = failureOf(error)
    if (outcome === undefined) throw error
    await journal.failed(server, error, sentBytes, seconds())
    await pool.settle(server, error)
    // It may hold the archive after all: another try could make a second copy there.
    if (await isOpenOn(services, archive.id, server)) return 'passed'
    // The server has less room than its limit says: how much less, only another try can tell.
    if (
      outcome === 'full' &&
      (await journal.hasMadeRoom(server, { missingBytes: totalBytes() ?? sentBytes }, signal))
    )
      return wasWhole ? 'retry' : 'again'
    return isOutOfParts(error) && !wasWhole ? 'again' : 'passed'
  }
  await journal.stored(server, sentBytes, seconds())
  await pool.settle(server, undefined)
  emit({
    kind: 'stored',
    file: archive.file,
    server: server.label,
    sizeBytes: content.bytes,
    seconds: seconds(),
  })
  return 'stored'
}

/** Whether an attempt there ended so that nobody knows what the server holds. */
async function isOpenOn(
  { catalog }: DeliveryServices,
  id: ArchiveId,
  { identity }: Server,
): Promise<boolean> {
  const { copies } = await catalog.findArchive(id)
  return copies.some((copy) => copy.identity === identity && copy.state === 'uncertain')
}

// Each archive under way takes what was freed for another one at most once.
const ASKED_FOR_ROOM_MAX = PARALLEL_SOURCES_MAX

/** The attempts of one archive: kept in the catalog, told to the progress, and in the report. */
export class Journal {
  hasSickServer = false
  readonly #services: DeliveryServices
  readonly #delivery: Delivery
  readonly #passedFull = new Set<ServerIdentity>()
  readonly #askedForRoom = new Map<ServerIdentity, number>()

  constructor(services: DeliveryServices, delivery: Delivery) {
    this.#services = services
    this.#delivery = delivery
  }

  async stored(server: Server, bytesSent: number, seconds: number): Promise<void> {
    await this.#add(server, { outcome: 'stored', code: null, message: null, bytesSent, seconds })
  }

  async failed(server: Server, error: unknown, bytesSent: number, seconds: number): Promise<void> {
    const outcome = failureOf(error).server ?? 'failed'
    if (outcome !== 'full' && !isOutOfParts(error)) this.hasSickServer = true
    const [code, message] = [journalCode(error), messageOf(error)]
    await this.#add(server, { outcome, code, message, bytesSent, seconds })
  }

  async passedSick(server: Server, error: unknown): Promise<void> {
    this.hasSickServer = true
    const outcome = failureOf(error).server ?? 'failed'
    const message = `not asked again in this run: ${messageOf(error)}`
    await this.#add(server, {
      outcome,
      code: journalCode(error),
      message,
      bytesSent: 0,
      seconds: 0,
    })
  }

  /** What was deleted must have been enough; but for what another archive, which came meanwhile, took of it. */
  async hasMadeRoom(
    server: Server,
    missing: { readonly missingBytes: number; readonly neededBytes?: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { makeRoom } = this.#services
    const asked = this.#askedForRoom.get(server.identity) ?? 0
    const isOver = missing.neededBytes === undefined ? asked > 0 : asked >= ASKED_FOR_ROOM_MAX
    if (makeRoom === undefined || isOver) return false
    this.#askedForRoom.set(server.identity, asked + 1)
    const archiveId = this.#delivery.archive.id
    const isMade = await makeRoom({ server, archiveId, ...missing }, signal)
    if (!isMade) this.#askedForRoom.set(server.identity, ASKED_FOR_ROOM_MAX)
    return isMade
  }

  async passedFull(
    server: Server,
    neededBytes: number,
    spareBytes: number,
    usage: ServerRow | undefined,
  ): Promise<void> {
    if (this.#passedFull.has(server.identity)) return
    this.#passedFull.add(server.identity)
    const message =
      `Not enough space: ${formatBytes(neededBytes)} needed, ${formatBytes(spareBytes)} spare of ` +
      `${formatBytes(server.limitBytes)} (${formatBytes(usage?.usedBytes ?? 0)} used by archives)`
    await this.#add(server, {
      outcome: 'full',
      code: 'STORAGE_LIMIT',
      message,
      bytesSent: 0,
      seconds: 0,
    })
    const at = new Date()
    await this.#services.catalog.setHealth(server.identity, 'full', message, at)
  }

  async #add(server: Server, entry: Omit<ReportedAttempt, 'server'>): Promise<void> {
    const { archive, attempts } = this.#delivery
    attempts.push({ server: server.number, ...entry })
    await this.#services.catalog.addAttempt({
      archiveId: archive.id,
      identity: server.identity,
      serverNumber: server.number,
      outcome: entry.outcome,
      code: entry.code ?? undefined,
      message: entry.message ?? undefined,
      bytesSent: entry.bytesSent,
      seconds: entry.seconds,
      at: new Date(),
    })
    this.#services.emit({
      kind: 'attempt-ended',
      file: archive.file,
      server: server.label,
      outcome: entry.outcome,
      code: entry.code ?? undefined,
      message: entry.message ?? undefined,
      bytesSent: entry.bytesSent,
      seconds: entry.seconds,
    })
  }
}

/** The server is well: the archive turned out too large for the part size that was chosen. */
function isOutOfParts(error: unknown): boolean {
  return journalCode(error) === 'OUT_OF_PARTS'
}

/**
 * What a run says of an archive that too few servers took. One that is stored at all is off this machine,
 * and its other copies may come later: a warning. One that no server has is the failure.
 */
export function noServerLeft(
  { attempts, copiesMissing, copiesStored = 0, holders }: Delivery,
  storedCount: number,
  spoolPath: string,
): SpillwayError {
  const tried = attempts
    .filter(({ outcome }) => outcome !== 'stored')
    .map(({ server, outcome, code }) => `${server}: ${outcome}${code === null ? '' : ` (${code})`}`)
  // In words: a figure here reads as the number of a server.
  if (holders.size === 1) tried.push('another server holds a copy already, or may hold one')
  if (holders.size > 1) tried.push('other servers hold copies already, or may hold them')
  const why = tried.join(', ') || 'there is no other'
  const facts = { attempts: attempts.length }
  const count = copiesStored + storedCount
  if (count === 0) {
    const what = `no server took the archive (${why}); it waits in ${spoolPath}`
    return new SpillwayError('NO_SERVER_LEFT', what, { facts })
  }
  const what = `the archive is on ${count} of ${copiesStored + copiesMissing} servers (${why})`
  return new SpillwayError('COPIES_MISSING', `${what}; it waits in ${spoolPath}`, { facts })
}
