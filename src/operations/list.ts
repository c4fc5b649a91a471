// The archives of this host, newest first, in the shape of `list --json` (DESIGN.md section 10: fields
// may be added, none changed).

import type { ArchiveWithCopies, Catalog, CopyId, CopyRow, ServerRow } from '../catalog/catalog.ts'
import type { ArchivePageInput } from '../catalog/page-calls.ts'
import type { CopyProof } from '../catalog/proof-calls.ts'
import { shownState } from '../domain/archive.ts'
import type { ArchiveId, ArchiveState, CopyState, ShownState } from '../domain/archive.ts'
import type { Config } from '../domain/config.ts'
import { SpillwayError } from '../domain/errors.ts'
import { isDamage } from '../domain/proof.ts'
import { bucketOf } from '../domain/server.ts'
import type { ServerIdentity } from '../domain/server.ts'
import { nearestName } from '../lib/nearest.ts'
import { storedOn } from './copies-plan.ts'
import { withoutDamaged } from './damaged-copies.ts'

export type ListedServer = {
  /** null: the server is not configured any more. */
  readonly number: number | null
  readonly endpoint: string
  readonly bucket: string | null
}

export type ListedArchive = {
  readonly id: ArchiveId
  readonly source: string
  readonly file: string
  readonly key: string
  readonly state: ShownState
  /** null: nowhere, as of a failed or deleted archive, or of one on servers that left the configuration. */
  readonly location: 'local' | 's3' | 'both' | null
  readonly sizeBytes: number | null
  readonly sourceBytes: number | null
  readonly fileCount: number | null
  readonly sha256: string | null
  readonly createdAt: string
  /** When a server last showed all its stored copies. */
  readonly verifiedAt: string | null
  /** When every byte of all of them had been read back: the oldest date of a frame. */
  readonly deepVerifiedAt: string | null
  /** Stored on configured servers, and not known to be damaged. */
  readonly soundCopies: number
  /** What verifying found on its copies, and nobody has settled yet. */
  readonly problems: number
  readonly pinned: boolean
  readonly warningCount: number
  /** Why it failed. */
  readonly reason: string | null
  /** Of the copy that was stored first. */
  readonly server: ListedServer | null
  /** Copies that failed are not among them: the archive's attempts tell about those. */
  readonly copies: readonly {
    readonly server: number | null
    readonly label: string
    readonly state: CopyState
  }[]
}

export type ListInput = {
  readonly source: string | undefined
  readonly limit: number | undefined
  /** Failed and deleted archives as well. */
  readonly includesLost: boolean
}

export async function listArchives(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog },
  input: ListInput,
): Promise<readonly ListedArchive[]> {
  return tellArchives({ config, catalog }, await readArchives({ config, catalog }, input))
}

/** One page of them; undefined: `before` is no archive of this host. */
export async function listPage(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog },
  input: Omit<ArchivePageInput, 'server' | 'servers'> & {
    /** N of S3_SERVER_N. */
    readonly server: number | undefined
  },
): Promise<
  { readonly archives: readonly ListedArchive[]; readonly next: ArchiveId | null } | undefined
> {
  const server = config.servers.find(({ number }) => number === input.server)?.identity
  // Nothing lies on a server that there is not.
  if (input.server !== undefined && server === undefined) return { archives: [], next: null }
  const servers = config.servers.map(({ identity }) => identity)
  const page = await catalog.archivePage({ ...input, server, servers })
  if (page === undefined) return undefined
  return {
    archives: await tellArchives({ config, catalog }, page.archives),
    next: page.next ?? null,
  }
}

/** One of them, whatever became of it. Rejects with ARCHIVE_MISSING. */
export async function listArchive(
  services: { readonly config: Config; readonly catalog: Catalog },
  id: string,
): Promise<ListedArchive> {
  const [told] = await tellArchives(services, [await services.catalog.findArchive(id)])
  return told!
}

async function tellArchives(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog },
  found: readonly ArchiveWithCopies[],
): Promise<readonly ListedArchive[]> {
  const rows = await catalog.servers()
  const servers = new Map(rows.map((row) => [row.identity, serverOf(row, config)]))
  const ids = found.flatMap(({ copies }) => copies.map(({ id }) => id))
  const proofs = await catalog.copyProofs(ids)
  const problems = await catalog.problems()
  const damagedIds = new Set(problems.filter(isDamage).map(({ copyId }) => copyId))
  return found.map((archive) => ({
    ...listed(archive, servers, config),
    soundCopies: storedOn(withoutDamaged(archive, damagedIds), config.servers),
    deepVerifiedAt: deepVerifiedAt(archive, proofs),
    problems: problems.filter(({ archiveId }) => archiveId === archive.id).length,
  }))
}

/** With no catalog yet the list is empty, but a mistyped source is told all the same. */
export function checkSource(config: Config, source: string | undefined, isFound: boolean): void {
  if (source === undefined || isFound) return
  const known = config.sources.map(({ name }) => name)
  if (known.includes(source)) return
  const nearest = nearestName(source, known)
  throw new SpillwayError('USAGE', `there is no source "${source}", and no archive of one`, {
    hint:
      nearest === undefined
        ? `sources: ${known.join(', ') || 'none is configured'}`
        : `did you mean "${nearest}"?`,
  })
}

/** States that are kept in view without --all; a failed row has nothing that could be restored. */
const PRESENT: readonly ArchiveState[] = ['packing', 'ready', 'gone']

async function readArchives(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog },
  { source, limit, includesLost }: ListInput,
): Promise<readonly ArchiveWithCopies[]> {
  const filter = { source, host: config.serverId, states: includesLost ? undefined : PRESENT }
  // Whether an archive was deleted is known from its copies only. So a limit may have to read on; four
  // times as many each time, so that a long row of deleted ones costs few steps.
  for (let take = limit; ; take = take === undefined ? undefined : take * 4) {
    const rows = await catalog.archives({ ...filter, limit: take })
    const shown = includesLost ? rows : rows.filter((row) => isPresent(row, config))
    const isAll = take === undefined || rows.length < take
    if (isAll || shown.length >= (limit ?? 0)) return shown.slice(0, limit)
  }
}

function isPresent({ state, copies }: ArchiveWithCopies, config: Config): boolean {
  const shown = shownState(state, copies, config)
  // An object that reconcile missed was not deleted by us, and must not go out of sight.
  return (
    shown === 'packing' ||
    shown === 'waiting' ||
    shown === 'stored' ||
    copies.some((copy) => copy.state === 'missing')
  )
}

type KnownServer = ListedServer & { readonly label: string }

function serverOf(row: ServerRow, config: Config): KnownServer {
  const configured = config.servers.find(({ identity }) => identity === row.identity)
  if (configured === undefined) {
    const { label, endpoint, bucket } = row
    return { number: null, label, endpoint, bucket: bucket ?? null }
  }
  const { number, label, endpoint } = configured
  return { number, label, endpoint, bucket: bucketOf(configured) }
}

function listed(
  archive: ArchiveWithCopies,
  servers: ReadonlyMap<ServerIdentity, KnownServer>,
  config: Config,
): Omit<ListedArchive, 'soundCopies' | 'deepVerifiedAt' | 'problems'> {
  const copies = archive.copies.filter(({ state }) => state !== 'failed')
  const stored = copies.filter(({ state }) => state === 'stored').toSorted(byTimeStored)
  const first = stored[0] === undefined ? undefined : servers.get(stored[0].identity)
  return {
    id: archive.id,
    source: archive.source,
    file: archive.file,
    key: archive.key,
    state: shownState(archive.state, archive.copies, config),
    location: locationOf(archive, config),
    sizeBytes: archive.sizeBytes ?? null,
    sourceBytes: archive.sourceBytes ?? null,
    fileCount: archive.memberCount ?? null,
    sha256: archive.sha256 ?? null,
    createdAt: archive.startedAt.toISOString(),
    verifiedAt: archive.verifiedAt?.toISOString() ?? null,
    pinned: archive.isPinned,
    warningCount: archive.warningCount,
    reason: archive.reason ?? null,
    server:
      first === undefined
        ? null
        : { number: first.number, endpoint: first.endpoint, bucket: first.bucket },
    copies: copies.map(({ identity, state }) => ({
      server: servers.get(identity)?.number ?? null,
      label: servers.get(identity)?.label ?? identity,
      state,
    })),
  }
}

/** null while a stored copy has a frame that was never read back. */
function deepVerifiedAt(
  { copies }: ArchiveWithCopies,
  proofs: ReadonlyMap<CopyId, CopyProof>,
): string | null {
  const dates = copies
    .filter(({ state }) => state === 'stored')
    .map(({ id }) => proofs.get(id)?.deepVerifiedAt?.toISOString())
  if (dates.length === 0 || dates.includes(undefined)) return null
  return dates.toSorted()[0] ?? null
}

/** Where an archive can be restored from. */
function locationOf(archive: ArchiveWithCopies, { servers }: Config): ListedArchive['location'] {
  const isLocal = archive.state === 'ready' && archive.localPath !== undefined
  const isStored = storedOn(archive, servers) > 0
  if (isLocal) return isStored ? 'both' : 'local'
  return isStored ? 's3' : null
}

function byTimeStored(a: CopyRow, b: CopyRow): number {
  return (a.storedAt?.getTime() ?? 0) - (b.storedAt?.getTime() ?? 0) || a.id - b.id
}
