// Compares the catalog with one server: a listing says where to look, and a HEAD what is true.
//
// That something is absent from a listing proves nothing (listings lag, break off, are cut short by
// proxies), so a row changes only after the server was asked for that one object. A listing that failed
// says nothing at all. Reading only: what is to be done about it is the plan's.

import { isFailure } from '../domain/errors.ts'
import { addListed } from './listed-bytes.ts'
import { archiveNameIn, keyOnServer } from '../domain/archive.ts'
import { OtherHosts } from './other-hosts.ts'
import { READ_AT_ONCE, readObject } from './rebuild-archive.ts'
import { eachAtOnce } from './reconcile-at-once.ts'
import { lookAtCopy } from './reconcile-copy.ts'
import { findSnapshotFindings } from './reconcile-snapshots.ts'
import { findUploads } from './reconcile-uploads.ts'
import { snapshotFolder, snapshotTime } from './catalog-snapshot-key.ts'
import type { Catalog, CopyId } from '../catalog/catalog.ts'
import type { CopyOnServer } from '../catalog/rebuild-calls.ts'
import type { Finding, Unknown, ServerPlan } from './reconcile-plan.ts'
import type { Server } from '../domain/server.ts'
import type { SnapshotRow } from '../catalog/snapshot-calls.ts'
import type { Storage, StoredObject } from '../storage/storage.ts'

export type Examined = {
  readonly catalog: Catalog
  readonly server: Server
  readonly storage: Storage
  readonly host: string
  readonly now: Date
  /** Objects that were read just now and are no archives of ours: not read again; by server and key. */
  readonly refused: ReadonlyMap<string, string>
  /**
   * What this catalog never knew becomes ours. Otherwise it may be another machine's of the same name, or
   * be planted to push out what is ours: it is counted, and left alone.
   */
  readonly isAdopting: boolean
}

/** Of `refused`. */
export function refusedName(server: Server, key: string): string {
  return `${server.identity}\n${key}`
}

// Most objects without a row that one plan takes: 30 MB of memory. What is left, the next one takes.
const STRAYS_MAX = 10_000

/** Rejects with the server's failure: then nothing is known, and nothing must be concluded. */
export async function examineServer(input: Examined, signal: AbortSignal): Promise<ServerPlan> {
  const { catalog, server } = input
  const rows = await catalog.copiesOn(server.identity)
  const snapshots = (await catalog.snapshots()).filter(
    ({ identity }) => identity === server.identity,
  )
  const listing = await readListing(input, rows, snapshots, signal)
  const findings: Finding[] = []
  const confirmed: CopyId[] = []
  await eachAtOnce(listing?.unsure ?? rows.filter(isStored), READ_AT_ONCE, async (row) => {
    const seen = await lookAtCopy(input, row, signal)
    if (seen === 'confirmed') confirmed.push(row.id)
    else if (seen !== undefined) findings.push(seen)
  })
  await eachAtOnce(listing?.strays ?? [], READ_AT_ONCE, async (object) => {
    findings.push(await stray(input, object, signal))
  })
  findings.push(...rows.filter((row) => !isStored(row)).map(unsettled))
  findings.push(...(await findSnapshotFindings(input, snapshots, listing?.snapshots, signal)))
  findings.push(...(await findUploads(input, snapshots, signal)))
  const row = (await catalog.servers()).find(({ identity }) => identity === server.identity)
  return {
    server,
    listed: listing && { objects: listing.objects, sizeBytes: listing.sizeBytes },
    otherBytes: listing?.otherBytes,
    otherBytesBefore: row?.otherBytes ?? 0,
    findings: findings.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)),
    confirmed,
    leftOver: listing?.leftOver ?? 0,
    strangers: listing?.strangers ?? 0,
    unknown: listing?.unknown ?? { archives: 0, catalogCopies: 0 },
    otherHosts: listing?.otherHosts ?? new OtherHosts(input.host),
  }
}

type Listing = {
  readonly objects: number
  readonly sizeBytes: number
  /** Of objects that no row accounts for; adopting one takes it out. */
  readonly otherBytes: number
  /** Rows that the listing does not bear out, and missing ones. */
  readonly unsure: readonly CopyOnServer[]
  readonly strays: readonly StoredObject[]
  readonly snapshots: readonly StoredObject[]
  readonly leftOver: number
  readonly strangers: number
  readonly unknown: Unknown
  readonly otherHosts: OtherHosts
}

async function readListing(
  { catalog, server, storage, host, isAdopting }: Examined,
  rows: readonly CopyOnServer[],
  snapshotRows: readonly SnapshotRow[],
  signal: AbortSignal,
): Promise<Listing | undefined> {
  const unseen = new Map(rows.map((row) => [row.key, row]))
  const byKey = new Map(unseen)
  const snapshotKeys = new Set(snapshotRows.map(({ key }) => key))
  const [ours, catalogs] = [keyOnServer(server.prefix, `${host}/`), snapshotFolder(server, host)]
  const ourKeys = isAdopting ? undefined : await catalog.archiveKeys()
  const [strays, snapshots]: [StoredObject[], StoredObject[]] = [[], []]
  const unknown = { archives: 0, catalogCopies: 0 }
  const otherHosts = new OtherHosts(host)
  const counted = { objects: 0, sizeBytes: 0, otherBytes: 0, leftOver: 0, strangers: 0 }
  try {
    for await (const object of storage.list(keyOnServer(server.prefix, ''), signal)) {
      const { key, sizeBytes } = object
      counted.objects += 1
      counted.sizeBytes = addListed(counted.sizeBytes, object, server)
      const row = byKey.get(key)
      if (row !== undefined) {
        const isAsListed = row.sizeBytes === sizeBytes && row.state === 'stored'
        if (isAsListed) unseen.delete(key)
        // What is larger than its row says takes room that no row accounts for.
        if (isStored(row)) counted.otherBytes += Math.max(0, sizeBytes - row.sizeBytes)
        continue
      }
      if (snapshotKeys.has(key)) {
        snapshots.push(object)
        continue
      }
      counted.otherBytes += sizeBytes
      const name = archiveNameIn(server, key)
      otherHosts.see(name)
      if (key.startsWith(catalogs) && snapshotTime(key.slice(catalogs.length)) !== undefined) {
        if (!isAdopting) unknown.catalogCopies += 1
        else if (snapshots.length < STRAYS_MAX) snapshots.push(object)
      } else if (!key.startsWith(ours)) continue
      else if (name?.host !== host) counted.strangers += 1
      else if (ourKeys?.has(name.key) === false) unknown.archives += 1
      else if (strays.length < STRAYS_MAX) strays.push(object)
      else counted.leftOver += 1
    }
  } catch (error) {
    // A key may be forbidden to list: then every row is asked for, and others' bytes stay as they were.
    if (isFailure(error, 'SERVER_DENIED')) return undefined
    throw error
  }
  const unsure = [...unseen.values()].filter(isStored)
  return { ...counted, unsure, strays, snapshots, unknown, otherHosts }
}

function isStored({ state }: CopyOnServer): boolean {
  return state === 'stored' || state === 'missing'
}

async function stray(
  input: Examined,
  { key, sizeBytes }: StoredObject,
  signal: AbortSignal,
): Promise<Finding> {
  const common = { what: 'no row', key, sizeBytes }
  const known = input.refused.get(refusedName(input.server, key))
  const read = known === undefined ? await readObject(input, key, signal) : { refused: known }
  if ('refused' in read) {
    const step = { kind: 'nothing' } as const
    const action = "counts as others' bytes"
    return { ...common, action, detail: read.refused, isWarning: true, step }
  }
  const detail = `archive ${read.archive.id} of ${read.archive.source}`
  return {
    ...common,
    action: 'adopted',
    detail,
    isWarning: false,
    step: { kind: 'adopt', ...read },
    foundCopyOf: read.archive.id,
  }
}

/** Uploading, uncertain, deleting: what a run that ended early left; the server is asked again. */
function unsettled({ key, sizeBytes, state }: CopyOnServer): Finding {
  const action =
    state === 'deleting'
      ? 'deleted, if it is ours and nothing speaks against it'
      : 'the server is asked again'
  const step = { kind: 'nothing' } as const
  return { what: state, key, sizeBytes, action, detail: undefined, isWarning: false, step }
}
