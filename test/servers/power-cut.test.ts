// The power is cut somewhere in a run: the disk holds what was synced, and of the rest what it likes. The next run
// must find its way from there, and what a run has told must still be true. Needs strace (scripts/test-servers.sh).
//
// The disk is that of the calls which the program made (power-cut.ts), and the servers are what they were at that
// moment. `POWER_CUTS=1000` tries every moment, and at each of them every way to lose what was not synced.

import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CALLS_THAT_CHANGE, readDisk, readRecord } from '../support/disk-record.ts'
import type { DiskNode, DiskRecord } from '../support/disk-record.ts'
import { diskAfterCut, writeTree } from '../support/power-cut.ts'
import type { Loss, Tree } from '../support/power-cut.ts'
import { hasStrace, traced } from '../support/strace.ts'
import type { StoreMoment } from '../support/s3-model-store.ts'
import { Random } from '../soak/random.ts'
import { violations } from '../support/oracle.ts'
import { World } from '../support/world.ts'

if (!hasStrace) console.error('SKIPPED: no strace here, or no right to trace')

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
// Of each run, and twice as many disks: half a second for each, so that all take two minutes.
const CUTS_USUAL = 12
const CUTS = Number(process.env['POWER_CUTS'] ?? CUTS_USUAL)

// POSIX promises no more than the first.
const LOSSES: readonly Loss[] = [
  { names: 'lost', bytes: 'lost' },
  { names: 'kept', bytes: 'lost' },
  { names: 'kept', bytes: 'zeros' },
  { names: 'lost', bytes: 'kept' },
  { names: 'some', bytes: 'some' },
  { names: 'in order', bytes: 'some' },
]
const ALL: Loss = { names: 'kept', bytes: 'kept' }

let world: World
/** What the servers held, by how long the log was then. */
let moments: { readonly at: number; readonly stores: readonly StoreMoment[] }[]
let isRecording: boolean
beforeEach(async () => {
  isRecording = false
  const model = { keep: 'memory' as const, onWorked: noteServers }
  world = await World.make([{ model, limitGb: 100 }, { model }])
  // More than is written past the page cache at once (2 MiB).
  await world.noise('file', 2_300_000)
})
afterEach(() => world.close())

describe.skipIf(!hasStrace)(`a run in which the power is cut (seed ${SEED})`, () => {
  it('is settled by the next one when it was the first of all [F06c]', async () => {
    holdSource()
    const { record } = await recorded(0)
    await everyCutHeals(record)
  }, 900_000)

  it('is settled by the next one when it sent what waited, and deleted what is old [F06c]', async () => {
    await recorded(0)
    refuse()
    await recorded(23)
    accept()
    world.env['KEEP_LAST'] = '1'
    const { record } = await recorded(0)
    delete world.env['KEEP_LAST']
    expect(textOf(record)).toContain('deleted by retention')
    await everyCutHeals(record)
  }, 900_000)

  it('loses no archive that it left waiting, since no server took it [F06c]', async () => {
    refuse()
    const { record } = await recorded(23)
    accept()
    expect(textOf(record)).toContain('waiting: ')
    await everyCutHeals(record)
  }, 900_000)
})

describe.skipIf(!hasStrace)('the disk that is made of recorded calls', () => {
  it('would tell of a run that left out a sync, of whatever it was [F06c]', async () => {
    refuse()
    const { record } = await recorded(23)
    accept()
    const cut = record.said.find(({ text }) => text.startsWith('waiting: '))!.end
    expect(await healsFrom(record, cut)).toEqual([])
    for (const path of [/^$/, /^data$/, /^data\/spool$/, /\.partial$/, /\/catalog\.db-wal$/]) {
      const changes = record.changes.filter((each) => each.kind !== 'sync' || !path.test(each.path))
      expect(changes.length, String(path)).toBeLessThan(record.changes.length)
      expect(await healsFrom({ ...record, changes }, cut), String(path)).not.toEqual([])
    }
  }, 120_000)

  it('holds what the program left, byte for byte, when nothing is lost [F06c]', async () => {
    refuse()
    for (const file of ['data/catalog.db', 'data/state.sqlite']) {
      const { record } = await recorded(23)
      const there = shown(treeOf(readDisk(world.folder, 'data')))
      expect(Object.keys(there)).toContain(file)
      expect(there).toEqual(shown(treeAt(record, record.endsAt, ALL)))
    }
    // The logs of the databases are gone when a run has ended.
    const { record } = await recorded({ killedAtSync: 12 })
    const there = shown(treeOf(readDisk(world.folder, 'data')))
    expect(there['data/catalog.db-wal']?.length).toBeGreaterThan(0)
    expect(there).toEqual(shown(treeAt(record, record.endsAt, ALL)))
  }, 120_000)

  it('loses what is written and renamed without a sync, and nothing of what is synced [F06c]', async () => {
    const script = join(world.folder, 'writer.js')
    writeFileSync(script, WRITER)
    const { record } = await recorded(0, script)
    const at = (loss: Loss) => shown(treeAt(record, record.endsAt, loss))
    const synced = { data: 'folder', 'data/safe': 'safe' }
    expect(at({ names: 'lost', bytes: 'lost' })).toEqual(synced)
    expect(at({ names: 'kept', bytes: 'lost' })).toEqual({ ...synced, 'data/careless': '' })
    expect(at({ names: 'kept', bytes: 'zeros' })).toEqual({
      ...synced,
      'data/careless': '\0'.repeat(8),
    })
    expect(at(ALL)).toEqual({ ...synced, 'data/careless': 'careless' })
  }, 60_000)
})

const WRITER = `
const fs = require('node:fs')
const data = process.argv[2]
const sync = (path) => { const fd = fs.openSync(path, 'r'); fs.fsyncSync(fd); fs.closeSync(fd) }
fs.mkdirSync(data)
sync(data + '/..')
fs.writeFileSync(data + '/safe.new', 'safe')
sync(data + '/safe.new')
fs.renameSync(data + '/safe.new', data + '/safe')
sync(data)
fs.writeFileSync(data + '/careless.new', 'careless')
fs.renameSync(data + '/careless.new', data + '/careless')
`

function logPath(): string {
  return join(world.folder, 'calls')
}

/** Before anybody hears of what a server did. strace writes each line before it lets the program go on. */
function noteServers(): void {
  if (!isRecording) return
  const log = statSync(logPath(), { throwIfNoEntry: false })
  moments.push({ at: log?.size ?? 0, stores: world.models.map(({ store }) => store.moment()) })
}

/** `ends`: its exit code, or the sync of a thread at which it is killed. */
async function recorded(
  ends: number | { readonly killedAtSync: number },
  program?: string,
): Promise<{ readonly record: DiskRecord }> {
  const top = world.folder
  const before = readDisk(top, 'data')
  writeFileSync(logPath(), '')
  moments = []
  isRecording = true
  noteServers()
  const ended = await traced({
    argv: program === undefined ? ['run', '--config', await world.writeEnv()] : [join(top, 'data')],
    ...(program === undefined ? {} : { program }),
    ...{ calls: ['fsync'], alsoSeen: CALLS_THAT_CHANGE, isWhole: true, logPath: logPath() },
    ...(typeof ends === 'number'
      ? {}
      : { inject: { what: 'signal=SIGKILL', when: ends.killedAtSync } }),
  })
  isRecording = false
  expect(ended.exit, ended.output).toBe(typeof ends === 'number' ? ends : null)
  return { record: readRecord({ logPath: logPath(), top, name: 'data', before }) }
}

/** Taking it twice, or never letting go of it, fails a run. */
function holdSource(): void {
  // Where it syncs nothing that the run should have synced before.
  const spool = join(world.folder, 'data/spool')
  world.env['SOURCE_1_BEFORE'] = `bash -c 'mkdir ${spool}/held && sync ${spool}'`
  world.env['SOURCE_1_AFTER'] = `bash -c 'rmdir ${spool}/held; sync ${spool}'`
}

function refuse(): void {
  const quota = { bytes: 0, status: 403, code: 'QuotaExceeded', at: 'before-body' as const }
  for (const model of world.models) model.change({ quota })
}

function accept(): void {
  for (const model of world.models) model.change({ quota: undefined })
}

async function everyCutHeals(record: DiskRecord): Promise<void> {
  const wrong: string[] = []
  const cuts = cutsOf(record)
  for (const [index, cut] of cuts.entries()) {
    const others = LOSSES.slice(1)
    const losses = CUTS >= 100 ? LOSSES : [LOSSES[0]!, others[index % others.length]!]
    for (const loss of losses) {
      const context = `cut at ${cut} of ${record.endsAt}, names ${loss.names}, bytes ${loss.bytes}`
      const found = await healsFrom(record, cut, loss)
      wrong.push(...found.map((each) => `${context}: ${each}`))
    }
  }
  expect(wrong).toEqual([])
}

/** Just before and after what makes something durable, or known to others; and the end. */
function cutsOf({ changes, said, endsAt }: DiskRecord): readonly number[] {
  const all = [
    ...changes.flatMap((change) => (change.kind === 'sync' ? [change.begin, change.end] : [])),
    ...changes.flatMap(({ kind, end }) => (kind === 'names' ? [end] : [])),
    ...said.map(({ end }) => end),
    ...moments.map(({ at }) => at),
  ]
  const sorted = [...new Set(all)].toSorted((a, b) => a - b)
  const count = Math.min(CUTS, sorted.length)
  const step = sorted.length / count
  const shift = new Random(SEED, 'cuts').next() * step
  const spread = Array.from({ length: count }, (_, at) => sorted[Math.floor(at * step + shift)]!)
  return [...spread, endsAt]
}

/** What is wrong after the next run; empty when all is well. */
async function healsFrom(
  record: DiskRecord,
  cut: number,
  loss: Loss = LOSSES[0]!,
): Promise<readonly string[]> {
  writeTree(treeAt(record, cut, loss), world.folder, 'data')
  const { stores } = moments.findLast(({ at }) => at <= cut)!
  for (const [index, { store }] of world.models.entries()) store.goBack(stores[index]!)
  try {
    const { exit, sources, warnings } = await world.run()
    const ended = exit === 0 ? [] : [`exit ${exit}: ${JSON.stringify([sources, warnings])}`]
    return [...ended, ...(await violations(world)), ...(await brokenWords(record, cut))]
  } catch (error) {
    return [`the next run failed: ${String(error)}`]
  }
}

/** What was told before the cut and is not so any more: what was stored, or waited, must be on a server now. */
async function brokenWords({ said }: DiskRecord, cut: number): Promise<readonly string[]> {
  const told = said.filter(({ end }) => end <= cut).map(({ text }) => text)
  const files = told.join('').matchAll(/^(?:stored|waiting:) (\S+\.tar\.zst) /gm)
  const archives = await world.withCatalog((catalog) => catalog.archives())
  return [...files].flatMap(([words, file]) => {
    const copies = archives.find((archive) => archive.file === file)?.copies ?? []
    const states = copies.map(({ state }) => state)
    // What the recorded run deleted itself, as retention wants it, was on a server before.
    return states.some((state) => state === 'stored' || state === 'deleted')
      ? []
      : [`it was told "${words.trim()}", and its copies are [${states.join()}]`]
  })
}

function treeAt(record: DiskRecord, cut: number, loss: Loss): Tree {
  const random = new Random(SEED, cut, loss.names, loss.bytes)
  return diskAfterCut(record, { cut, loss, random })
}

function treeOf(nodes: readonly DiskNode[]): Tree {
  return diskAfterCut(
    { changes: [], nodes, said: [], endsAt: 0 },
    { cut: 0, loss: ALL, random: new Random(0) },
  )
}

function shown(tree: Tree): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...tree].toSorted().map(([path, node]) => [path, node.toString('latin1')]),
  )
}

function textOf({ said }: DiskRecord): string {
  return said.map(({ text }) => text).join('')
}
