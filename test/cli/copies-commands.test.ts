// What `evacuate` and `copies` print, on a real installation with model servers.

import { afterEach, expect, it } from 'vitest'
import { copiesCommand } from '../../src/cli/commands/copies.ts'
import { evacuateCommand } from '../../src/cli/commands/evacuate.ts'
import { statusCommand } from '../../src/cli/commands/status.ts'
import { verifyCommand } from '../../src/cli/commands/verify.ts'
import { commandLine } from '../support/command-line.ts'
import { openServices } from '../../src/compose.ts'
import { QUICK, World } from '../support/world.ts'
import type { CommandLineOptions, Ran } from '../support/command-line.ts'

let world: World
afterEach(() => world.close())

async function start(nights: number): Promise<void> {
  world = await World.make([{}, {}])
  await world.noise('a', 50_000)
  for (let night = 0; night < nights; night += 1) expect((await world.run()).exit).toBe(0)
}

async function spillway(line: string, options: CommandLineOptions = {}): Promise<Ran> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const close = () => services.close()
  return commandLine(
    [copiesCommand, evacuateCommand, statusCommand, verifyCommand],
    () => services,
    line.split(' '),
    {
      ...options,
      close,
    },
  )
}

const FILE = /docs-\d{8}-\d{6}(-\d)?\.tar\.zst/g
const plain = (lines: readonly string[]) =>
  lines.map((line) =>
    line
      .replace(FILE, 'FILE')
      .replace(/127\.0\.0\.1:\d+/g, 'HOST')
      .replace(/in \d.*\(exit/, 'in TIME (exit')
      .replace(/ +/g, ' '),
  )

it('evacuate warns of a server that still takes archives before anything is moved', async () => {
  await start(1)
  const { exit, out, err } = await spillway('evacuate 1')
  expect(exit).toBe(3)
  expect(plain(err)[0]).toBe(
    'warning: new archives still go to 1: HOST/backups: set S3_SERVER_1_ENABLED=false',
  )
  expect(out.join()).not.toContain('new archives')
})

it('evacuate --dry-run shows what would go where, and does nothing', async () => {
  await start(1)
  const { exit, out, err } = await spillway('evacuate 1 --dry-run')
  expect([exit, err]).toEqual([3, []])
  expect(plain(out)).toEqual([
    'ARCHIVE SIZE ACTION TO CODE',
    expect.stringMatching(/^FILE 5\d\.\d kB move 2$/),
    '! new archives still go to 1: HOST/backups: set S3_SERVER_1_ENABLED=false',
    expect.stringMatching(
      /^1 copy of the catalog \(.* kB\) would be removed from 1: HOST\/backups, too$/,
    ),
    expect.stringMatching(
      /^1: HOST\/backups: 1 archive would be moved \(5\d\.\d kB\), 0 would be removed \(0 B\), 0 left \(0 B\) \(exit 3\)$/,
    ),
    'Nothing was moved and no server was asked (--dry-run).',
  ])
  expect(world.models[1]!.count('UploadPart')).toBe(0)
})

it('evacuate tells each archive in a line, with its level in a journal, and sums up', async () => {
  await start(2)
  world.env['S3_SERVER_1_ENABLED'] = 'false'
  const { exit, out, err } = await spillway('evacuate 1', { isJournal: true })
  expect(exit).toBe(0)
  const moved = plain(err).filter((line) => line.includes('moved'))
  expect(moved).toEqual(
    Array(2).fill(
      expect.stringMatching(/^<5>moved FILE \(5\d\.\d kB\) from server 1 to server 2$/),
    ),
  )
  expect(plain(out)).toContainEqual(
    expect.stringMatching(/^2 copies of the catalog \(.* kB\) removed from 1: HOST\/backups, too$/),
  )
  expect(plain(out).at(-1)).toMatch(
    /^1: HOST\/backups: 2 archives moved \(10\d kB\), 0 removed \(0 B\), 0 left \(0 B\), in TIME \(exit 0\)$/,
  )
  expect(await world.audit()).toEqual([])
})

it('evacuate --json is one document, also when something stays', async () => {
  await start(1)
  world.env['S3_SERVER_1_ENABLED'] = 'false'
  world.env['S3_SERVER_2_STORAGE_LIMIT_GB'] = '0.00001'
  const ran = await spillway('evacuate 1 --json')
  expect(ran.exit).toBe(26)
  expect(ran.json()).toMatchObject({
    outcome: 'failed',
    exit: 26,
    dryRun: false,
    server: { number: 1, bucket: 'backups', enabled: false },
    archives: [{ source: 'docs', action: 'leave', to: [], code: 'NO_SERVER_FOR_COPY' }],
    moved: 0,
    left: 1,
  })
  expect(plain(ran.err).at(-1)).toMatch(/^left FILE .* on server 1: no server can take a copy/)
})

it('copies says what it copied, and what is left for another time', async () => {
  await start(2)
  world.env['COPIES'] = '2'
  const dry = await spillway('copies --dry-run')
  expect(plain(dry.out)).toContainEqual(
    expect.stringMatching(/^ok: 2 archives would be copied \(10\d kB\) \(exit 0\)$/),
  )
  const { exit, out, err } = await spillway('copies --budget=60kB')
  expect(exit).toBe(0)
  expect(plain(err)).toContainEqual(expect.stringMatching(/^copied FILE \(.*\) to server 2$/))
  expect(plain(out).at(-1)).toMatch(
    /^ok: 1 archive copied \(.* kB\), 1 for another time, by --budget \(.* kB\), in TIME \(exit 0\)$/,
  )
  expect(await world.audit()).toEqual([])
})

it('verify and status point at copies, which says what it mends, and what nobody can', async () => {
  world = await World.make([{}, {}])
  world.env['COPIES'] = '2'
  await world.noise('a', 50_000)
  await world.run()
  const [object] = world.models[0]!.objects().filter(({ key }) => key.startsWith('host/'))
  world.models[0]!.corrupt(object!.key, 1_000)
  const verified = await spillway('verify --deep')
  expect(verified.exit).toBe(31)
  expect(verified.out).toContain(
    '-> damaged copies are replaced by sound ones with: spillway copies',
  )
  expect((await spillway('status')).out).toContain(
    '! 1 archive with a damaged copy that can be replaced: see spillway copies --dry-run',
  )

  const dry = await spillway('copies --dry-run')
  expect(plain(dry.out)).toEqual([
    'ARCHIVE SIZE ACTION TO DAMAGED ON CODE',
    expect.stringMatching(/^FILE 5\d\.\d kB mend 1 1\s*$/),
    expect.stringMatching(
      /^ok: 0 archives would be copied \(0 B\), 1 would be mended \(.* kB\) \(exit 0\)$/,
    ),
    'Nothing was copied and no server was asked (--dry-run).',
  ])
  const { exit, err } = await spillway('copies')
  expect(exit).toBe(0)
  expect(plain(err)).toContainEqual(
    expect.stringMatching(
      /^mended FILE \(.*\): copied to server 1, instead of the damaged copy on server 1$/,
    ),
  )
  expect(await world.audit()).toEqual([])

  for (const { key } of world.models.flatMap((model) => model.objects()))
    for (const model of world.models)
      if (key.startsWith('host/') && model.objects().some((each) => each.key === key))
        model.corrupt(key, 1_000)
  await spillway('verify --deep')
  const hopeless = await spillway('copies')
  expect(hopeless.exit).toBe(3)
  expect(plain(hopeless.out).slice(1)).toEqual([
    expect.stringMatching(/^FILE .* leave 1, 2 ARCHIVE_CORRUPT$/),
    ' every copy of FILE that can be read is damaged: nothing sound is left to copy',
    expect.stringContaining('spillway verify ARCHIVE --deep'),
    expect.stringMatching(/^warnings: 0 archives copied .* 1 with too few sound copies still/),
  ])
})

it('copies and status name what lies only on a server that left the configuration', async () => {
  await start(1)
  for (const name of Object.keys(world.env))
    if (name.startsWith('S3_SERVER_1_')) delete world.env[name]

  for (const line of ['copies --dry-run', 'copies']) {
    const { exit, out } = await spillway(line)
    expect(exit).toBe(3)
    expect(plain(out)).toContainEqual(
      expect.stringMatching(/^ no copy of FILE can be used: 1: \S+ \(not configured\)$/),
    )
    expect(out).toContain('-> add the server that holds it again (its number does not matter)')
  }
  const status = plain((await spillway('status')).out)
  expect(status).toContainEqual(
    expect.stringMatching(/^! 1 archive without a sound copy on a configured server/),
  )
  expect(status).toContainEqual(expect.stringMatching(/^ FILE: 1: \S+ \(not configured\)$/))
})

it.each([
  ['evacuate', 'needs N'],
  ['evacuate two', 'takes the number of a server, got "two"'],
  ['evacuate 9', 'there is no S3_SERVER_9_*'],
  ['copies --budget=5', '--budget must be a size such as 50GB, got "5"'],
  ['copies --budget=0GB', '--budget must be a size such as 50GB, got "0GB"'],
])('%s is wrong usage', async (line, message) => {
  await start(0)
  const { exit, err } = await spillway(line)
  expect(exit).toBe(2)
  expect(err.join('\n')).toContain(message)
})
