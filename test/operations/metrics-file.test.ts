// METRICS_FILE after real runs: good ones, failed ones, and where it cannot be written.

import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { readMetrics, valuesOf } from '../support/metrics-reader.ts'
import type { ReadSample } from '../support/metrics-reader.ts'
import { World } from '../support/world.ts'

const LABEL = 'near "one" \\ two'
let world: World
let folder: string
let file: string
beforeEach(async () => {
  world = await World.make([{ entry: { LABEL: `'${LABEL}'` } }])
  folder = join(world.folder, 'textfile')
  file = join(folder, 'spillway.prom')
  await mkdir(folder)
  world.env['METRICS_FILE'] = file
  await world.noise('a', 100_000)
})
afterEach(() => world.close())

const read = async (): Promise<readonly ReadSample[]> => readMetrics(await readFile(file, 'utf8'))

it('is there after a run of the program, readable for all, alone, and as `spillway metrics` prints it', async () => {
  const config = await world.writeEnv()
  const { exit } = await spillway(['run', '--config', config])

  expect(exit).toBe(0)
  expect(await readdir(folder)).toEqual(['spillway.prom'])
  expect((await stat(file)).mode & 0o777).toBe(0o644)
  const found = await read()
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
  expect(valuesOf(found, 'spillway_build_info', 'host', 'version')).toEqual({
    [`host ${version}`]: 1,
  })
  expect(valuesOf(found, 'spillway_run_in_progress')).toEqual({ '': 0 })
  expect(valuesOf(found, 'spillway_server_archives', 'server', 'label')).toEqual({
    [`1 ${LABEL}`]: 1,
  })
  expect(valuesOf(found, 'spillway_server_health', 'state')['alive']).toBe(1)
  const size = valuesOf(found, 'spillway_source_last_good_archive_size_bytes', 'source')['docs']
  expect(valuesOf(found, 'spillway_server_used_bytes', 'server')).toEqual({ 1: size })

  const printed = await spillway(['metrics', '--config', config])
  expect(printed.exit).toBe(0)
  const made = 'spillway_metrics_timestamp_seconds'
  const others = (samples: readonly ReadSample[]) => samples.filter(({ name }) => name !== made)
  expect(others(readMetrics(printed.out.toString()))).toEqual(others(found))
})

it('says that a run is going on while it is', async () => {
  const during: (readonly ReadSample[])[] = []
  const begun = Date.now() / 1_000
  let reading = Promise.resolve()
  await world.run({
    onEvent: ({ kind }) => {
      if (kind === 'source-started') reading = read().then((found) => void during.push(found))
    },
  })
  await reading
  expect(valuesOf(during[0]!, 'spillway_run_in_progress')).toEqual({ '': 1 })
  const since = valuesOf(during[0]!, 'spillway_run_start_timestamp_seconds')['']!
  expect(since).toBeGreaterThanOrEqual(begun)
  expect(valuesOf(during[0]!, 'spillway_source_has_good_archive', 'source')).toEqual({ docs: 0 })
  expect(valuesOf(await read(), 'spillway_run_in_progress')).toEqual({ '': 0 })
})

it('tells of a run that failed: a wrong key, and an archive that waits', async () => {
  world.env['S3_SERVER_1_SECRET_KEY'] = 'wrong'
  const report = await world.run()

  expect(report.exit).toBe(23)
  const found = await read()
  expect(valuesOf(found, 'spillway_server_health', 'state')['misconfigured']).toBe(1)
  expect(valuesOf(found, 'spillway_waiting_archives')).toEqual({ '': 1 })
  expect(valuesOf(found, 'spillway_waiting_bytes')).toEqual({ '': report.archives[0]?.sizeBytes })
  expect(valuesOf(found, 'spillway_source_has_good_archive', 'source')).toEqual({ docs: 0 })
})

it('tells of a source that failed', async () => {
  await rm(world.source, { recursive: true })
  expect((await world.run()).exit).toBe(10)
  const found = await read()
  expect(valuesOf(found, 'spillway_source_has_good_archive', 'source')).toEqual({ docs: 0 })
  expect(valuesOf(found, 'spillway_source_last_try_failed', 'source')).toEqual({ docs: 1 })
})

it('is written when the run is interrupted, too', async () => {
  const stop = new AbortController()
  const report = await world.run({
    signal: stop.signal,
    onEvent: ({ kind }) => {
      if (kind === 'source-started') stop.abort()
    },
  })
  expect(report.exit).toBe(130)
  expect(valuesOf(await read(), 'spillway_run_in_progress')).toEqual({ '': 0 })
})

it.each([
  ['its folder is not there', () => rm(folder, { recursive: true })],
  ['it is a folder', () => mkdir(file)],
  ['its folder is a file', () => rm(folder, { recursive: true }).then(() => writeFile(folder, ''))],
])('is a warning and no more where %s', async (_what, spoil) => {
  await spoil()
  const report = await world.run()

  expect(report).toMatchObject({ exit: 3, outcome: 'warnings' })
  expect(report.sources).toMatchObject([{ name: 'docs', outcome: 'ok' }])
  expect(report.archives).toMatchObject([{ state: 'stored' }])
  expect(report.warnings).toHaveLength(1)
  expect(report.warnings[0]).toContain(`the metrics were not written to ${file}: `)
  expect(await readdir(folder).catch(() => [])).not.toContain('.spillway.prom.new')
  expect(await world.audit()).toEqual([])
})

it('replaces what a killed run left, and never writes through a link', async () => {
  const victim = join(world.folder, 'victim')
  await writeFile(victim, 'untouched')
  await symlink(victim, file)
  await symlink(victim, join(folder, '.spillway.prom.new'))

  expect((await world.run()).exit).toBe(0)

  expect(await readFile(victim, 'utf8')).toBe('untouched')
  expect(await readdir(folder)).toEqual(['spillway.prom'])
  expect((await read()).length).toBeGreaterThan(20)
})

it('is the old one or the new one, whole, whenever it is read', async () => {
  await world.run()
  await chmod(file, 0o600)
  let reads = 0
  let isRunning = true
  const reader = (async () => {
    while (isRunning) {
      expect((await read()).length).toBeGreaterThan(20)
      reads += 1
    }
  })()
  for (let times = 0; times < 3; times += 1) await world.run()
  isRunning = false
  await reader
  expect(reads).toBeGreaterThan(20)
  expect((await stat(file)).mode & 0o777).toBe(0o644)
})
