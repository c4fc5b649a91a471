// What Prometheus itself says, by promtool: of the metrics after real runs, of the alert rules, of the
// queries of the dashboard, and of when alerts fire.

import { spawnSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

const MONITORING = join(import.meta.dirname, '../../scripts/monitoring')
const RULES = join(MONITORING, 'spillway-alerts.yml')

let world: World
let file: string
beforeEach(async () => {
  world = await World.make([{ entry: { LABEL: `'near "one" \\ {le="1"} ä'` } }, {}])
  await mkdir(join(world.folder, 'textfile'))
  file = join(world.folder, 'textfile/spillway.prom')
  world.env['METRICS_FILE'] = file
  await world.noise('a', 100_000)
})
afterEach(() => world.close())

function promtool(args: readonly string[], input = ''): { exit: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' })
  return { exit: status, said: `${stdout}${stderr}` }
}

const FINE = { exit: 0, said: '' }

describe('promtool check metrics finds nothing wrong', () => {
  it('after a good run, in the file, from the command and from the daemon', async () => {
    const config = await world.writeEnv()
    expect((await spillway(['run', '--config', config])).exit).toBe(0)
    expect(promtool(['check', 'metrics'], await readFile(file, 'utf8'))).toEqual(FINE)
    const printed = await spillway(['metrics', '--config', config])
    expect(promtool(['check', 'metrics'], printed.out.toString())).toEqual(FINE)
    const daemon = await TestDaemon.start(world)
    try {
      const { text } = await daemon.ask('GET', '/metrics', { scope: 'read' })
      expect(promtool(['check', 'metrics'], text)).toEqual(FINE)
    } finally {
      await daemon.stop()
    }
  })

  it('before the first run, and after one that no server took', async () => {
    world.env['S3_SERVER_1_SECRET_KEY'] = 'wrong'
    world.env['S3_SERVER_2_SECRET_KEY'] = 'wrong'
    const config = await world.writeEnv()
    const before = await spillway(['metrics', '--config', config])
    expect(promtool(['check', 'metrics'], before.out.toString())).toEqual(FINE)
    expect((await spillway(['run', '--config', config])).exit).toBe(23)
    expect(promtool(['check', 'metrics'], await readFile(file, 'utf8'))).toEqual(FINE)
  })

  it('and it would', () => {
    expect(promtool(['check', 'metrics'], 'x{a="1"} 1\nx{a="1"} 2\n')).not.toEqual(FINE)
  })
})

it('promtool check rules takes the alert rules', () => {
  const { exit, said } = promtool(['check', 'rules', RULES])
  expect(said).toContain('SUCCESS: 16 rules found')
  expect(exit).toBe(0)
})

it('every query of the dashboard is one', async () => {
  const text = await readFile(join(MONITORING, 'spillway-dashboard.json'), 'utf8')
  type Dashboard = { readonly panels: readonly { readonly targets: readonly { expr: string }[] }[] }
  const { panels } = JSON.parse(text) as Dashboard
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
  expect(queries.length).toBeGreaterThan(15)
  const rules = queries.map((query, at) => {
    const expr = query.replaceAll('$instance', '.*')
    return `{"record":"dashboard:query:${at}","expr":${JSON.stringify(expr)}}`
  })
  const path = join(world.folder, 'queries.yml')
  await writeFile(path, `{"groups":[{"name":"dashboard","rules":[${rules.join(',')}]}]}`)
  const { exit, said } = promtool(['check', 'rules', path])
  expect(said).toContain(`SUCCESS: ${queries.length} rules found`)
  expect(exit).toBe(0)
})

const HOUR = 3_600
const DAY = 24 * HOUR
/** Seconds since 1970, which is when promtool's clock starts. */
const LAST_GOOD = 2.5 * HOUR

type Series = Readonly<Record<string, number | string>>

/** A host on which all is well: one source, two servers, archived at half past two. */
const WELL: Series = {
  spillway_build_info: 1,
  spillway_schedule_interval_seconds: DAY,
  spillway_schedule_next_timestamp_seconds: LAST_GOOD + DAY,
  spillway_run_in_progress: 0,
  'spillway_source_has_good_archive{source="docs"}': 1,
  'spillway_source_last_try_failed{source="docs"}': 0,
  'spillway_source_last_good_archive_timestamp_seconds{source="docs"}': LAST_GOOD,
  'spillway_source_next_archive_due_timestamp_seconds{source="docs"}': LAST_GOOD + DAY,
  'spillway_source_expected_interval_seconds{source="docs"}': DAY,
  'spillway_server_enabled{server="1",label="near"}': 1,
  'spillway_server_enabled{server="2",label="far"}': 1,
  'spillway_server_limit_bytes{server="1",label="near"}': 100,
  'spillway_server_limit_bytes{server="2",label="far"}': 100,
  'spillway_server_spare_bytes{server="1",label="near"}': 50,
  'spillway_server_spare_bytes{server="2",label="far"}': 50,
  'spillway_server_health{server="1",label="near",state="alive"}': 1,
  'spillway_server_health{server="1",label="near",state="dead"}': 0,
  'spillway_server_health{server="2",label="far",state="dead"}': 0,
  'spillway_server_health{server="2",label="far",state="misconfigured"}': 0,
  spillway_waiting_archives: 0,
  spillway_problems: 0,
  spillway_endangered_archives: 0,
  spillway_unusable_archives: 0,
  spillway_lacking_copies_archives: 0,
}

describe('the alert', () => {
  const docs = { source: 'docs' }
  const [near, far] = [
    { server: '1', label: 'near' },
    { server: '2', label: 'far' },
  ]
  const due = 'spillway_source_next_archive_due_timestamp_seconds{source="docs"}'
  const spare = 'spillway_server_spare_bytes'
  it.each<[alert: string, when: string, hours: number, change: Series, fires: readonly object[]]>([
    ['SpillwayNoGoodArchive', 'all is well', 26, {}, []],
    ['SpillwayNoGoodArchive', 'the grace is not over', 38, {}, []],
    ['SpillwayNoGoodArchive', 'it is', 39, {}, [docs]],
    ['SpillwayNoGoodArchive', 'the archive is of Friday', 60, { [due]: 72 * HOUR }, []],
    [
      'SpillwayNeverArchived',
      'there is none since a day',
      25,
      { 'spillway_source_has_good_archive{source="docs"}': 0 },
      [docs],
    ],
    [
      'SpillwayLastTryFailed',
      'it did',
      1,
      { 'spillway_source_last_try_failed{source="docs"}': 1 },
      [docs],
    ],
    ['SpillwayArchiveWaits', 'one does', 1, { spillway_waiting_archives: 1 }, [{}]],
    [
      'SpillwayArchiveWaits',
      'it is just being sent',
      1,
      { spillway_waiting_archives: 1, spillway_run_in_progress: 1 },
      [],
    ],
    ['SpillwayServerSick', 'none is', 1, {}, []],
    [
      'SpillwayServerSick',
      'one is',
      1,
      { 'spillway_server_health{server="2",label="far",state="misconfigured"}': 1 },
      [{ ...far, state: 'misconfigured' }],
    ],
    [
      'SpillwayServerSick',
      'one is, and is disabled',
      1,
      {
        'spillway_server_health{server="2",label="far",state="dead"}': 1,
        'spillway_server_enabled{server="2",label="far"}': 0,
      },
      [],
    ],
    ['SpillwayServerNearlyFull', 'none is', 1, {}, []],
    ['SpillwayServerNearlyFull', 'one is', 1, { [`${spare}{server="1",label="near"}`]: 9 }, [near]],
    ['SpillwayAllServersNearlyFull', 'one is', 1, { [`${spare}{server="1",label="near"}`]: 0 }, []],
    [
      'SpillwayAllServersNearlyFull',
      'all are that are enabled',
      1,
      {
        [`${spare}{server="1",label="near"}`]: 5,
        'spillway_server_enabled{server="2",label="far"}': 0,
      },
      [{}],
    ],
    [
      'SpillwayFullSoon',
      'in ten days',
      1,
      { spillway_forecast_full_timestamp_seconds: 10 * DAY },
      [{}],
    ],
    [
      'SpillwayFullSoon',
      'in a month',
      1,
      { spillway_forecast_full_timestamp_seconds: 30 * DAY },
      [],
    ],
    [
      'SpillwayDamage',
      'too few sound copies are left',
      1,
      { spillway_problems: 2, spillway_endangered_archives: 1 },
      [{}],
    ],
    [
      'SpillwayDamage',
      'an older Spillway does not tell how many are',
      1,
      { spillway_problems: 2, spillway_endangered_archives: 'never' },
      [{}],
    ],
    ['SpillwayDamage', 'enough are', 1, { spillway_problems: 2 }, []],
    ['SpillwayDamageElsewhere', 'enough are', 1, { spillway_problems: 2 }, [{}]],
    [
      'SpillwayDamageElsewhere',
      'too few are',
      1,
      { spillway_problems: 2, spillway_endangered_archives: 1 },
      [],
    ],
    [
      'SpillwayDamageElsewhere',
      'none is',
      1,
      { spillway_problems: 2, spillway_unusable_archives: 1 },
      [],
    ],
    ['SpillwayArchiveUnusable', 'one is', 1, { spillway_unusable_archives: 1 }, [{}]],
    ['SpillwayTooFewCopies', 'since a day', 25, { spillway_lacking_copies_archives: 1 }, [{}]],
    [
      'SpillwayRunTooLong',
      'since half a day',
      15,
      { spillway_run_start_timestamp_seconds: LAST_GOOD },
      [],
    ],
    [
      'SpillwayRunTooLong',
      'the next one is due',
      27,
      { spillway_run_start_timestamp_seconds: LAST_GOOD },
      [{}],
    ],
    ['SpillwayMetricsStale', 'not before the grace is over', 38, {}, []],
    ['SpillwayMetricsStale', 'no run was begun', 39, {}, [{}]],
    ['SpillwayMetricsMissing', 'they are there', 3, {}, []],
  ])('%s: %s', async (alert, _when, hours, change, fires) => {
    const { exit, said } = await testRules(alert, hours, { ...WELL, ...change }, fires)
    expect(exit, said).toBe(0)
  })

  it('SpillwayMetricsMissing: nothing is there', async () => {
    const { exit, said } = await testRules('SpillwayMetricsMissing', 3, { up: 1 }, [{}], '')
    expect(exit, said).toBe(0)
  })
})

/** JSON is YAML, so promtool reads it. */
async function testRules(
  alert: string,
  hours: number,
  series: Series,
  fires: readonly object[],
  instance = 'web1',
): Promise<{ exit: number | null; said: string }> {
  const rules = await readFile(RULES, 'utf8')
  // What alerts say is for people; here it is whether they do.
  const silent = rules.replace(/^ {8}annotations:\n(?: {10}.*\n)+/gm, '')
  await writeFile(join(world.folder, 'rules.yml'), silent)
  const [, severity] = new RegExp(`alert: ${alert}\\n[^]*?severity: (\\w+)`).exec(rules) ?? []
  const own = instance === '' ? {} : { instance }
  const test = {
    rule_files: ['rules.yml'],
    evaluation_interval: '5m',
    tests: [
      {
        interval: '5m',
        input_series: Object.entries(series).map(([name, value]) => ({
          series: withInstance(name, instance),
          values: value === 'never' ? '_x1000' : `${value}+0x1000`,
        })),
        alert_rule_test: [
          {
            eval_time: `${hours}h`,
            alertname: alert,
            exp_alerts: fires.map((labels) => ({ exp_labels: { ...own, ...labels, severity } })),
          },
        ],
      },
    ],
  }
  const path = join(world.folder, 'test.yml')
  await writeFile(path, JSON.stringify(test))
  return promtool(['test', 'rules', path])
}

function withInstance(name: string, instance: string): string {
  if (instance === '') return name
  const label = `instance="${instance}"`
  return name.endsWith('}') ? `${name.slice(0, -1)},${label}}` : `${name}{${label}}`
}
