// Moves everything of this catalog off one server, archive by archive: where enough other copies are
// proven the one there is removed; otherwise another one is made first, with the same delivery as a run.
//
// May be killed at any moment and run again: each archive's copies are looked at anew, so what was done is
// not done twice, and no copy goes before the others are proven.

import { damagedAmong, damagedCopyIds } from './damaged-copies.ts'
import { endsWork, recopy } from './copies-recopy.ts'
import { EvacuationRecord } from './evacuate-record.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { copiesOn, leavingServer, nothingElsewhere, obstacleOf } from './evacuate-server.ts'
import { proveCopies } from './copies-prove.ts'
import { removeCopy } from './remove-copy.ts'
import { removeSnapshotsOn } from './evacuate-snapshots.ts'
import { finishCopies, shareHealth, withCopySession } from './copies-session.ts'
import type { ArchiveUses } from '../catalog/archive-use.ts'
import type { ArchiveWithCopies, CopyRow } from '../catalog/catalog.ts'
import type { CopyServices, CopySession } from './copies-session.ts'
import type { EvacuatedArchive, Evacuation } from './evacuate-record.ts'
import type { Server } from '../domain/server.ts'

export type EvacuateServices = CopyServices & {
  /** An archive that is being restored keeps its copies. */
  readonly archiveUses: ArchiveUses
}

// As in a run: one copy may be locked by itself; when three deletes are denied it is the key or the bucket.
const REFUSALS_MAX = 3

export type EvacuateProgress = {
  readonly archivesDone: number
  readonly archivesTotal: number
  readonly bytesDone: number
  readonly bytesTotal: number
  /** The archive whose bytes are being brought here. */
  readonly reading: { readonly file: string; readonly readBytes: number } | undefined
}

export type EvacuateInput = {
  /** N of S3_SERVER_N_*. */
  readonly number: number
  readonly onProgress?: (progress: EvacuateProgress) => void
  /** As each archive is through. */
  readonly onArchive?: (archive: EvacuatedArchive) => void
}

/**
 * Resolves with what was done, also when it ended early: `exit` tells. Rejects when nothing could be
 * begun: no such server, or one that does not answer.
 */
export async function evacuate(
  services: EvacuateServices,
  input: EvacuateInput,
  signal: AbortSignal,
): Promise<Evacuation> {
  const server = leavingServer(services.config, input.number)
  return withCopySession(
    services,
    server,
    async (session, problems) => {
      // What cannot be asked cannot be emptied: told at once, before bytes are moved for nothing.
      await session.readers.ready(server, signal)
      const record = new EvacuationRecord(server, problems)
      const archives = await archivesOn(session, server)
      const work = new Work(services, session, server, { record, input, archives })
      try {
        for (const archive of archives) await work.through(archive, signal)
        const onProblem = (error: SpillwayError): void => record.problem(error)
        await finishCopies(session, work.hasChanged, onProblem, signal)
        record.snapshots(await removeSnapshotsOn(session, server, onProblem, signal))
      } catch (error) {
        record.ended(error, work.remaining())
      }
      const rows = await services.catalog.servers()
      return record.report(rows.find(({ identity }) => identity === server.identity))
    },
    signal,
  )
}

/** Newest first: what would be missed most is safe first. */
async function archivesOn(
  { delivery }: CopySession,
  server: Server,
): Promise<readonly ArchiveWithCopies[]> {
  const all = await delivery.catalog.archives()
  return all.filter((archive) => copiesOn(archive, server).length > 0)
}

type Outcome = Pick<EvacuatedArchive, 'action' | 'to'> & {
  readonly error?: SpillwayError | undefined
}

class Work {
  readonly #services: EvacuateServices
  readonly #session: CopySession
  readonly #server: Server
  readonly #record: EvacuationRecord
  readonly #input: EvacuateInput
  readonly #archives: readonly ArchiveWithCopies[]
  #done = 0
  #bytesDone = 0
  #hasChanged = false
  #refusals = 0
  /** The server does not delete: no further archive is copied, since none could leave. */
  #refusal: SpillwayError | undefined

  constructor(
    services: EvacuateServices,
    session: CopySession,
    server: Server,
    work: {
      readonly record: EvacuationRecord
      readonly input: EvacuateInput
      readonly archives: readonly ArchiveWithCopies[]
    },
  ) {
    this.#services = services
    this.#session = session
    this.#server = server
    this.#record = work.record
    this.#input = work.input
    this.#archives = work.archives
  }

  /** A copy was made or removed. */
  get hasChanged(): boolean {
    return this.#hasChanged
  }

  remaining(): readonly ArchiveWithCopies[] {
    return this.#archives.slice(this.#done)
  }

  async through(listed: ArchiveWithCopies, signal: AbortSignal): Promise<void> {
    if (signal.aborted)
      throw new SpillwayError('INTERRUPTED', 'interrupted before the next archive')
    this.#tell(listed, undefined)
    const outcome = await this.#move(listed, signal).catch((error: unknown): Outcome => {
      if (endsWork(error)) throw error
      return { action: 'leave', to: [], error: error as SpillwayError }
    })
    this.#done += 1
    this.#bytesDone += listed.sizeBytes ?? 0
    const entry = this.#record.add(listed, outcome)
    if (entry.action !== 'leave' || entry.to.length > 0) this.#hasChanged = true
    this.#input.onArchive?.(entry)
    this.#tell(listed, undefined)
  }

  async #move(listed: ArchiveWithCopies, signal: AbortSignal): Promise<Outcome> {
    // As it is now: the list was read before hours of work.
    const archive = await this.#session.delivery.catalog.findArchive(listed.id)
    const copies = copiesOn(archive, this.#server)
    if (copies.length === 0) return { action: 'remove', to: [] }
    if (this.#refusal !== undefined) throw this.#refusal
    const down = this.#session.readers.downBecause(this.#server)
    // Nothing but failures of servers takes a server out.
    if (down !== undefined) throw down as SpillwayError
    const obstacle = obstacleOf(archive, copies, this.#session.config.serverId)
    if (obstacle !== undefined) throw obstacle
    const stored = copies.filter(({ state }) => state === 'stored')
    const outcome: Outcome =
      stored.length > 0
        ? await this.#moveStored(archive, stored, signal)
        : { action: 'remove', to: [] }
    if (outcome.action === 'leave') return outcome
    for (const copy of copies)
      if (copy.state === 'missing') await this.#removeMissing(archive, copy, signal)
    return outcome
  }

  async #moveStored(
    archive: ArchiveWithCopies,
    there: readonly CopyRow[],
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { config, delivery } = this.#session
    const { copies } = config
    const damaged = damagedAmong(archive, await damagedCopyIds(delivery.catalog))
    const onRead = (readBytes: number) => this.#tell(archive, readBytes)
    const input = { archive, copiesWanted: copies, damaged, onRead }
    const recopied = await recopy(this.#session, input, signal)
    for (const error of recopied.damaged) this.#record.problem(error)
    // Never fewer copies than there are, up to as many as there should be.
    const before = recopied.provenCount - recopied.stored.length + recopied.unknown.length
    const needed = Math.max(1, Math.min(copies, before + (recopied.hasLeaving ? 1 : 0)))
    const to = recopied.stored.map(({ number }) => number)
    if (recopied.provenCount < needed) {
      const error = recopied.error ?? recopied.unknown[0]?.error ?? tooFewProven(archive)
      return { action: 'leave', to, error }
    }
    for (const copy of there) await this.#remove(archive, copy, signal)
    return { action: to.length > 0 ? 'move' : 'remove', to }
  }

  /** A HEAD found nothing there: once more, since the row may be old, and then its bytes are free. */
  async #removeMissing(
    archive: ArchiveWithCopies,
    copy: CopyRow,
    signal: AbortSignal,
  ): Promise<void> {
    const [proof] = await proveCopies(this.#session, [copy], signal)
    if (proof?.verdict === 'unknown') throw proof.error!
    if (proof?.verdict !== 'gone') {
      const what = `${copy.key} was missing on ${this.#server.label}, and something lies there again`
      throw new SpillwayError('SERVER_UNPROVEN', what, { hint: 'see: spillway reconcile' })
    }
    await this.#requireElsewhere(archive.id, signal)
    await this.#remove(archive, copy, signal)
  }

  /** Its record is all that tells of an archive of which nothing else can be read. */
  async #requireElsewhere(id: ArchiveWithCopies['id'], signal: AbortSignal): Promise<void> {
    const { catalog } = this.#session.delivery
    const archive = await catalog.findArchive(id)
    if (archive.state === 'ready' && archive.localPath !== undefined) return
    const damaged = damagedAmong(archive, await damagedCopyIds(catalog))
    const others = archive.copies.filter(
      (copy) =>
        copy.identity !== this.#server.identity &&
        copy.state === 'stored' &&
        !damaged.includes(copy),
    )
    const proofs = await proveCopies(this.#session, others, signal)
    await shareHealth(this.#session)
    if (proofs.some(({ verdict }) => verdict === 'proven')) return
    const silent = proofs.find(({ verdict }) => verdict === 'unknown')
    throw silent?.error ?? nothingElsewhere(archive, this.#server, damaged)
  }

  async #remove(archive: ArchiveWithCopies, copy: CopyRow, signal: AbortSignal): Promise<void> {
    const claim = this.#services.archiveUses.claim(archive.id)
    if (claim === undefined) {
      const what = `${archive.file} is being restored; its copy on ${this.#server.label} stays until that is done`
      throw new SpillwayError('NO_SERVER_FOR_COPY', what, { hint: 'run it again afterwards' })
    }
    try {
      const { delivery, readers } = this.#session
      const storage = await readers.ready(this.#server, signal)
      const reason = `evacuated: it lies on other servers`
      await removeCopy({ catalog: delivery.catalog, storage }, copy, reason, signal)
    } catch (error) {
      if (failureOf(error).server === undefined) throw error
      const isRefusal = isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED', 'SERVER_UNPROVEN')
      if (!isRefusal) await this.#session.readers.settle(this.#server, error)
      else if ((this.#refusals += 1) === REFUSALS_MAX) this.#refusal = refusal(this.#server, error)
      throw error
    } finally {
      claim.release()
    }
  }

  #tell({ file }: ArchiveWithCopies, readBytes: number | undefined): void {
    this.#input.onProgress?.({
      archivesDone: this.#done,
      archivesTotal: this.#archives.length,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#archives.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0),
      reading: readBytes === undefined ? undefined : { file, readBytes },
    })
  }
}

function refusal(server: Server, error: unknown): SpillwayError {
  return new SpillwayError(
    'SERVER_DENIED',
    `${server.label} refuses to delete (${messageOf(error)}): nothing more was copied, since it could not leave`,
    { cause: error, hint: 'let the key delete there, or wait until the object lock ends' },
  )
}

function tooFewProven({ file }: ArchiveWithCopies): SpillwayError {
  return new SpillwayError('NO_SERVER_FOR_COPY', `too few other copies of ${file} are proven`)
}
