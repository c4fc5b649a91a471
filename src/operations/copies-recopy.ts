// Gives one archive the copies that it lacks, from its spool file or from another copy, with the same
// delivery as a run. Nothing here removes a copy: one that is known to be damaged counts as none, and its
// server gets another only when no other server has room.

import { bringBytes, dropFetched } from './copies-fetch.ts'
import { deliver } from './deliver.ts'
import { formatBytes } from '../domain/sizes.ts'
import { awaited, holdersOf, mendableOn, NO_OTHER } from './copies-plan.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { placeArchive } from '../domain/placement.ts'
import { proveCopies } from './copies-prove.ts'
import { shareHealth } from './copies-session.ts'
import { SpoolContent } from './spool-content.ts'
import { usageForArchives } from './catalog-snapshot-room.ts'
import type { ArchiveWithCopies, CopyRow } from '../catalog/catalog.ts'
import type { Brought, FetchInput } from './copies-fetch.ts'
import type { CopySession } from './copies-session.ts'
import type { Proof } from './copies-prove.ts'
import type { ReportedAttempt } from '../domain/run-report.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'

export type Recopied = {
  /** Servers that got a copy now. */
  readonly stored: readonly Server[]
  /** Copies proven now, those on `stored` included; none on the server that is left. */
  readonly provenCount: number
  /** Copies on servers that do not answer, and so may be there. */
  readonly unknown: readonly Proof[]
  /** A copy on the server that is left, and not known to be damaged. */
  readonly hasLeaving: boolean
  /** Copies that turned out damaged, gone, or another one's: reported, and left where they are. */
  readonly damaged: readonly SpillwayError[]
  /** Why there are fewer copies than wanted; undefined: there are as many. */
  readonly error: SpillwayError | undefined
}

export type RecopyInput = {
  readonly archive: ArchiveWithCopies
  readonly copiesWanted: number
  /** Stored, and known to be damaged: neither counted nor read. */
  readonly damaged: readonly CopyRow[]
  readonly onRead: (readBytes: number) => void
}

/** Rejects with what ends the whole work: CATALOG_*, INTERRUPTED, a bug. */
export async function recopy(
  session: CopySession,
  { archive, copiesWanted, damaged: known, onRead }: RecopyInput,
  signal: AbortSignal,
): Promise<Recopied> {
  const stored = archive.copies.filter((copy) => copy.state === 'stored' && !known.includes(copy))
  const proofs = await proveCopies(session, stored, signal, known)
  await shareHealth(session)
  const damaged = new Map<ServerIdentity, SpillwayError>()
  const unread = new Map<ServerIdentity, SpillwayError>()
  const twins = proofs.flatMap(({ verdict, error }) => (verdict === 'twin' && error ? [error] : []))
  for (const { server, verdict, error } of proofs) {
    if (error !== undefined && (verdict === 'gone' || verdict === 'differs'))
      damaged.set(server.identity, error)
  }
  const tally = () => tallyOf(session, proofs, { damaged, unread })
  const ended = (servers: readonly Server[], error: SpillwayError | undefined): Recopied => ({
    ...tally(),
    provenCount: tally().proven.length + servers.length,
    stored: servers,
    damaged: [...damaged.values(), ...twins],
    error,
  })
  if (copiesMissing(copiesWanted, tally()) === 0) return ended([], undefined)
  const attempts: ReportedAttempt[] = []
  let brought: Brought | undefined
  try {
    const { sizeBytes } = archive
    if (sizeBytes === undefined) throw unfinished(archive)
    await requireDestination(session, { archive, known }, sizeBytes)
    const sources = [...tally().proven, ...tally().leaving]
    requireSource(archive, sources, tally().unknown, known)
    const input = { archive: { ...archive, sizeBytes }, sources, onRead, damaged, unread }
    brought = await bringBytes(session, input, signal)
    await shareHealth(session)
    const missing = copiesMissing(copiesWanted, tally())
    const content = SpoolContent.whole(brought.path, sizeBytes)
    const sending = { archive, known, content, missing, attempts }
    const sent = await deliverCopies(session, sending, signal)
    await shareHealth(session)
    const isEnough = sent.length >= missing
    return ended(sent, isEnough ? undefined : tooFew(archive, missing, attempts))
  } catch (error) {
    if (endsWork(error)) throw error
    return ended([], error as SpillwayError)
  } finally {
    if (brought?.isFetched === true) await dropFetched(session, archive, brought)
  }
}

/** What concerns this archive or a server alone stops nothing else. */
export function endsWork(error: unknown): boolean {
  if (!(error instanceof SpillwayError)) return true
  const { exit } = error.failure
  return exit === 130 || (exit >= 40 && exit < 50)
}

/** To other servers first; where they do not do, to those that hold a damaged copy. */
async function deliverCopies(
  { delivery }: CopySession,
  sending: {
    readonly archive: ArchiveWithCopies
    readonly known: readonly CopyRow[]
    readonly content: SpoolContent
    readonly missing: number
    readonly attempts: ReportedAttempt[]
  },
  signal: AbortSignal,
): Promise<readonly Server[]> {
  const { archive, known, missing, ...common } = sending
  const others = { ...common, archive, holders: holdersOf(archive), copiesMissing: missing }
  const { stored } = await deliver(delivery, others, signal)
  const own = mendableOn(archive, known)
  if (stored.length >= missing || own.size === 0) return stored
  const all = delivery.pool.servers.map(({ identity }) => identity)
  const holders = new Set(all.filter((identity) => !own.has(identity)))
  const same = { ...common, archive, holders, copiesMissing: missing - stored.length }
  return [...stored, ...(await deliver(delivery, same, signal)).stored]
}

/** Before room is looked for in the spool: what is known to be damaged is not read once more. */
function requireSource(
  { file, localPath, state }: ArchiveWithCopies,
  sources: readonly Proof[],
  unknown: readonly Proof[],
  damaged: readonly CopyRow[],
): void {
  const isInSpool = state === 'ready' && localPath !== undefined
  if (sources.length > 0 || isInSpool || damaged.length === 0) return
  const [silent] = unknown
  if (silent?.error !== undefined) throw silent.error
  throw noSoundCopy({ file })
}

export function noSoundCopy({ file }: Pick<ArchiveWithCopies, 'file'>): SpillwayError {
  const what = `every copy of ${file} that can be read is damaged: nothing sound is left to copy`
  return new SpillwayError('ARCHIVE_CORRUPT', what, { hint: LOOK_AGAIN })
}

/** Nothing to read it from: on servers that left the configuration, or gone from where it was. */
export function noUsableCopy(
  { copies, file }: Pick<ArchiveWithCopies, 'copies' | 'file'>,
  unusable: readonly string[],
): SpillwayError {
  const what = `no copy of ${file} can be used: ${unusable.join(', ')}`
  const hint = copies.some(({ state }) => state === 'stored') ? ADD_AGAIN : GIVEN_UP
  return new SpillwayError('ARCHIVE_MISSING', what, { hint })
}

export const ADD_AGAIN = 'add the server that holds it again (its number does not matter)'
export const GIVEN_UP =
  'spillway reconcile gives up the record of a copy once it was gone for a day'

const LOOK_AGAIN =
  'restore gives back what is whole; to look at a copy again: spillway verify ARCHIVE --deep'

type Tally = Pick<Recopied, 'unknown' | 'hasLeaving'> & {
  readonly proven: readonly Proof[]
  readonly leaving: readonly Proof[]
}

function tallyOf(
  session: CopySession,
  proofs: readonly Proof[],
  found: Pick<FetchInput, 'damaged' | 'unread'>,
): Tally {
  const sound = proofs
    .filter(({ server }) => !found.damaged.has(server.identity))
    .map((proof): Proof => {
      const error = found.unread.get(proof.server.identity)
      return error === undefined ? proof : { ...proof, verdict: 'unknown', error }
    })
  const staying = sound.filter(({ server }) => server.identity !== session.leaving)
  const leaving = sound.filter(({ server }) => server.identity === session.leaving)
  return {
    proven: staying.filter(({ verdict }) => verdict === 'proven'),
    unknown: staying.filter(({ verdict }) => verdict === 'unknown'),
    leaving: leaving.filter(({ verdict }) => verdict === 'proven'),
    hasLeaving: leaving.length > 0,
  }
}

/** What does not answer tonight is not copied again: it would lie on too many servers tomorrow. */
function copiesMissing(copiesWanted: number, { proven, unknown }: Tally): number {
  return Math.max(0, copiesWanted - proven.length - unknown.length)
}

/** Before bytes are fetched that nobody would take. */
async function requireDestination(
  { delivery }: CopySession,
  { archive, known }: { archive: ArchiveWithCopies; known: readonly CopyRow[] },
  neededBytes: number,
): Promise<void> {
  const { catalog, pool } = delivery
  const holders = holdersOf(archive)
  const own = mendableOn(archive, known)
  const usageByIdentity = await usageForArchives(catalog)
  const servers = pool.servers.filter(({ identity }) => !holders.has(identity) || own.has(identity))
  const { candidates, withoutRoom } = placeArchive({ servers, usageByIdentity, neededBytes })
  const down = candidates.flatMap((server) => {
    const error = pool.downBecause(server)
    return error === undefined ? [] : [`${server.label}: ${messageOf(error)}`]
  })
  if (down.length < candidates.length) return
  const full = withoutRoom.map(
    ({ server, spareBytes }) =>
      `${server.label}: not enough space, ${formatBytes(spareBytes)} spare`,
  )
  const gone = awaited(archive, pool.servers)
  const why = [...full, ...down, ...gone].join('; ') || NO_OTHER
  throw new SpillwayError(
    'NO_SERVER_FOR_COPY',
    `no server can take a copy of ${archive.file} (${formatBytes(neededBytes)}): ${why}`,
  )
}

function tooFew(
  { file }: ArchiveWithCopies,
  missing: number,
  attempts: readonly ReportedAttempt[],
): SpillwayError {
  const stored = attempts.filter(({ outcome }) => outcome === 'stored').length
  const tried = attempts
    .filter(({ outcome }) => outcome !== 'stored')
    .map(({ server, outcome, message }) => `${server}: ${outcome}, ${message ?? ''}`)
  const who = stored === 0 ? 'no server' : `only ${stored} of ${missing} servers`
  return new SpillwayError(
    'NO_SERVER_FOR_COPY',
    `${who} took a copy of ${file} (${tried.join('; ') || 'there is no other'})`,
  )
}

function unfinished({ file }: ArchiveWithCopies): SpillwayError {
  return new SpillwayError('ARCHIVE_MISSING', `${file} was never finished`)
}
