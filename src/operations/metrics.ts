// How things stand as metrics for Prometheus: made of what `status` tells, and of nothing else.
//
// - Moments instead of ages: the text may lie in a file for a day, and an age in it would stand still.
// - Labels are numbers and labels of servers, and names of sources: what the env file bounds. Servers that
//   left it may share a label, so they are added up.
// - A moment that never was is left out; 0 would be 1970.

import type { Health } from '../catalog/catalog.ts'
import { damagedArchives } from './trust.ts'
import { longestGapMs, nextTime } from '../domain/schedule-times.ts'
import { parseSchedule } from '../domain/schedule.ts'
import { formatMetrics } from '../lib/metrics-text.ts'
import type { Family, Sample } from '../lib/metrics-text.ts'
import type { ServerStatus, SourceStatus, Status } from './status.ts'

export type MetricsInput = {
  readonly status: Status
  /** The text of SCHEDULE, which counts where no source follows any. */
  readonly schedule: string
  readonly version: string
  readonly now: Date
}

export function metricsText(input: MetricsInput): string {
  const { status, version, now } = input
  return formatMetrics([
    {
      ...{ name: 'spillway_build_info', type: 'gauge' },
      help: 'Always 1; the version of Spillway, and the host as SERVER_ID names it.',
      samples: [{ labels: { version, host: status.serverId }, value: 1 }],
    },
    one('spillway_metrics_timestamp_seconds', 'When these metrics were made.', seconds(now)),
    ...scheduleFamilies(input),
    ...runFamilies(status),
    ...serverFamilies(status.servers),
    ...sourceFamilies(status.sources, now),
    ...waitingFamilies(status),
    ...trustFamilies(status),
    ...forecastFamilies(status),
  ])
}

type Value = number | boolean | null

/** null: nothing is known, so nothing is said. */
function one(name: string, help: string, value: Value): Family {
  return { name, help, type: 'gauge', samples: sample(value) }
}

function sample(value: Value, labels: Readonly<Record<string, string>> = {}): readonly Sample[] {
  return value === null ? [] : [{ labels, value: Number(value) }]
}

function seconds(time: Date | string | null): number | null {
  return time === null ? null : new Date(time).getTime() / 1_000
}

/** Of all that sources follow: what comes next, and what comes most often. */
function scheduleFamilies({ status, schedule, now }: MetricsInput): readonly Family[] {
  const texts =
    status.sources.length === 0 ? [schedule] : status.sources.map((each) => each.schedule)
  const schedules = [...new Set(texts)].map(parseSchedule)
  const nextMs = Math.min(...schedules.map((each) => nextTime(each, now).getTime()))
  const intervalMs = Math.min(...schedules.map((each) => longestGapMs(each, now)))
  return [
    one(
      'spillway_schedule_next_timestamp_seconds',
      'When the run after these metrics is due, of any schedule.',
      nextMs / 1_000,
    ),
    one(
      'spillway_schedule_interval_seconds',
      'Longest time between two runs; of the schedule that is due most often.',
      intervalMs / 1_000,
    ),
  ]
}

function runFamilies({ run }: Status): readonly Family[] {
  return [
    one('spillway_run_in_progress', '1 while a run is going on.', run !== null),
    one(
      'spillway_run_start_timestamp_seconds',
      'When the run that is going on was begun.',
      seconds(run?.since ?? null),
    ),
  ]
}

type Configured = ServerStatus & { readonly number: number; readonly limitBytes: number }

const SERVER_VALUES: readonly (readonly [
  name: string,
  help: string,
  value: (server: Configured) => Value,
])[] = [
  ['enabled', '0 if S3_SERVER_N_ENABLED is false.', ({ enabled }) => enabled],
  ['limit_bytes', 'Most that may lie there.', ({ limitBytes }) => limitBytes],
  ['used_bytes', 'Taken by copies of archives.', ({ usedBytes }) => usedBytes],
  ['reserved_bytes', 'Promised to copies under way.', ({ reservedBytes }) => reservedBytes],
  ['catalog_bytes', 'Taken by copies of the catalog.', ({ catalogBytes }) => catalogBytes],
  ['other_bytes', 'Taken by what is not of this catalog.', ({ otherBytes }) => otherBytes],
  ['spare_bytes', 'What is left of the limit.', ({ spareBytes }) => spareBytes],
  ['archives', 'Archives with a copy there.', ({ archives }) => archives],
  [
    'checked_timestamp_seconds',
    'When its health was found out.',
    ({ checkedAt }) => seconds(checkedAt),
  ],
  [
    'read_back_ratio',
    'Share of the bytes of copies there that was read back and found whole.',
    ({ trust }) => trust.deepShare,
  ],
  [
    'forecast_full_timestamp_seconds',
    'UTC day of the night on which an archive will not fit there; none if not within a year.',
    ({ fullOn }) => seconds(fullOn),
  ],
]

const HEALTHS: readonly Health[] = ['alive', 'full', 'dead', 'misconfigured', 'unknown']

function serverFamilies(servers: readonly ServerStatus[]): readonly Family[] {
  const configured = servers.filter((server): server is Configured => server.number !== null)
  const left = servers.filter(({ number }) => number === null)
  const sum = (bytes: (server: ServerStatus) => number): number =>
    left.reduce((total, server) => total + bytes(server), 0)
  const labelsOf = ({ number, label }: Configured) => ({ server: String(number), label })
  return [
    ...SERVER_VALUES.map(([name, help, value]): Family => ({
      ...{ name: `spillway_server_${name}`, help, type: 'gauge' },
      samples: configured.flatMap((server) => sample(value(server), labelsOf(server))),
    })),
    {
      ...{ name: 'spillway_server_health', type: 'gauge' },
      help: '1 for the state in which it was found last, 0 for the others.',
      samples: configured.flatMap((server) =>
        HEALTHS.flatMap((state) => sample(server.health === state, { ...labelsOf(server), state })),
      ),
    },
    one(
      'spillway_unconfigured_servers',
      'Servers that left the configuration and still hold copies.',
      left.length,
    ),
    one(
      'spillway_unconfigured_used_bytes',
      'Taken by copies on servers that left the configuration.',
      sum(({ usedBytes }) => usedBytes),
    ),
  ]
}

const SOURCE_VALUES: readonly (readonly [
  name: string,
  help: string,
  value: (source: SourceStatus) => Value,
])[] = [
  [
    'has_good_archive',
    '1 if any archive of it ever reached a server.',
    ({ lastGoodAt }) => lastGoodAt !== null,
  ],
  [
    'last_good_archive_timestamp_seconds',
    'When the newest archive that reached a server was begun.',
    ({ lastGoodAt }) => seconds(lastGoodAt),
  ],
  ['last_good_archive_size_bytes', 'Size of that archive.', ({ lastSizeBytes }) => lastSizeBytes],
  [
    'last_good_archive_warnings',
    'Files that changed or could not be read while it was made.',
    ({ lastGoodAt, lastWarnings }) => (lastGoodAt === null ? null : lastWarnings),
  ],
  [
    'last_try_failed',
    '1 if the newest try to archive it failed.',
    ({ failedAt }) => failedAt !== null,
  ],
]

function sourceFamilies(sources: readonly SourceStatus[], now: Date): readonly Family[] {
  const dueSeconds = ({ lastGoodAt, schedule }: SourceStatus): number | null =>
    lastGoodAt === null ? null : seconds(nextTime(parseSchedule(schedule), new Date(lastGoodAt)))
  const values: typeof SOURCE_VALUES = [
    ...SOURCE_VALUES,
    [
      'next_archive_due_timestamp_seconds',
      'When the run was or is due that follows the newest good archive.',
      dueSeconds,
    ],
    [
      'expected_interval_seconds',
      'Longest time between two of its archives, by its schedule.',
      ({ schedule }) => longestGapMs(parseSchedule(schedule), now) / 1_000,
    ],
  ]
  return values.map(([name, help, value]): Family => ({
    ...{ name: `spillway_source_${name}`, help, type: 'gauge' },
    samples: sources.flatMap((source) => sample(value(source), { source: source.name })),
  }))
}

function waitingFamilies({ waiting }: Status): readonly Family[] {
  const bytes = waiting.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0)
  return [
    one(
      'spillway_waiting_archives',
      'Archives in the spool that have not reached as many servers as COPIES wants.',
      waiting.length,
    ),
    one('spillway_waiting_bytes', 'Sizes of the archives that wait.', bytes),
    one(
      'spillway_waiting_oldest_timestamp_seconds',
      'When the oldest of them was begun.',
      seconds(waiting[0]?.createdAt ?? null),
    ),
  ]
}

function trustFamilies(status: Status): readonly Family[] {
  return [
    one(
      'spillway_problems',
      'What verifying found wrong with copies, and is not settled.',
      status.problems.length,
    ),
    one(
      'spillway_endangered_archives',
      'Archives with such a copy and too few sound ones for COPIES; unusable ones are counted apart.',
      damagedArchives(status).endangered,
    ),
    one(
      'spillway_unusable_archives',
      'Archives that are called stored and could not be restored whole.',
      status.unusable.length,
    ),
    one(
      'spillway_mendable_archives',
      'Archives with a damaged copy that a sound one can replace: spillway copies.',
      status.mendableArchives,
    ),
    one(
      'spillway_lacking_copies_archives',
      'Archives that left the spool and lie on fewer servers than COPIES wants.',
      status.lackingCopies,
    ),
  ]
}

function forecastFamilies({ forecast }: Status): readonly Family[] {
  return [
    one(
      'spillway_forecast_known',
      '1 if there were enough nights to make a forecast of.',
      forecast.reason === null,
    ),
    one(
      'spillway_forecast_full_timestamp_seconds',
      'UTC day of the night on which an archive will fit nowhere; none if not within a year.',
      seconds(forecast.fullOn),
    ),
  ]
}
