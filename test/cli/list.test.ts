import { afterEach, beforeEach, expect, it } from 'vitest'
import { listCommand } from '../../src/cli/commands/list.ts'
import type { RunHolder } from '../../src/catalog/run-lock.ts'
import type { Config } from '../../src/domain/config.ts'
import { configOf, openStory, s3Server } from '../support/catalog-story.ts'
import type { Story } from '../support/catalog-story.ts'
import { commandLine } from '../support/command-line.ts'
import type { CommandLineOptions } from '../support/command-line.ts'

const [near, far] = [s3Server(1), s3Server(2)]
let story: Story
let run: RunHolder | undefined
beforeEach(async () => {
  story = await openStory([near, far])
  run = { pid: 4711, since: '2026-03-03T02:30:00Z' }
})
afterEach(() => story.catalog.close())

it('prints a table that grep and awk can read: whole names, no colours, nothing to trim', async () => {
  await story.store('etc', '2026-03-01T02:30:00Z', [near])
  await story.wait('a source with a very long name indeed', '2026-03-02T02:30:00Z', 1_500)
  await story.pack('www', '2026-03-03T02:30:00Z')

  const { exit, out, err } = await spillway('list')

  expect([exit, err]).toEqual([0, []])
  expect(out).toEqual([
    'CREATED (UTC)        SOURCE                                 FILE                                                              SIZE  FILES  STATE    LOCATION  SERVER',
    '2026-03-03 02:30:00  www                                    www-20260303-023000.tar.zst                                          -      -  packing  -         -',
    '2026-03-02 02:30:00  a source with a very long name indeed  a-source-with-a-very-long-name-indeed-20260302-023000.tar.zst  1.50 kB   1234  waiting  local     -',
    '2026-03-01 02:30:00  etc                                    etc-20260301-023000.tar.zst                                    1.00 GB   1234  stored   s3        1: s3-1.example.com/backups',
  ])
})

it.each([80, 90, 100, 110, 120, 160])(
  'fits a window of %d columns, and sums up',
  async (columns) => {
    await story.store('a source with a long name', '2026-03-01T02:30:00Z', [near, far])
    await story.store('etc', '2026-03-02T02:30:00Z', [near])

    const { out } = await spillway(['list'], { isTerminal: true, columns })

    for (const line of out) expect(line.length).toBeLessThanOrEqual(columns)
    expect(out.at(-1)).toBe('2 archives, 2.00 GB')
  },
)

it('names what is left before what was deleted, and that only with --all', async () => {
  const { id } = await story.store('etc', '2026-03-01T02:30:00Z', [near, far])
  const [first] = (await story.catalog.findArchive(id)).copies
  await story.catalog.markDeleting(first!.id, 'keep')
  await story.catalog.markDeleted(first!.id)
  expect((await spillway('list')).out[1]).toMatch(/ s3 +2: s3-2\.example\.com\/backups$/)
  expect((await spillway('list', '--all')).out[1]).toMatch(/2: [^ ]+, 1: [^ ]+ \(deleted\)$/)
})

it('leaves the name of an archive whole even in 80 columns: restore is told it', async () => {
  await story.store('photos', '2026-03-02T02:30:00Z', [near])
  const { out } = await spillway(['list'], { isTerminal: true, columns: 80 })
  expect(out[1]).toMatch(/^photos-20260302-023000\.tar\.zst .* stored {2}s3 {8}1$/)
})

it('says interrupted of what nobody is packing any more', async () => {
  await story.pack('www', '2026-03-03T02:30:00Z')
  run = undefined
  expect((await spillway('list', '--all')).out[1]).toMatch(/ interrupted +- +-$/)
  expect((await spillway('list', '--json')).json()).toMatchObject({
    archives: [{ state: 'packing' }],
  })
})

it('says of an archive that it has no usable copy, and which server is not configured', async () => {
  const gone = s3Server(3)
  await story.catalog.registerServers([near, far, gone])
  await story.store('etc', '2026-03-01T02:30:00Z', [gone])
  await story.store('www', '2026-03-02T02:30:00Z', [near, gone])

  const { out } = await spillway('list')

  expect(out[1]).toMatch(/ stored +s3 +1: s3-1\S+, 3: s3-3\S+ \(not configured\)$/)
  expect(out[2]).toMatch(/ stored \(no usable copy\) +- +3: s3-3\S+ \(not configured\)$/)
  expect((await spillway('list', '--json')).json()).toMatchObject({
    archives: [
      { state: 'stored', location: 's3', soundCopies: 1 },
      { state: 'stored', location: null, soundCopies: 0 },
    ],
  })
})

it('prints one JSON document', async () => {
  const row = await story.store('etc', '2026-03-01T02:30:00Z', [far])

  const ran = await spillway('list', '--json')

  expect(ran.json()).toMatchObject({
    archives: [{ id: row.id, location: 's3', server: { number: 2, bucket: 'backups' } }],
  })
})

it('shows failed archives only with --all, and why they failed', async () => {
  await story.fail('etc', '2026-03-01T02:30:00Z', 'the disk is full')

  expect((await spillway('list')).out).toEqual([])
  const { out } = await spillway('list', '--all')
  expect(out[1]).toMatch(/etc-20260301-023000\.tar\.zst +- +- {2}failed {2}- +the disk is full$/)
})

it('says that there is no catalog, which may be lost, and makes none', async () => {
  const ran = await commandLine(
    [listCommand],
    () => ({
      config: configOf(),
      catalogIfPresent: async () => undefined,
      currentRun: async () => undefined,
    }),
    ['list'],
  )
  expect(ran).toMatchObject({ exit: 0, out: [], closed: 1 })
  expect(ran.err).toEqual([
    expect.stringMatching(
      /^no archives: there is no catalog at .*: nothing was archived here yet, or it was lost$/,
    ),
    expect.stringContaining('spillway reconcile --rebuild'),
  ])
})

it('knows a source that is configured and has no archive yet', async () => {
  expect(await spillway('list', '--source=www')).toMatchObject({ exit: 0 })
})

it('still knows a source that left the configuration', async () => {
  await story.store('old', '2026-03-01T02:30:00Z', [near])
  const { exit, out } = await spillway('list', '--source=old')
  expect([exit, out.length]).toEqual([0, 2])
})

it('takes an unknown source for a mistake', async () => {
  const ran = await spillway('list', '--source=ect', '--json')
  expect(ran.exit).toBe(2)
  expect(ran.json()).toEqual({
    error: {
      code: 'USAGE',
      message: 'there is no source "ect", and no archive of one',
      hint: 'did you mean "etc"?',
    },
    exit: 2,
  })
})

function spillway(...args: readonly (string | readonly string[] | CommandLineOptions)[]) {
  const argv = args.flatMap((arg) => (typeof arg === 'string' || Array.isArray(arg) ? arg : []))
  const options = args.find((arg) => typeof arg === 'object' && !Array.isArray(arg))
  const config: Config = configOf({ servers: [near, far] })
  const services = {
    config,
    catalogIfPresent: async () => story.catalog,
    currentRun: async () => run,
  }
  return commandLine([listCommand], () => services, argv, options as CommandLineOptions)
}
