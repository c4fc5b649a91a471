// What must be true of a host after each of its processes, however it ended: the ledger against the servers' books
// (I-1, I-3, I-4, I-9), nothing lost that may be counted on (I-1, I-5, I-6), open uploads (I-4), what a run said
// (I-2). It reads the servers' stores and the catalog's rows by itself.

import { hostOf } from './fleet.ts'
import { hasUnseenHarm, keptBecause, RETENTION } from './watch.ts'
import type { Book, Place } from './book.ts'
import type { Entry as ServerEntry, SimHost } from './sim-host.ts'
import type { SimServer } from './fleet.ts'
import type { RunReport } from '../../src/domain/run-report.ts'
import type { CatalogEye, SeenCopy } from './catalog-eye.ts'

export type Oracle = {
  readonly host: SimHost
  readonly book: Book
  /** `lost`: until it is rebuilt, servers hold what no row names. */
  readonly catalog: 'known' | 'lost'
  /** Keys that a rebuild was right to leave to others: copies of the catalog from a time to come, what is too rotten to say what it is. */
  readonly strangers: ReadonlySet<string>
  /** Ids of uploads whose row went with a lost catalog: reconcile tells of them, and leaves them to who began them. */
  readonly orphans: ReadonlySet<string>
}

/** Empty when all is well. Takes into the book what became whole. */
export function violationsOf(oracle: Oracle, eye: CatalogEye): readonly string[] {
  const { host, book, catalog } = oracle
  const copies = eye.openCopies()
  const wrong = [...wrongSums(eye, copies)]
  for (const { id } of eye.archives())
    if (book.keep(id) === undefined) wrong.push(`archive ${id} was never packed`)
  wrong.push(...wrongCopies(host, copies))
  // Until a rebuild is complete, servers hold what no row names.
  if (catalog === 'known')
    wrong.push(...host.entries.flatMap((entry) => wrongServer(oracle, entry, eye, copies)))
  return [...wrong, ...lostArchives(oracle, eye)]
}

/** I-1: whole bytes of it are on some server, or in the spool. */
export function lostArchives(
  { host, book }: Oracle,
  eye: CatalogEye | undefined,
): readonly string[] {
  const places = book.places()
  return [...book.entries.values()].flatMap((entry) => {
    if (entry.releasedBecause !== undefined || places.has(entry.id) || book.isInSpool(entry))
      return []
    // The product lets go of the spool's file for a copy that is stored. What was done to that one meanwhile, only
    // reading it back can tell; where somebody has told, the file must stay.
    const isUnseen = eye !== undefined && hasUnseenHarm(host, eye, entry.id)
    // Retention takes the spool's file first; what it then cannot delete is damaged anyway.
    const row = eye?.archive(entry.id)
    const isDue = row !== undefined && keptBecause({ host }, eye!, row) === undefined
    if (!isUnseen && !isDue) return [`${entry.file} is lost: no server and no spool has its bytes`]
    entry.releasedBecause = isDue
      ? RETENTION
      : 'the soak harmed its last copy, and nobody has seen it'
    return []
  })
}

/** I-9: what is counted is the sum of what is named. */
function wrongSums(eye: CatalogEye, copies: readonly SeenCopy[]): readonly string[] {
  const snapshots = eye.snapshots()
  return eye.servers().flatMap(({ identity, usedBytes, reservedBytes, catalogBytes }) => {
    const here = copies.filter((copy) => copy.identity === identity)
    const sum = (states: readonly string[], bytes: 'sizeBytes' | 'reservedBytes') =>
      here.filter(({ state }) => states.includes(state)).reduce((all, copy) => all + copy[bytes], 0)
    const used = sum(['stored', 'deleting', 'missing'], 'sizeBytes')
    const reserved = sum(['uploading', 'uncertain'], 'reservedBytes')
    const held = snapshots.filter((each) => each.identity === identity)
    const ofCatalog = held.reduce((all, { sizeBytes }) => all + sizeBytes, 0)
    return [
      ...(used === usedBytes ? [] : [`${identity}: used ${usedBytes}, and the rows say ${used}`]),
      ...(reserved === reservedBytes
        ? []
        : [`${identity}: reserved ${reservedBytes}, and the rows say ${reserved}`]),
      ...(ofCatalog === catalogBytes
        ? []
        : [`${identity}: catalog ${catalogBytes}, and the rows say ${ofCatalog}`]),
    ]
  })
}

/** I-1: what is called stored is there, with our token and its size; what is called damaged was harmed. */
function wrongCopies(host: SimHost, copies: readonly SeenCopy[]): readonly string[] {
  return copies.flatMap(({ identity, state, key, token, sizeBytes, isDamaged }) => {
    const entry = host.entryOf(identity)
    if (entry === undefined) return [`${key} is on ${identity}, which is no server of ours`]
    const { server } = entry
    const isHarmed = server.harmed.has(key)
    if (isDamaged === 1 && state === 'stored' && !isHarmed)
      return [`${key} on ${server.name} is called damaged, and nobody has touched it`]
    if (state !== 'stored' || isHarmed) return []
    const object = server.objectsOf(host.name).get(key)
    if (object === undefined) return [`${key} is called stored on ${server.name}, and is not there`]
    if (server.tokenOf(object) !== token) return [`${key} on ${server.name} is not with our token`]
    if (object.sizeBytes === sizeBytes) return []
    return [`${key} on ${server.name} has ${object.sizeBytes} bytes, its row ${sizeBytes}`]
  })
}

/** I-3, I-4: everything that lies there under our name has its row, and is counted. */
function wrongServer(
  { host, strangers, orphans }: Oracle,
  entry: ServerEntry,
  eye: CatalogEye,
  copies: readonly SeenCopy[],
): readonly string[] {
  const { server } = entry
  const identity = host.identityOf(entry)
  const here = copies.filter((copy) => copy.identity === identity)
  const named = new Set([
    ...here.map(({ key }) => key),
    ...eye.snapshots().flatMap((each) => (each.identity === identity ? [each.key] : [])),
  ])
  const wrong = [...server.objectsOf(host.name).keys()]
    .filter((key) => !named.has(key) && server.harmed.get(key) !== 'overwrite')
    .filter((key) => !strangers.has(key))
    .map((key) => `${key} lies on ${server.name}, and no row names it`)
  const open = new Set(
    here
      .filter(({ state }) => state === 'uploading' || state === 'uncertain')
      .map(({ key }) => key),
  )
  const openSnapshots = new Set(eye.snapshots().map(({ key }) => key))
  let orphanedBytes = 0
  for (const { key, uploadId, parts } of server.uploadsOf(host.name))
    if (orphans.has(uploadId)) for (const piece of parts.values()) orphanedBytes += piece.sizeBytes
    else if (!open.has(key) && !openSnapshots.has(key))
      wrong.push(`an upload of ${key} is open on ${server.name}, and no row waits for it`)
  const row = eye.servers().find((each) => each.identity === identity)
  let heldBytes = server.heldBytes(host.name) - orphanedBytes
  for (const [key, { sizeBytes }] of server.objectsOf(host.name))
    if (strangers.has(key) && !named.has(key)) heldBytes -= sizeBytes
  const countedBytes = row === undefined ? 0 : row.usedBytes + row.reservedBytes + row.catalogBytes
  if (heldBytes > countedBytes && ![...server.harmed.values()].includes('overwrite'))
    wrong.push(`${server.name} holds ${heldBytes} bytes of ours, and ${countedBytes} are counted`)
  return wrong
}

export type RunSeen = {
  readonly report: RunReport
  /** Ids, before the run, in their order. */
  readonly waitingBefore: readonly string[]
}

/** I-2: what a run said is what is so. */
export function lies(
  oracle: Oracle,
  { report, waitingBefore }: RunSeen,
  eye: CatalogEye,
): readonly string[] {
  const { host, book } = oracle
  const { exit, archives, sources } = report
  const isEarly = exit === 130 || (exit >= 40 && exit < 50)
  const waiting = eye.waiting(host)
  const wrong: string[] = []
  if (exit === 1) wrong.push(`the run calls itself a bug: ${JSON.stringify(report.warnings)}`)
  for (const { name, state } of host.sources) {
    const said = sources.find((each) => each.name === name)
    if (said === undefined) wrong.push(`the run says nothing of ${name}`)
    else if (state !== 'there' && !isEarly && said.outcome !== 'failed')
      wrong.push(`${name} could not be read, and the run says ${said.outcome}`)
    const isNew = ({ source, id }: { source: string; id: string }): boolean =>
      source === name && !waitingBefore.includes(id)
    if (exit === 0 && !archives.some((each) => isNew(each) && each.state === 'stored'))
      wrong.push(`exit 0, and ${name} has no archive of tonight`)
  }
  if (sources.some(({ outcome }) => outcome === 'failed') && (exit === 0 || exit === 3))
    wrong.push(`a source failed, and the exit code is ${exit}`)
  if (exit === 0 && waiting.length > 0) wrong.push(`${waiting.length} wait, and the exit code is 0`)
  const places = book.places()
  wrong.push(...archives.flatMap((archive) => notThere(oracle, archive, places)))
  wrong.push(...outOfTurn(archives, waitingBefore))
  const told = new Set(archives.map(({ id }) => id))
  const untold = waiting.filter(({ id }) => waitingBefore.includes(id) && !told.has(id))
  if (!isEarly && untold.length > 0)
    wrong.push(`${untold.length} archives that waited were not tried, and still wait`)
  return wrong
}

/** Every server that the report names holds whole bytes of it. */
function notThere(
  { host, book }: Oracle,
  { id, file, copies, state }: RunReport['archives'][number],
  places: ReadonlyMap<string, readonly Place[]>,
): readonly string[] {
  const there = places.get(id) ?? []
  // Of what was harmed since it was stored, nobody can say more than that.
  const stem = file.slice(0, -'.tar.zst'.length)
  const isHarmed = ({ harmed }: SimServer): boolean =>
    [...harmed.keys()].some((key) => key.includes(stem) && hostOf(key) === host.name)
  const wrong = copies.flatMap(({ number }) => {
    const server = host.entries.find((entry) => entry.number === number)?.server
    return server === undefined ||
      isHarmed(server) ||
      there.some((place) => place.server === server)
      ? []
      : [`${file} is reported on server ${number}, which does not have its bytes`]
  })
  // Retention may have taken a copy of it since.
  const isGoing = book.entries.get(id)?.releasedBecause !== undefined
  if (isGoing || host.entries.some(({ server }) => isHarmed(server))) return wrong
  if (state === 'stored' && copies.length < host.copies && there.length < host.copies)
    wrong.push(`${file} is reported as stored, with ${copies.length} of ${host.copies} copies`)
  return wrong
}

/** What waited goes first, the oldest before all. */
function outOfTurn(
  archives: RunReport['archives'],
  waitingBefore: readonly string[],
): readonly string[] {
  const ids = archives.map(({ id }) => id)
  const expected = waitingBefore.filter((id) => ids.includes(id))
  return expected.every((id, index) => ids[index] === id)
    ? []
    : [`sent in the order ${ids.join()}, while ${expected.join()} waited`]
}
