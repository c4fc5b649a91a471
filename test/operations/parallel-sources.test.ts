import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { SpillwayError } from '../../src/domain/errors.ts'
import { World } from '../support/world.ts'
import type { RunEvent } from '../../src/domain/run-events.ts'
import type { WorldServer } from '../support/world.ts'

const MB = 1_000_000

let world: World
afterEach(async () => {
  await world.close()
})

/** Sources of noise, so many bytes each: `docs`, `mail-2`, `mail-3` ... */
async function start(
  servers: readonly WorldServer[],
  sizes: readonly number[],
  lanes: number,
): Promise<void> {
  world = await World.make(servers)
  world.env['PARALLEL_SOURCES'] = String(lanes)
  for (const [index, bytes] of sizes.entries()) {
    const folder = index === 0 ? world.source : join(world.folder, `source-${index + 1}`)
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'noise'), randomBytes(bytes))
    if (index === 0) continue
    world.env[`SOURCE_${index + 1}_NAME`] = `mail-${index + 1}`
    world.env[`SOURCE_${index + 1}_PATH`] = folder
  }
}

/** Of two programs that end together. */
const meeting = (own: string, other: string): string =>
  `touch ${world.folder}/${own}; until test -e ${world.folder}/${other}; do sleep 0.01; done`

const begunAndDone = (events: readonly RunEvent[]): readonly string[] =>
  events
    .filter(({ kind }) => kind === 'source-started' || kind === 'stored')
    .map(({ kind }) => (kind === 'stored' ? 'stored' : 'begun'))

it('begins a source when the one before is stored, unless PARALLEL_SOURCES says more', async () => {
  await start([{}], [MB, MB, MB], 1)
  const one: RunEvent[] = []
  expect((await world.run({ onEvent: (event) => one.push(event) })).exit).toBe(0)
  expect(begunAndDone(one)).toEqual(['begun', 'stored', 'begun', 'stored', 'begun', 'stored'])

  world.env['PARALLEL_SOURCES'] = '2'
  const two: RunEvent[] = []
  expect((await world.run({ onEvent: (event) => two.push(event) })).exit).toBe(0)
  // The third as soon as one of the two is through.
  expect(begunAndDone(two).slice(0, 3)).toEqual(['begun', 'begun', 'stored'])
  expect(await world.audit()).toEqual([])
})

it('reads sources at the same time: two programs that wait for each other both end', async () => {
  await start([{}], [MB], 2)
  for (const [number, [own, other]] of [
    ['a', 'b'],
    ['b', 'a'],
  ].entries()) {
    world.env[`SOURCE_${number + 1}_NAME`] = `meets-${own}`
    world.env[`SOURCE_${number + 1}_COMMAND`] = `sh -c '${meeting(own!, other!)}; echo met'`
  }
  delete world.env['SOURCE_1_PATH']

  const report = await world.run()

  expect(report.sources).toMatchObject([
    { name: 'meets-a', outcome: 'ok' },
    { name: 'meets-b', outcome: 'ok' },
  ])
  expect(report.archives.map(({ state }) => state)).toEqual(['stored', 'stored'])
})

it('tells the sources in their order, and each failure for itself', async () => {
  await start([{}], [20 * MB, MB, MB, MB], 3)
  world.env['SOURCE_3_PATH'] = join(world.folder, 'gone')

  const report = await world.run()

  expect(report.sources.map(({ name, outcome, code }) => [name, outcome, code])).toEqual([
    ['docs', 'ok', null],
    ['mail-2', 'ok', null],
    ['mail-3', 'failed', 'SOURCE_MISSING'],
    ['mail-4', 'ok', null],
  ])
  expect(report.exit).toBe(10)
  expect(report.archives).toHaveLength(3)
  expect(await world.audit()).toEqual([])
})

it('overruns no quota while several archives grow towards it', async () => {
  const limitGb = 0.05
  await start(
    [{ limitGb }, { limitGb }, {}],
    [18, 18, 18, 18, 18, 18].map((size) => size * MB),
    6,
  )

  const report = await world.run()

  expect(report.archives.map(({ state }) => state)).toEqual(Array(6).fill('stored'))
  for (const { highWaterBytes } of world.models.slice(0, 2)) {
    expect(highWaterBytes).toBeGreaterThan(0)
    expect(highWaterBytes).toBeLessThanOrEqual(limitGb * 1e9)
  }
  expect(await world.audit()).toEqual([])
})

it('keeps to the limit of the spool: what has no room beside the others is read when they are done, and no alarm is raised', async () => {
  await start([{}], [25 * MB, 60 * MB, 25 * MB], 3)
  world.env['SPOOL_LIMIT_GB'] = '0.09'
  const alarm = join(world.folder, 'alarm')
  for (const number of [1, 2, 3]) world.env[`SOURCE_${number}_ON_ERROR`] = `touch ${alarm}`
  const spool = join(world.folder, 'data', 'spool')
  const looks: Promise<number>[] = []
  const postponed: string[] = []

  const report = await world.run({
    onEvent: (event) => {
      if (event.kind === 'source-postponed') postponed.push(event.source)
      if (event.kind === 'packing' || event.kind === 'packed') looks.push(bytesIn(spool))
    },
  })

  expect(report.exit).toBe(0)
  expect(report.archives.map(({ state }) => state)).toEqual(['stored', 'stored', 'stored'])
  // Each has a share of 30 MB, as long as the others may come.
  expect(report.archives.at(-1)?.source).toBe('mail-2')
  expect(postponed).toEqual(['mail-2'])
  const most = Math.max(...(await Promise.all(looks)))
  expect(most).toBeGreaterThan(25 * MB)
  expect(most).toBeLessThanOrEqual(90 * MB)
  await expect(stat(alarm)).rejects.toThrow('ENOENT')
})

it('a source that has no room in the spool even alone fails, once', async () => {
  await start([{}], [MB, 60 * MB], 2)
  world.env['SPOOL_LIMIT_GB'] = '0.05'
  world.env['SOURCE_2_ON_ERROR'] = `sh -c 'echo $SPILLWAY_ERROR_CODE >> ${world.folder}/alarm'`

  const report = await world.run()

  expect(report.sources).toMatchObject([
    { name: 'docs', outcome: 'ok' },
    { name: 'mail-2', outcome: 'failed', code: 'SPOOL_FULL' },
  ])
  expect(report.exit).toBe(33)
  expect(await readFile(join(world.folder, 'alarm'), 'utf8')).toBe('SPOOL_FULL\n')
  expect(await world.audit()).toEqual([])
})

it('an interrupt ends all that is under way, and the next run makes it good', async () => {
  await start([{}], [MB, MB, MB], 2)
  const finite = { ...world.env }
  for (const number of [1, 2]) {
    delete world.env[`SOURCE_${number}_PATH`]
    world.env[`SOURCE_${number}_COMMAND`] = 'cat /dev/zero'
  }
  const stop = new AbortController()
  const packing = new Set<string>()

  const report = await world.run({
    signal: stop.signal,
    onEvent: (event) => {
      if (event.kind === 'packing' && event.sourceBytes > 0) packing.add(event.source)
      if (packing.size === 2) stop.abort()
    },
  })

  expect(report.exit).toBe(130)
  expect(report.sources).toMatchObject([
    { name: 'docs', outcome: 'failed', code: 'INTERRUPTED' },
    { name: 'mail-2', outcome: 'failed', code: 'INTERRUPTED' },
    { name: 'mail-3', outcome: 'skipped' },
  ])
  const spool = join(world.folder, 'data', 'spool')
  expect(await readdir(spool)).toEqual(['.spillway-spool'])
  for (const number of [1, 2]) delete world.env[`SOURCE_${number}_COMMAND`]
  Object.assign(world.env, finite)
  expect((await world.run()).exit).toBe(0)
  expect(await world.audit()).toEqual([])
})

it('a catalog that fails under one source ends the run when the other is through, which is stored', async () => {
  await start([{}], [20 * MB, MB, MB], 2)

  const report = await world.run({
    change: (services) => ({
      ...services,
      catalog: {
        ...services.catalog,
        markReady: async (id, facts) => {
          const { source } = await services.catalog.findArchive(id)
          if (source === 'mail-2') throw new SpillwayError('CATALOG_UNAVAILABLE', 'it is locked')
          await services.catalog.markReady(id, facts)
        },
      },
    }),
  })

  expect(report.exit).toBe(40)
  expect(report.sources).toMatchObject([
    { name: 'docs', outcome: 'ok' },
    { name: 'mail-2', outcome: 'failed', code: 'CATALOG_UNAVAILABLE' },
    { name: 'mail-3', outcome: 'skipped' },
  ])
})

it('archives that come at once make room on a full server, each its own: both are stored, and no more is deleted than was due', async () => {
  await start([{ limitGb: 0.045 }], [10 * MB, 10 * MB], 2)
  for (let night = 1; night <= 2; night += 1) expect((await world.run()).exit).toBe(0)
  for (const [number, own, other] of [
    [1, 'a', 'b'],
    [2, 'b', 'a'],
  ] as const) {
    const noise = `head -c 10000000 /dev/urandom`
    world.env[`SOURCE_${number}_COMMAND`] = `sh -c '${noise}; ${meeting(own, other)}'`
    delete world.env[`SOURCE_${number}_PATH`]
  }
  // 5 MB are spare, and from now on the older archive of each source is due.
  world.env['KEEP_LAST'] = '1'

  const notes: string[] = []

  const report = await world.run({
    onEvent: (event) => {
      if (event.kind === 'note') notes.push(/makes room|deleted/.exec(event.message)?.[0] ?? '')
    },
  })

  expect(report.archives.map(({ state }) => state)).toEqual(['stored', 'stored'])
  // One after the other: what is freed for one never counts for both.
  expect(notes.slice(0, 4)).toEqual(['makes room', 'deleted', 'makes room', 'deleted'])
  expect(world.models[0]!.highWaterBytes).toBeLessThanOrEqual(45 * MB)
  expect(await world.audit()).toEqual([])
  await world.withCatalog(async (catalog) => {
    const stored = (await catalog.archives()).filter(({ copies }) =>
      copies.some(({ state }) => state === 'stored'),
    )
    expect(stored.map(({ source }) => source).sort()).toEqual(['docs', 'mail-2'])
  })
})

it('what a turn frees for one archive may be taken by another: then it asks again', async () => {
  await start([{ limitGb: 0.026 }], [MB, MB], 2)
  for (let night = 1; night <= 8; night += 1) expect((await world.run()).exit).toBe(0)
  for (const [number, own, other] of [
    [1, 'a', 'b'],
    [2, 'b', 'a'],
  ] as const) {
    const noise = 'head -c 10000000 /dev/urandom'
    world.env[`SOURCE_${number}_COMMAND`] = `sh -c '${noise}; ${meeting(own, other)}'`
    delete world.env[`SOURCE_${number}_PATH`]
  }
  // Both need a little more than is spare, and what is due goes in pieces of 1 MB.
  world.env['KEEP_LAST'] = '1'
  world.env['PRUNE_MAX_PER_RUN'] = '100'

  const report = await world.run()

  expect(report.archives.map(({ state }) => state)).toEqual(['stored', 'stored'])
  expect(world.models[0]!.highWaterBytes).toBeLessThanOrEqual(26 * MB)
  expect(await world.audit()).toEqual([])
})

it('archives of a source that is just being read make room for another one, if they are due', async () => {
  await start([{ limitGb: 0.03 }], [3 * MB, 5 * MB], 2)
  for (let night = 1; night <= 3; night += 1) expect((await world.run()).exit).toBe(0)
  const stored = join(world.folder, 'docs-is-stored')
  const wait = `until test -e ${stored}; do sleep 0.01; done`
  world.env['SOURCE_2_COMMAND'] = `sh -c 'head -c 5000000 /dev/urandom; ${wait}'`
  delete world.env['SOURCE_2_PATH']
  world.env['SOURCE_2_KEEP_LAST'] = '1'
  await writeFile(join(world.source, 'noise'), randomBytes(10 * MB))

  const report = await world.run({
    onEvent: (event) => {
      if (event.kind === 'stored' && event.file.startsWith('docs-')) writeFileSync(stored, '')
    },
  })

  expect(report.exit).toBe(0)
  expect(report.archives.map(({ source, state }) => [source, state])).toEqual([
    ['docs', 'stored'],
    ['mail-2', 'stored'],
  ])
  expect(await world.audit()).toEqual([])
})

/** `docs` holds most of the first server by its reservation until `mail-2` was refused there. */
async function crowded(...others: WorldServer[]): Promise<(event: RunEvent) => void> {
  await start([{ limitGb: 0.25 }, ...others], [100 * MB, MB], 2)
  expect((await world.run()).exit).toBe(0)
  const [reserved, refused] = ['reserved', 'refused'].map((name) => join(world.folder, name))
  const until = (path: string) => `until test -e ${path}; do sleep 0.01; done`
  const noise = (bytes: number) => `head -c ${bytes} /dev/urandom`
  const docs = `${noise(60 * MB)}; ${until(refused!)}; ${noise(15 * MB)}`
  world.env['SOURCE_1_COMMAND'] = `sh -c '${docs}'`
  world.env['SOURCE_2_COMMAND'] = `sh -c '${until(reserved!)}; ${noise(50 * MB)}'`
  for (const number of [1, 2]) delete world.env[`SOURCE_${number}_PATH`]
  return (event) => {
    // A part of it was sent: its room is reserved.
    if (event.kind === 'uploading' && event.file.startsWith('docs-')) writeFileSync(reserved!, '')
    if (event.kind === 'attempt-ended' && event.outcome === 'full') writeFileSync(refused!, '')
  }
}

it('what others had only reserved on a server keeps no archive from it: it is sent again when they are done', async () => {
  const onEvent = await crowded()

  const report = await world.run({ onEvent })

  expect(report.exit).toBe(0)
  expect(report.sources.map(({ outcome }) => outcome)).toEqual(['ok', 'ok'])
  expect(report.archives.find(({ source }) => source === 'mail-2')).toMatchObject({
    state: 'stored',
    attempts: [{ outcome: 'full', code: 'STORAGE_LIMIT' }, { outcome: 'stored' }],
  })
  expect(await world.audit()).toEqual([])
  expect(await readdir(join(world.folder, 'data', 'spool'))).toEqual(['.spillway-spool'])
})

it('without a spool it is read again, and a server that was sick meanwhile is not forgotten', async () => {
  const onEvent = await crowded({})
  world.env['S3_SERVER_2_SECRET_KEY'] = 'wrong'
  world.env['SPOOL'] = 'none'
  const postponed: string[] = []

  const report = await world.run({
    onEvent: (event) => {
      onEvent(event)
      if (event.kind === 'source-postponed') postponed.push(event.source)
    },
  })

  expect(postponed).toEqual(['mail-2'])
  expect(report.archives.map(({ source, state }) => [source, state])).toEqual([
    ['docs', 'stored'],
    ['mail-2', 'stored'],
  ])
  expect(report.archives[1]?.attempts.map(({ outcome }) => outcome)).toEqual([
    'full',
    'misconfigured',
    'stored',
  ])
  expect(report.exit).toBe(3)
  expect(await world.audit()).toEqual([])
})

it('one that is gone from the spool before it is sent again is not said to wait', async () => {
  const onEvent = await crowded()
  const spool = join(world.folder, 'data', 'spool')

  const report = await world.run({
    onEvent: (event) => {
      onEvent(event)
      if (event.kind !== 'stored') return
      for (const name of readdirSync(spool))
        if (name.startsWith('mail-2')) rmSync(join(spool, name))
    },
  })

  expect(report.exit).toBe(34)
  expect(report.sources).toMatchObject([
    { name: 'docs', outcome: 'ok' },
    { name: 'mail-2', outcome: 'failed', code: 'SPOOL_FAILED' },
  ])
  expect(report.sources[1]?.message).toContain('gone from the spool')
  expect(await world.audit()).toEqual([])
})

it('one that is gone, and that another server has, is a copy that is missing', async () => {
  const onEvent = await crowded({}, {})
  Object.assign(world.env, { COPIES: '2', S3_SERVER_3_ENABLED: 'false' })
  const spool = join(world.folder, 'data', 'spool')

  const report = await world.run({
    onEvent: (event) => {
      onEvent(event)
      if (event.kind !== 'stored' || !event.file.startsWith('docs-')) return
      for (const name of readdirSync(spool))
        if (name.startsWith('mail-2')) rmSync(join(spool, name))
    },
  })

  expect(report.exit).toBe(3)
  expect(report.sources).toMatchObject([
    { name: 'docs', outcome: 'ok' },
    { name: 'mail-2', outcome: 'warnings', code: 'COPIES_MISSING' },
  ])
  expect(report.sources[1]?.message).toContain('gone from the spool')
  expect(report.sources[1]?.message).not.toContain('waits')
})

/** `docs` has become larger than what it may take of the spool beside the other one. */
async function outgrown(): Promise<void> {
  await start([{ limitGb: 0.024 }], [6 * MB, MB], 2)
  for (let night = 1; night <= 3; night += 1) expect((await world.run()).exit).toBe(0)
  world.env['SPOOL_LIMIT_GB'] = '0.016'
  await writeFile(join(world.source, 'noise'), randomBytes(10 * MB))
}

it('a source that outgrows its share in the spool is read again, and its own old archives make room for it', async () => {
  await outgrown()
  world.env['KEEP_LAST'] = '1'
  const postponed: string[] = []

  const report = await world.run({
    onEvent: (event) => {
      if (event.kind === 'source-postponed') postponed.push(event.source)
    },
  })

  expect(postponed).toEqual(['docs'])
  expect(report.exit).toBe(0)
  expect(report.sources.map(({ outcome }) => outcome)).toEqual(['ok', 'ok'])
  expect(await world.audit()).toEqual([])
})

it('one whose AFTER failed is not begun again: somebody must look', async () => {
  await outgrown()
  const alarm = join(world.folder, 'alarm')
  world.env['SOURCE_1_AFTER'] = `sh -c 'exit 7'`
  world.env['SOURCE_1_ON_ERROR'] = `touch ${alarm}`

  const report = await world.run()

  expect(report.exit).toBe(33)
  expect(report.sources).toMatchObject([
    { name: 'docs', outcome: 'failed', code: 'SPOOL_FULL' },
    { name: 'mail-2', outcome: 'ok' },
  ])
  expect(report.warnings.join()).toContain('SOURCE_1_AFTER failed')
  expect((await stat(alarm)).isFile()).toBe(true)
})

it('asks a server once, however many archives come at the same time', async () => {
  await start([{}], [MB, MB, MB, MB], 4)
  await world.run()
  expect(world.models[0]!.count('List')).toBe(1)
})

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(folder)) {
    // `.partial` and the final name are one file.
    if (name.endsWith('.partial'))
      bytes += (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0
  }
  return bytes
}
