// One day of one host, in its order: what people change, the run, the commands that somebody gives, the harm.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { calmDown, change } from './change.ts'
import { DAY_MS } from './virtual-time.ts'
import { digestOf } from './sim-host.ts'
import { healed } from './healed.ts'
import { evacuate } from '../../src/operations/evacuate.ts'
import { fillCopies } from '../../src/operations/copies-fill.ts'
import { rebuild } from '../../src/operations/rebuild.ts'
import { reconcile } from '../../src/operations/reconcile.ts'
import { restoreArchive } from '../../src/operations/restore.ts'
import { setPinned } from '../../src/operations/pin.ts'
import { startRebuild } from '../../src/operations/rebuild-snapshot.ts'
import { unpackerInOneThread } from './in-one-thread.ts'
import { verify } from '../../src/operations/verify.ts'
import { VerifyServers } from '../../src/operations/verify-servers.ts'
import type { CatalogEye } from './catalog-eye.ts'
import type { Counts } from './counts.ts'
import type { Inhabitant, Night, ProcessKind } from './night.ts'
import type { ProcessServices } from './process.ts'
import type { RebuildStart } from '../../src/operations/rebuild-snapshot.ts'
import type { VerifyReport } from '../../src/operations/verify-report.ts'
import type { VirtualTime } from './virtual-time.ts'

export type Day = Night & {
  readonly isLast: boolean
  readonly time: VirtualTime
  /** What the clock of this host should show. */
  readonly rightMs: number
  readonly scratch: string
  readonly counts: Counts
}

export async function liveThrough(life: Inhabitant, day: Day): Promise<void> {
  const { host } = life
  const { random, isCalm, counts, time } = day
  counts.nights += 1
  if (isCalm) calmDown(life)
  else change(life, day)
  host.work(random)
  host.writeEnv()
  time.set(day.rightMs + host.clockOffsetMs)
  if (life.catalog === 'lost' && !(await bringBack(life, day))) return
  await life.run(day)
  if (isCalm ? day.day % 3 === 0 : random.chance(0.03)) await check(life, day)
  if (random.chance(0.02)) await reconcileAll(life, day)
  if (!isCalm && random.chance(0.01)) await leaveServer(life, day)
  if (random.chance(0.1)) await restoreSome(life, day)
  await pinSome(life, day)
  if (!isCalm && random.chance(0.04)) life.harm(random)
  if (day.isLast) healed(life)
}

/** spillway reconcile --rebuild, until it is complete. */
async function bringBack(life: Inhabitant, day: Day): Promise<boolean> {
  let start: RebuildStart | undefined
  const done = await life.process(
    {
      name: 'reconcile --rebuild',
      mayDie: true,
      beforeCatalog: async (config, open) => {
        const openStorage = async () => open
        start = await startRebuild(
          { config, openStorage },
          { isDryRun: false },
          new AbortController().signal,
        )
      },
    },
    day,
    (services, signal) =>
      rebuild(
        services,
        { start: start!, isForAllHosts: false, onProgress: () => {}, onPlan: () => {} },
        signal,
      ),
  )
  if (done?.isComplete !== true) return false
  day.counts.rebuilds += 1
  life.tell(`rebuilt from ${done.start.from}, exit ${done.exit}`)
  // Pins are looked at by a person, as the run asks for.
  await life.process({ name: 'prune by hand', mayDie: false }, day, ({ catalog }) =>
    catalog.acceptPins(),
  )
  life.catalog = 'known'
  leaveFuture(life, day.rightMs)
  if (done.servers.some(({ refused }) => refused > 0)) leaveRotten(life)
  return true
}

/** Copies of the catalog from nights with a clock that was ahead: to a catalog begun anew they are somebody else's. */
function leaveFuture({ host, strangers }: Inhabitant, nowMs: number): void {
  const latest = new Date(nowMs + DAY_MS).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')
  for (const { server } of host.entries)
    for (const key of server.objectsOf(host.name).keys()) {
      const [, day = '', time = ''] = /catalog-(\d{8})-(\d{6})\.db\.zst$/.exec(key) ?? []
      if (day !== '' && `${day}T${time}` > latest) strangers.add(key)
    }
}

/** What has no row any more, and does not say what it is: the rebuild tells of it, and leaves it to others' bytes. */
function leaveRotten({ host, strangers }: Inhabitant): void {
  for (const { server } of host.entries)
    for (const key of server.objectsOf(host.name).keys())
      if (server.harmed.get(key) === 'rot') strangers.add(key)
}

/** verify --deep, and what it asks for. */
async function check(life: Inhabitant, day: Day): Promise<void> {
  let ended: VerifyReport | undefined
  const kind: ProcessKind = {
    ...{ name: 'verify --deep', mayDie: false, isExact: true },
    atEnd: (eye) => {
      if (ended !== undefined) unfound(life, day, eye, ended)
    },
  }
  const report = await life.process(kind, day, async (services, signal) => {
    const servers = new VerifyServers(services.openStorage)
    try {
      const asked = { archives: [], source: undefined, isDeep: true, budgetBytes: undefined }
      const all = { ...services, storageOf: servers.storageOf }
      ended = await verify(all, asked, signal)
      return ended
    } finally {
      servers.close()
    }
  })
  if (report === undefined) return
  day.counts.verifies += 1
  if (report.problems.length === 0) return
  day.counts.damagesFound += report.problems.length
  const done = await life.process({ name: 'copies', mayDie: true }, day, (services, signal) =>
    fillCopies(
      services,
      { budgetBytes: undefined, onArchive: () => {}, onProgress: () => {} },
      signal,
    ),
  )
  if (done !== undefined) day.counts.mends += done.mended
  await reconcileAll(life, day)
}

/** Harm that reading everything back did not find, on servers that answered, and that it is silent about. */
function unfound(life: Inhabitant, day: Day, eye: CatalogEye, report: VerifyReport): void {
  const { host } = life
  if (host.hasWrongKeys) return
  for (const { archiveId, identity, key, state, hasProblem } of eye.openCopies()) {
    const entry = host.entryOf(identity)
    if (entry === undefined || entry.absentUntil !== 0 || state !== 'stored') continue
    const { number, server } = entry
    const answers = day.isCalm || ['well', 'full', 'keeps all'].includes(server.weather)
    const harm = server.harmed.get(key)
    if (!answers || harm === undefined || hasProblem === 1) continue
    const archive = report.archives.find(({ id }) => id === archiveId)
    const said = archive?.copies.find((copy) => copy.server === number)?.message ?? null
    // Over HTTP an answer may come too late in a process that has much else to do.
    if (said !== null && report.exit !== 0) {
      day.counts.unasked += 1
      life.tell(`  verify --deep says of ${key}: ${said}`)
    } else life.violation(`verify --deep has not found the ${harm} of ${key}`)
  }
}

async function reconcileAll(life: Inhabitant, day: Day): Promise<void> {
  const done = await life.process({ name: 'reconcile', mayDie: true }, day, (services, signal) =>
    reconcile(services, { isDryRun: false, isAdopting: false, onPlan: () => {} }, signal),
  )
  if (done === undefined) return
  day.counts.reconciles += 1
  life.tell(`reconcile ends with ${done.exit}`)
}

async function leaveServer(life: Inhabitant, day: Day): Promise<void> {
  const { host } = life
  const leaving = day.random.pick(host.configured())
  if (host.enabled().filter((entry) => entry !== leaving).length === 0) return
  leaving.isEnabled = false
  host.writeEnv()
  const done = await life.process({ name: 'evacuate', mayDie: true }, day, (services, signal) =>
    evacuate(services, { number: leaving.number }, signal),
  )
  if (done === undefined) return
  day.counts.evacuations += 1
  life.tell(`evacuate ends with ${done.exit}: ${done.moved} moved, ${done.left} left`)
  if (done.exit !== 0) return
  leaving.absentUntil = day.day + day.random.between(5, 30)
}

/** Restored by the real command, and compared with what was packed. */
async function restoreSome(life: Inhabitant, day: Day): Promise<void> {
  const { host, book } = life
  const { counts, random } = day
  const places = book.places()
  const reachable = new Set(
    host
      .configured()
      .filter(({ server }) => day.isCalm || ['well', 'full', 'keeps all'].includes(server.weather))
      .map(({ server }) => server),
  )
  const able = [...book.entries.values()].filter(
    (entry) =>
      entry.releasedBecause === undefined &&
      !host.hasWrongKeys &&
      (book.isInSpool(entry) ||
        (places.get(entry.id) ?? []).some(({ server }) => reachable.has(server))),
  )
  if (able.length === 0) return
  const entry = random.pick(able)
  const to = mkdtempSync(join(day.scratch, 'restore-'))
  const kind = { name: `restore ${entry.file}`, mayDie: false, isExact: true }
  try {
    const restored = await life.process(kind, day, (services, signal) =>
      restoreArchive(restoreServices(services), { archive: entry.id, to }, signal),
    )
    if (restored === undefined) life.violation(`${entry.file} could not be restored`)
    else if (digestOf(to) !== entry.digest)
      life.violation(`${entry.file} was restored, and is not what was packed`)
    counts.restores += 1
  } finally {
    rmSync(to, { recursive: true, force: true })
  }
}

function restoreServices(services: ProcessServices) {
  const { archiveUses } = services
  return { ...services, archiveUses: async () => archiveUses, unpacker: unpackerInOneThread() }
}

/** Somebody wants to keep one; what was begun after now is pinned, as the run asks for. */
async function pinSome(life: Inhabitant, day: Day): Promise<void> {
  const { host, book } = life
  const { random } = day
  const chosen = host.clockOffsetMs === 0 ? life.fromTheFuture : []
  // A catalog that was made anew knows nothing of what had been deleted before.
  const there = random.chance(0.004) ? [...book.places().keys()] : []
  const some = there.length > 0 ? [random.pick(there)] : []
  for (const id of [...chosen, ...some])
    await life.process({ name: `pin ${id}`, mayDie: false }, day, async (services) => {
      const { copies } = await services.catalog.findArchive(id)
      // Pinning what is deleted is refused, and that is right.
      if (copies.some(({ state }) => state === 'stored')) await setPinned(services, id, true)
    })
}
