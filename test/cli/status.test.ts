import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { acquireRunLock, currentRun } from '../../src/catalog/run-lock.ts'
import { statusCommand } from '../../src/cli/commands/status.ts'
import type { Config } from '../../src/domain/config.ts'
import { configOf, GB, openStory, s3Server } from '../support/catalog-story.ts'
import type { Story } from '../support/catalog-story.ts'
import { commandLine } from '../support/command-line.ts'
import type { CommandLineOptions } from '../support/command-line.ts'

const [near, far] = [s3Server(1), s3Server(2)]
const gone = s3Server(3)
const spare = s3Server(4, { isEnabled: false })
const ESCAPE = '\x1b'
let story: Story
let dataDir = '/nonexistent'
beforeEach(async () => {
  story = await openStory([near, far, gone, spare])
})
afterEach(() => story.catalog.close())

it('tells servers, sources and what waits', async () => {
  await oneWeek()

  const { exit, out, err } = await status()

  expect([exit, err]).toEqual([0, []])
  expect(out).toMatchInlineSnapshot(`
    [
      "host web1",
      "",
      "N  SERVER                        LIMIT     USED   OTHERS    SPARE  TAKEN  ARCHIVES  HEALTH          SEEN",
      "1  s3-1.example.com/backups     100 GB  80.0 GB  15.0 GB  5.00 GB   95 %         1  full            9 h ago",
      "2  s3-2.example.com/backups     100 GB      0 B      0 B   100 GB    0 %         0  dead            9 h ago",
      "4  s3-4.example.com/backups     100 GB      0 B      0 B   100 GB    0 %         0  disabled        never",
      "-  3: s3-3.example.com/backups       -  1.00 GB      0 B        -      -         1  not configured  never",
      "  1: s3-1.example.com/backups is full: 6 GB needed, 5 GB spare",
      "  2: s3-2.example.com/backups is dead: connect ECONNREFUSED\\n10.0.0.1:443",
      "",
      "N  COPIES  VERIFIED          READ BACK  FULL",
      "1       1  not since stored  never      -",
      "-       1  not since stored  never      -",
      "! 1 archive without a sound copy on a configured server: see spillway copies --dry-run",
      "  etc-20260301-023000.tar.zst: 3: s3-3.example.com/backups (not configured)",
      "",
      "SOURCE  LAST GOOD (UTC)       AGE     SIZE  PATH",
      "etc     2026-03-02 02:30:00  10 h  80.0 GB  /srv/etc",
      "www     NEVER                   -        -  /srv/www",
      "! No archive on a server yet: www.",
      "",
      "1 archive (6.00 GB) waits in the spool; the next run sends it first, if it is still whole:",
      "CREATED (UTC)        SOURCE  FILE                            SIZE",
      "2026-03-02 02:40:00  www     www-20260302-024000.tar.zst  6.00 GB",
      "",
      "When the servers will be full is not known yet: it takes 7 nights, with archives on 4 of them.",
    ]
  `)
})

it('draws how full the servers are, on a terminal with room for it', async () => {
  await oneWeek()
  const { out } = await status({ isTerminal: true, columns: 140 })
  expect(out.join('\n')).toContain('[###########-]  95 %')
  const narrow = await status({ isTerminal: true, columns: 100 })
  expect(narrow.out.join('\n')).not.toContain('[#')
})

it.each([80, 100, 120])('fits a window of %d columns, whatever is counted', async (columns) => {
  await oneWeek()
  await catalogCopy()
  const { out } = await status({ isTerminal: true, columns })
  // Sentences may be longer: they wrap as they are.
  const rows = out.filter((line) => /^ *[N\d-] {2}/.test(line))
  expect(rows).toHaveLength(8)
  for (const line of rows) expect(line.length, line).toBeLessThanOrEqual(columns)
  for (const title of ['LIMIT', 'SPARE', 'TAKEN', 'HEALTH', 'SEEN'])
    expect(rows[0]).toContain(title)
})

it('tells copies of the catalog apart from what others put there', async () => {
  await oneWeek()
  await catalogCopy()
  const { out } = await status()
  expect(out[2]).toMatch(/ OTHERS +CATALOG +SPARE /)
  expect(out[3]).toMatch(/ 15\.0 GB +0 B +5\.00 GB /)
  expect(out[4]).toMatch(/ 0 B +2\.00 MB +/)
})

it('says that servers are full now instead of asking for more nights', async () => {
  await story.store('etc', '2026-03-02T02:30:00Z', [near], { sizeBytes: 80 * GB })
  const at = new Date('2026-03-02T02:31:00Z')
  await story.catalog.setOtherBytes(near.identity, 96 * GB, at)
  expect((await status()).out).toContain('1       1  not since stored  never      now')
  await story.catalog.setOtherBytes(far.identity, 100 * GB, at)
  const { out } = await status()
  expect(out).toContain('! All servers are full now: add one, raise a limit, or keep less.')
  expect(out.join()).not.toContain('not known yet')
})

it('shows what needs a look in colours: dead, nearly full, never', async () => {
  await oneWeek()
  const { out } = await status({ isTerminal: true, hasColour: true, columns: 110 })
  const text = out.join('\n')
  expect(text).toContain('\x1b[31mdead ')
  expect(text).toContain('\x1b[31mNEVER')
  expect(text).toMatch(inYellow('95 %'))
  expect(text).toContain('\x1b[33mfull ')
})

it('prints one JSON document', async () => {
  await oneWeek()

  const ran = await status({}, '--json')

  expect(ran.json()).toMatchObject({
    serverId: 'web1',
    servers: [
      { number: 1, limitBytes: 100 * GB, usedBytes: 80 * GB, spareBytes: 5 * GB, health: 'full' },
      { number: 2, health: 'dead', checkedAt: '2026-03-02T02:31:00.000Z' },
      { number: 4, health: 'unknown', checkedAt: null, enabled: false },
      { number: null, archives: 1 },
    ],
    sources: [
      { name: 'etc', lastGoodAt: '2026-03-02T02:30:00.000Z', lastSizeBytes: 80 * GB },
      { name: 'www', lastGoodAt: null, lastSizeBytes: null },
    ],
    waiting: [{ source: 'www', sizeBytes: 6 * GB }],
  })
})

it('answers before anything was archived, and makes no catalog for that', async () => {
  const ran = await commandLine(
    [statusCommand],
    () => ({
      config: configOf({ servers: [] }),
      catalogIfPresent: async () => undefined,
      currentRun: async () => undefined,
      lastRun: async () => undefined,
    }),
    ['status'],
  )
  expect(ran.exit).toBe(0)
  expect(ran.out).toContain('No servers are configured.')
  expect(ran.out).toContain('! No archive on a server yet: etc, www.')
  expect(ran.out).toContain('Nothing waits in the spool.')
  expect(ran.out.at(-1)).toBe(
    'When the servers will be full is not known yet: nothing was archived yet.',
  )
})

it('marks a source whose last good archive is older than a night and a half', async () => {
  await story.store('etc', '2026-02-27T02:30:00Z', [near])
  const { out } = await status({ isTerminal: true, hasColour: true })
  expect(out.join('\n')).toMatch(inYellow('3 days'))
})

it('tells that a run is going on, by its lock, and nothing of it afterwards', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-status-'))
  try {
    const lock = await acquireRunLock(folder)
    dataDir = folder
    const { out } = await status({ now: new Date(Date.now() + 60_000) })
    expect(out[1]).toMatch(new RegExp(`^A run is going on \\(pid ${process.pid}\\), begun 1 min`))
    expect((await status({}, '--json')).json()).toMatchObject({ run: { pid: process.pid } })
    await lock.release()
    expect((await status({}, '--json')).json()).toMatchObject({ run: null })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

async function catalogCopy(): Promise<void> {
  await story.catalog.reserveSnapshot({
    identity: far.identity,
    key: 'web1/catalog/1.db.zst',
    token: 'ab'.repeat(16),
    madeAt: new Date('2026-03-02T02:32:00Z'),
    sizeBytes: 2_000_000,
    limitBytes: far.limitBytes,
  })
}

function inYellow(text: string): RegExp {
  return new RegExp(`${ESCAPE}\\[33m *${text}${ESCAPE}`)
}

async function oneWeek(): Promise<void> {
  await story.store('etc', '2026-03-01T02:30:00Z', [gone])
  await story.store('etc', '2026-03-02T02:30:00Z', [near], { sizeBytes: 80 * GB })
  await story.wait('www', '2026-03-02T02:40:00Z', 6 * GB)
  const at = new Date('2026-03-02T02:31:00Z')
  await story.catalog.setOtherBytes(near.identity, 15 * GB, at)
  await story.catalog.setHealth(near.identity, 'full', '6 GB needed, 5 GB spare', at)
  await story.catalog.setHealth(far.identity, 'dead', 'connect ECONNREFUSED\n10.0.0.1:443', at)
}

function status(options: CommandLineOptions = {}, ...args: string[]) {
  const config: Config = configOf({ servers: [near, far, spare] })
  const services = {
    config,
    catalogIfPresent: async () => story.catalog,
    currentRun: async () => currentRun(dataDir),
    lastRun: async () => undefined,
  }
  return commandLine([statusCommand], () => services, ['status', ...args], options)
}
