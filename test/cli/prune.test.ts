// What `prune`, `pin` and `unpin` print and return; what they do is tested in test/operations.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { addNights, lastNights } from '../support/past-nights.ts'
import { commandLine } from '../support/command-line.ts'
import { hasMachineName, moveHere } from '../support/moved-here.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { openServices } from '../../src/compose.ts'
import { pinCommand } from '../../src/cli/commands/pin.ts'
import { pruneCommand } from '../../src/cli/commands/prune.ts'
import { QUICK, World } from '../support/world.ts'
import { createRunCommand } from '../../src/cli/commands/run.ts'
import { unpinCommand } from '../../src/cli/commands/unpin.ts'
import type { CommandLineOptions, Ran } from '../support/command-line.ts'
import type { PastNight } from '../support/past-nights.ts'

let world: World
beforeEach(async () => {
  world = await World.make([{}])
  world.env['KEEP_DAILY'] = '2'
  world.env['KEEP_MONTHLY'] = '2'
})
afterEach(() => world.close())

// A month ends between the second and the third.
const NIGHTS: readonly PastNight[] = [
  { at: '2026-01-30T02:30:00Z', bytes: 1_500 },
  { at: '2026-01-31T02:30:00Z' },
  { at: '2026-02-01T02:30:00Z' },
  { at: '2026-02-02T02:30:00Z', bytes: 2_000_000 },
  { at: '2026-02-03T02:30:00Z' },
]

async function spillway(...argv: string[]): Promise<Ran> {
  return withOptions(argv, {})
}

async function withOptions(argv: readonly string[], options: CommandLineOptions): Promise<Ran> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const commands = [createRunCommand(async () => []), pruneCommand, pinCommand, unpinCommand]
  return commandLine(commands, () => services, argv, {
    now: new Date(),
    ...options,
    close: () => services.close(),
  })
}

const TABLE = [
  'ARCHIVE                       DATE (UTC)              SIZE  ACTION  REASONS',
  'docs-20260203-023000.tar.zst  2026-02-03 02:30:00  1.00 kB  keep    daily 1 of 2 (2026-02-03), monthly 1 of 2 (2026-02), the last good archive',
  'docs-20260202-023000.tar.zst  2026-02-02 02:30:00  2.00 MB  keep    daily 2 of 2 (2026-02-02)',
  'docs-20260201-023000.tar.zst  2026-02-01 02:30:00  1.00 kB  delete  no rule keeps it',
  'docs-20260131-023000.tar.zst  2026-01-31 02:30:00  1.00 kB  keep    monthly 2 of 2 (2026-01)',
  'docs-20260130-023000.tar.zst  2026-01-30 02:30:00  1.50 kB  delete  no rule keeps it',
  '3 archives to keep, 2 to delete (2.50 kB)',
]

describe('prune', () => {
  it('--dry-run prints the plan with its reasons, asks no server and deletes nothing', async () => {
    await addNights(world, NIGHTS)
    const before = world.models[0]!.log.length

    const { exit, out, err } = await spillway('prune', '--dry-run')

    expect([exit, err]).toEqual([0, []])
    expect(out).toEqual([...TABLE, 'Nothing was deleted and no server was asked (--dry-run).'])
    expect(world.models[0]!.log).toHaveLength(before)
  })

  it('--dry-run says that nothing goes yet where the last run was on another machine', async (test) => {
    // Without a name no machine is another one.
    if (!hasMachineName()) return test.skip()
    await addNights(world, NIGHTS)
    moveHere(world)
    const { exit, out } = await spillway('prune', '--dry-run')
    expect(exit).toBe(3)
    expect(out).toContainEqual(
      expect.stringMatching(/^! docs is left alone: the last run .* on another machine$/),
    )
    expect(out).toContainEqual(expect.stringMatching(/^5 archives to keep, 0 to delete/))
  })

  it('prints the plan, applies it, and says what that freed', async () => {
    await addNights(world, NIGHTS)

    const { exit, out } = await spillway('prune')

    expect(exit).toBe(0)
    expect(out).toEqual([...TABLE, 'pruned 2 archives, 2.50 kB freed'])
    const archives = world.models[0]!.objects().filter(({ key }) => key.startsWith('host/'))
    expect(archives).toHaveLength(3)
    expect((await spillway('prune')).out.at(-1)).toBe('pruned 0 archives, 0 B freed')
  })

  it('copies the catalog to the servers afterwards, when it deleted something', async () => {
    await addNights(world, NIGHTS)
    expect((await spillway('prune')).exit).toBe(0)
    const copies = () =>
      world.models[0]!.objects().filter(({ key }) => key.startsWith('spillway-catalog/'))
    expect(copies()).toHaveLength(1)
    const path = join(world.folder, 'copy.db')
    await writeFile(`${path}.zst`, world.models[0]!.bytesOf(copies()[0]!.key))
    execFileSync('zstd', ['-dq', `${path}.zst`, '-o', path])
    const copied = await openCatalog({ path, host: 'host' })
    const stored = (await copied.archives()).filter((row) => row.copies[0]?.state === 'stored')
    await copied.close()
    expect(stored).toHaveLength(3)

    expect((await spillway('prune')).exit).toBe(0)
    expect(copies()).toHaveLength(1)
  })

  it('says so when the catalog could not be copied', async () => {
    await addNights(world, NIGHTS)
    // The archives that stay take all but some bytes.
    world.env['S3_SERVER_1_STORAGE_LIMIT_GB'] = '0.0020045'

    const { exit, out } = await spillway('prune')

    expect(exit).toBe(3)
    expect(out.join('\n')).toContain('! the catalog was copied to 0 of 1 server: 1: ')
    const json = (await withOptions(['prune', '--json'], {})).json()
    expect(json).toMatchObject({ exit: 0, warnings: [] })
  })

  it('prints one JSON document, with and without applying it', async () => {
    const ids = await addNights(world, NIGHTS)

    const dry = await spillway('prune', '--dry-run', '--json')

    expect(dry.json()).toMatchObject({ outcome: 'ok', exit: 0, dryRun: true, freedBytes: 0 })
    expect(dry.json()).toMatchObject({
      archives: [
        { action: 'keep' },
        {},
        { id: ids[2], action: 'delete', sizeBytes: 1_000 },
        {},
        {},
      ],
    })
    const applied = await spillway('prune', '--json')
    expect(applied.json()).toMatchObject({
      ...{ outcome: 'ok', dryRun: false, freedBytes: 2_500, refused: [], held: [], remaining: 0 },
      deleted: [{ id: ids[0], source: 'docs' }, { id: ids[2] }],
    })
  })

  it('ends with 3 and one line per server when deletes are denied', async () => {
    await addNights(world, NIGHTS)
    world.models[0]!.change({ denies: ['Delete'] })

    const { exit, out } = await spillway('prune')

    expect(exit).toBe(3)
    const refused = out.filter((line) => line.startsWith('! '))
    expect(refused).toHaveLength(1)
    expect(refused[0]).toMatch(
      /^! 2 copies are to go from 1: .*backups and still counted as used \(2\.50 kB\): .*denies it/,
    )
    expect(out.at(-1)).toBe('pruned 0 archives, 0 B freed')
  })

  it('says why a source is left alone', async () => {
    await addNights(world, [...NIGHTS, { at: '2026-02-04T02:30:00Z', isFailed: true }])

    const { exit, out } = await spillway('prune', '--dry-run')

    expect(exit).toBe(0)
    expect(out).toContain('! docs is left alone: its newest run failed')
    expect(out).toContain('5 archives to keep, 0 to delete (0 B)')
  })

  it('knows the sources, and does without a catalog', async () => {
    const unknown = await spillway('prune', 'dosc')
    expect([unknown.exit, unknown.err[0]]).toEqual([2, expect.stringContaining('no source "dosc"')])
    const empty = await spillway('prune', '--dry-run')
    expect([empty.exit, empty.err]).toEqual([0, ['no archives: there is nothing to decide']])
  })

  it.each([80, 120, 200])('fits a window of %d columns', async (columns) => {
    await addNights(world, NIGHTS)
    const { out } = await withOptions(['prune', '--dry-run'], { isTerminal: true, columns })
    for (const line of out.slice(0, 6)) expect(line.length).toBeLessThanOrEqual(columns)
  })
})

describe('the report of a run', () => {
  it('tells what retention deleted, and how much that freed', async () => {
    world.env['KEEP_DAILY'] = '1'
    world.env['KEEP_MONTHLY'] = '0'
    await world.noise('file', 100)
    await addNights(world, lastNights(2))

    const { exit, out } = await spillway('run')

    expect(exit).toBe(0)
    expect(out.filter((line) => line.startsWith('  pruned docs-'))).toHaveLength(2)
    expect(out).toContain('pruned 2 archives, 2.00 kB freed')
  })

  it('says nothing of retention where there was nothing to do', async () => {
    await world.noise('file', 100)
    const { out } = await spillway('run')
    expect(out.join('\n')).not.toContain('prune')
  })
})

describe('pin and unpin', () => {
  it('keep an archive from retention, and give it back', async () => {
    const ids = await addNights(world, NIGHTS)

    const pinned = await spillway('pin', ids[0]!, 'docs-20260201-023000.tar.zst')
    expect([pinned.exit, pinned.out]).toEqual([
      0,
      ['docs-20260130-023000.tar.zst is pinned', 'docs-20260201-023000.tar.zst is pinned'],
    ])
    expect((await spillway('prune')).out.at(-1)).toBe('pruned 0 archives, 0 B freed')

    const unpinned = await spillway('unpin', '--json', ids[0]!)
    expect(unpinned.json()).toEqual({
      archives: [
        {
          ...{ id: ids[0], source: 'docs', file: 'docs-20260130-023000.tar.zst' },
          ...{ pinned: false, changed: true },
        },
      ],
    })
    expect((await spillway('unpin', ids[0]!)).out).toEqual([
      'docs-20260130-023000.tar.zst was already unpinned',
    ])
    expect((await spillway('prune')).out.at(-1)).toBe('pruned 1 archive, 1.50 kB freed')
  })

  it('change nothing when one of the names is wrong', async () => {
    const [first] = await addNights(world, NIGHTS)
    const { exit } = await spillway('pin', first!, 'latest:dosc')
    expect(exit).toBe(30)
    const row = await world.withCatalog((catalog) => catalog.findArchive(first!))
    expect(row.isPinned).toBe(false)
  })
})
