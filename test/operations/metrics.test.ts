// The metrics of made-up nights; those of real runs are in metrics-file.test.ts.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { metricsText } from '../../src/operations/metrics.ts'
import { statusOf } from '../../src/operations/status.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { Config } from '../../src/domain/config.ts'
import { configOf, folderSource, GB, openStory, s3Server } from '../support/catalog-story.ts'
import type { Story } from '../support/catalog-story.ts'
import { readMetrics, valuesOf } from '../support/metrics-reader.ts'
import type { ReadSample } from '../support/metrics-reader.ts'

const MONITORING = join(import.meta.dirname, '../../scripts/monitoring')
const NOW = new Date('2026-03-08T12:00:00Z')
const [near, far] = [s3Server(1), s3Server(2)]
const opened: Catalog[] = []
afterEach(async () => {
  for (const catalog of opened.splice(0)) await catalog.close()
})

const at = (text: string): number => Date.parse(text) / 1_000

it('tells of servers what status tells, in bytes, with the health as a set of states', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [near], { sizeBytes: 10 * GB })
  await story.catalog.setOtherBytes(near.identity, 20 * GB, NOW)
  await story.catalog.setHealth(far.identity, 'dead', 'connect ECONNREFUSED', NOW)

  const found = await metrics(story)

  const of = (name: string) => valuesOf(found, `spillway_server_${name}`, 'server')
  expect(of('limit_bytes')).toEqual({ 1: 100 * GB, 2: 100 * GB })
  expect(of('used_bytes')).toEqual({ 1: 10 * GB, 2: 0 })
  expect(of('other_bytes')).toEqual({ 1: 20 * GB, 2: 0 })
  expect(of('spare_bytes')).toEqual({ 1: 70 * GB, 2: 100 * GB })
  expect(of('archives')).toEqual({ 1: 1, 2: 0 })
  expect(of('enabled')).toEqual({ 1: 1, 2: 1 })
  expect(of('checked_timestamp_seconds')).toEqual({ 2: NOW.getTime() / 1_000 })
  const states = valuesOf(found, 'spillway_server_health', 'server', 'state')
  expect(Object.keys(states)).toHaveLength(10)
  expect(Object.keys(states).filter((key) => states[key] === 1)).toEqual(['1 unknown', '2 dead'])
})

it('tells when the archive after the last good one was due, from SCHEDULE', async () => {
  const story = await begin()
  // A Friday: from Monday to Friday the next one is due on Monday.
  await story.store('etc', '2026-03-06T02:31:00Z', [near], { sizeBytes: 7 })
  await story.fail('etc', '2026-03-07T02:31:00Z', 'the disk is full')

  const of = (found: readonly ReadSample[], name: string) =>
    valuesOf(found, `spillway_source_${name}`, 'source')
  const daily = await metrics(story)
  const workdays = await metrics(story, { schedule: '30 2 * * 1-5' })

  expect(of(daily, 'has_good_archive')).toEqual({ etc: 1, www: 0 })
  expect(of(daily, 'last_good_archive_timestamp_seconds')).toEqual({
    etc: at('2026-03-06T02:31:00Z'),
  })
  expect(of(daily, 'last_good_archive_size_bytes')).toEqual({ etc: 7 })
  expect(of(daily, 'last_try_failed')).toEqual({ etc: 1, www: 0 })
  const due = 'next_archive_due_timestamp_seconds'
  expect(of(daily, due)).toEqual({ etc: at(local('2026-03-07T02:30:00')) })
  expect(of(workdays, due)).toEqual({ etc: at(local('2026-03-09T02:30:00')) })
  expect(of(daily, 'expected_interval_seconds')).toEqual({ etc: 86_400, www: 86_400 })
  expect(of(workdays, 'expected_interval_seconds')).toEqual({ etc: 259_200, www: 259_200 })
  expect(valuesOf(workdays, 'spillway_schedule_next_timestamp_seconds')).toEqual({
    '': at(local('2026-03-09T02:30:00')),
  })
})

it('tells what waits, the forecast, and the run that is going on', async () => {
  const story = await begin()
  for (let day = 1; day <= 8; day += 1)
    await story.store('etc', `2026-03-0${day}T02:30:00Z`, [near], { sizeBytes: 10 * GB })
  await story.wait('www', '2026-03-07T02:40:00Z', 3 * GB)
  await story.wait('www', '2026-03-08T02:40:00Z', 4 * GB)

  const run = { pid: 1, since: '2026-03-08T11:00:00.500Z' }
  const going = await metrics(story, {}, run)
  const idle = await metrics(story)

  const one = (name: string, found = going) => valuesOf(found, `spillway_${name}`)['']
  expect(one('waiting_archives')).toBe(2)
  expect(one('waiting_bytes')).toBe(7 * GB)
  expect(one('waiting_oldest_timestamp_seconds')).toBe(at('2026-03-07T02:40:00Z'))
  expect(one('forecast_known')).toBe(1)
  expect(one('forecast_full_timestamp_seconds')).toBeGreaterThan(at(NOW.toISOString()))
  expect(one('run_in_progress')).toBe(1)
  expect(one('run_start_timestamp_seconds')).toBe(at(run.since))
  expect(one('run_in_progress', idle)).toBe(0)
  expect(one('run_start_timestamp_seconds', idle)).toBeUndefined()
})

it('gives hostile names back as they are, and two servers of one name apart', async () => {
  const label = 'a "quoted" \\n {le="1"} 1\\'
  const name = 'ä"\\ 😀'
  const servers = [s3Server(1, { label }), s3Server(2, { label })]
  const story = await begin()
  // Servers that left the configuration may have one name as well.
  const gone = [s3Server(7, { label }), s3Server(8, { label })]
  await story.catalog.registerServers(gone)
  await story.store(name, '2026-03-01T02:30:00Z', gone, { sizeBytes: 5 })

  const found = await metrics(story, { servers, sources: [folderSource(1, name)] })

  expect(valuesOf(found, 'spillway_server_limit_bytes', 'server', 'label')).toEqual({
    [`1 ${label}`]: 100 * GB,
    [`2 ${label}`]: 100 * GB,
  })
  expect(valuesOf(found, 'spillway_source_has_good_archive', 'source')).toEqual({ [name]: 1 })
  expect(valuesOf(found, 'spillway_unconfigured_servers')).toEqual({ '': 2 })
  expect(valuesOf(found, 'spillway_unconfigured_used_bytes')).toEqual({ '': 10 })
})

it('has as many series after a hundred archives as after one, and names none of them', async () => {
  const story = await begin()
  await story.store('etc', '2025-01-01T02:30:00Z', [near], { sizeBytes: 5 })
  await story.store('www', '2025-01-01T02:40:00Z', [near, far], { sizeBytes: 5 })
  const few = await metrics(story)
  for (let day = 10; day < 30; day += 1)
    for (const source of ['etc', 'www'])
      await story.store(source, `2025-02-${day}T02:30:00Z`, [near], { sizeBytes: 5 })
  const many = await metrics(story)

  const withoutForecast = (found: readonly ReadSample[]): number =>
    found.filter(({ name }) => !name.includes('forecast')).length
  expect(withoutForecast(many)).toBe(withoutForecast(few))
  const labels = new Set(many.flatMap((sample) => Object.keys(sample.labels)))
  expect([...labels].toSorted()).toEqual([
    ...['host', 'label', 'server', 'source', 'state', 'version'],
  ])
  expect(JSON.stringify(many)).not.toMatch(/\.tar\.zst|20250/)
})

it('says something before anything was ever archived', async () => {
  const config = configOf()
  const status = await statusOf({ config, catalog: undefined, now: NOW })
  const input = { status, schedule: config.schedule, version: '1.2.3', now: NOW }
  const found = readMetrics(metricsText(input))
  expect(valuesOf(found, 'spillway_build_info', 'version', 'host')).toEqual({ '1.2.3 web1': 1 })
  expect(valuesOf(found, 'spillway_source_has_good_archive', 'source')).toEqual({ etc: 0, www: 0 })
})

it('has every metric that the alert rules and the dashboard name', async () => {
  const story = await begin()
  for (let day = 1; day <= 8; day += 1)
    await story.store('etc', `2026-03-0${day}T02:30:00Z`, [near], { sizeBytes: 12 * GB })
  const found = await metrics(story, {}, { pid: 1, since: NOW.toISOString() })
  const known = new Set(found.map(({ name }) => name))
  for (const file of ['spillway-alerts.yml', 'spillway-dashboard.json']) {
    const text = readFileSync(join(MONITORING, file), 'utf8')
    const named = [...text.matchAll(/\bspillway_[a-z_]+/g)].map(([name]) => name)
    expect(named.length, file).toBeGreaterThan(10)
    expect(named.filter((name) => !known.has(name))).toEqual([])
    const states = [...text.matchAll(/state=~?\\?"([a-z|]+)\\?"/g)].flatMap(([, all]) =>
      all!.split('|'),
    )
    const real = Object.keys(valuesOf(found, 'spillway_server_health', 'state'))
    expect(states.filter((state) => !real.includes(state))).toEqual([])
  }
})

it('tells of each source by its own schedule', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-08T09:31:00Z', [near], { sizeBytes: 7 })
  const hourly = { ...folderSource(1, 'etc'), schedule: '0 * * * *' }
  const found = await metrics(story, { sources: [hourly, folderSource(2, 'www')] })
  expect(valuesOf(found, 'spillway_source_expected_interval_seconds', 'source')).toEqual({
    ...{ etc: 3_600, www: 86_400 },
  })
  expect(valuesOf(found, 'spillway_source_next_archive_due_timestamp_seconds', 'source')).toEqual({
    etc: at('2026-03-08T10:00:00Z'),
  })
  // Of the host: what comes most often, and what comes next.
  expect(valuesOf(found, 'spillway_schedule_interval_seconds')).toEqual({ '': 3_600 })
  expect(valuesOf(found, 'spillway_schedule_next_timestamp_seconds')).toEqual({
    '': at('2026-03-08T13:00:00Z'),
  })
})

/** SCHEDULE is of the local time. */
function local(text: string): string {
  return new Date(text).toISOString()
}

async function begin(): Promise<Story> {
  const story = await openStory([near, far])
  opened.push(story.catalog)
  return story
}

async function metrics(
  { catalog }: Story,
  more: Partial<Config> = {},
  run?: { readonly pid: number; readonly since: string },
): Promise<readonly ReadSample[]> {
  const config = configOf({ servers: [near, far], ...more })
  const status = await statusOf({ config, catalog, run, now: NOW })
  const { schedule } = config
  return readMetrics(metricsText({ status, schedule, version: '1.2.3', now: NOW }))
}
