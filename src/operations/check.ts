// Whether anybody must look, from the catalog alone: no server is asked and nothing is opened for writing
// that was not there.

import type { Catalog } from '../catalog/catalog.ts'
import type { RunHolder } from '../catalog/run-lock.ts'
import { copiesOn } from '../domain/copies.ts'
import { deadlineOf, levelOf } from '../domain/check.ts'
import type { CheckLevel, Finding } from '../domain/check.ts'
import type { Config } from '../domain/config.ts'
import { exitOf } from '../domain/exit-code.ts'
import { parseSchedule } from '../domain/schedule.ts'
import { formatBytes } from '../domain/sizes.ts'
import { damagedArchives } from './trust.ts'
import { statusOf } from './status.ts'
import type { ServerStatus, SourceStatus, Status } from './status.ts'

export type CheckInput = {
  readonly config: Config
  /** undefined: nothing was ever archived here. */
  readonly catalog: Catalog | undefined
  readonly run: RunHolder | undefined
  readonly now: Date
  /** Where somebody knows it already. */
  readonly status?: Status
  readonly maxAgeMs: number | undefined
  /** Percent; undefined: only when too few servers have room. */
  readonly maxUsedPercent: number | undefined
}

export type Check = {
  readonly level: CheckLevel
  readonly exit: number
  /** The critical ones first. */
  readonly findings: readonly Finding[]
  /** What is good: said where nothing else is to be said. */
  readonly summary: string
  readonly figures: readonly Figure[]
}

/** One value of what Nagios calls performance data. */
export type Figure = {
  readonly name: string
  readonly value: number
  readonly unit: 's' | 'B' | ''
  readonly critical: number | undefined
  readonly max: number | undefined
}

// With less than that left, one larger night is too much.
const NEARLY_FULL_PERCENT = 90

export async function check(input: CheckInput): Promise<Check> {
  const { config, catalog, run, now } = input
  const status = input.status ?? (await statusOf({ config, catalog, run, now }))
  const ages = status.sources.map((source) => ageOf(source, input))
  const { endangered, madeGood } = damagedArchives(status)
  // Those without any are told as that.
  const lacking = status.lackingCopies - status.unusable.length
  const findings = [
    ...(status.sources.length === 0 ? [critical(4, 'no sources are configured')] : []),
    ...ages.flatMap(({ finding }, at) =>
      finding === undefined ? [] : { ...finding, source: status.sources[at]!.name },
    ),
    ...(await waitingFindings(input)),
    ...damageFindings(status),
    ...serverFindings(status.servers, input),
    ...(lacking <= 0
      ? []
      : [warning(`${counted(lacking, 'archive')} on fewer servers than COPIES: spillway copies`)]),
    ...status.forecast.warnings.map((message) => warning(message)),
  ]
  const sorted = findings.toSorted((a, b) => a.level.localeCompare(b.level))
  return {
    level: levelOf(sorted),
    exit: exitOf(sorted.map(({ exit }) => exit)),
    findings: sorted,
    summary: summaryOf(status.sources, now),
    figures: [
      ...ages.flatMap(({ figure }) => figure ?? []),
      ...status.servers.flatMap(serverFigures),
      plain('waiting', status.waiting.length),
      plain('damaged', status.unusable.length + endangered + madeGood),
    ],
  }
}

/** Whether it is late, in words. */
export function ageOf(
  source: SourceStatus,
  { config, run, now, maxAgeMs }: Pick<CheckInput, 'config' | 'run' | 'now' | 'maxAgeMs'>,
): { readonly finding?: Finding; readonly figure?: Figure } {
  const { name, schedule, lastGoodAt, failedAt, failedReason } = source
  const why = failedAt === null ? '' : `; the last try failed: ${failedReason ?? 'not known why'}`
  // It could not have one yet only if the settings are of today, and of that the catalog knows nothing.
  if (lastGoodAt === null)
    return { finding: critical(16, `${name} has no good archive at all${why}`) }
  const last = new Date(lastGoodAt)
  const { dueAt, lateAt, hopelessAt } = deadlineOf(last, {
    ...{ schedule: parseSchedule(schedule), maxAgeMs },
    delayMs: config.randomDelayMs,
  })
  const seconds = (from: Date, to: Date) => Math.round((to.getTime() - from.getTime()) / 1_000)
  const figure: Figure = {
    ...{ name: `${name}_age`, value: Math.max(0, seconds(last, now)), unit: 's' },
    ...{ critical: seconds(last, lateAt), max: undefined },
  }
  const age = spanOf(now.getTime() - last.getTime())
  const due = maxAgeMs === undefined ? `, was due ${shownTime(dueAt)}` : ''
  const text = `${name} has had no good archive for ${age}${due}${why}`
  // More than a slow clock: then no age can be trusted.
  if (seconds(now, last) > 300)
    return { figure, finding: warning(`${name} has its last good archive in the future`) }
  if (now > lateAt) {
    const mayCome = run !== undefined && now <= hopelessAt
    return { figure, finding: mayCome ? warning(`${text}; a run is going on`) : critical(16, text) }
  }
  if (failedAt === null) return { figure }
  return { figure, finding: warning(`${name} has a good archive, ${age} old${why}`) }
}

/** Those that the run going on has just made are on their way. */
async function waitingFindings({ config, catalog, run }: CheckInput): Promise<readonly Finding[]> {
  const waiting = (await catalog?.waitingArchives(config)) ?? []
  const left = waiting.filter(
    ({ startedAt }) => run === undefined || startedAt < new Date(run.since),
  )
  const isNowhere = left.filter((archive) => copiesOn(archive, config.servers) === 0)
  const lacking = left.length - isNowhere.length
  const bytes = isNowhere.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0)
  return [
    ...(isNowhere.length === 0
      ? []
      : [
          critical(
            23,
            `${counted(isNowhere.length, 'archive')} (${formatBytes(bytes)}) on no server, in the spool alone`,
          ),
        ]),
    ...(lacking === 0
      ? []
      : [warning(`${counted(lacking, 'archive')} waiting for further copies`)]),
  ]
}

function damageFindings(status: Status): readonly Finding[] {
  const { unusable, mendableArchives } = status
  const { endangered, madeGood } = damagedArchives(status)
  return [
    ...(unusable.length === 0
      ? []
      : [
          critical(
            31,
            `${counted(unusable.length, 'archive')} without a sound copy on a configured server`,
          ),
        ]),
    ...(endangered === 0
      ? []
      : [critical(31, `${counted(endangered, 'archive')} with known damage`)]),
    ...(madeGood === 0
      ? []
      : [
          warning(
            `${counted(madeGood, 'archive')} with a lost or damaged copy and enough sound ones: spillway status`,
          ),
        ]),
    ...(endangered + madeGood > 0 || mendableArchives === 0
      ? []
      : [warning(`${counted(mendableArchives, 'archive')} with a damaged copy: spillway copies`)]),
  ]
}

function serverFindings(
  servers: readonly ServerStatus[],
  { config, maxUsedPercent }: CheckInput,
): readonly Finding[] {
  const enabled = servers.filter((server) => server.enabled)
  if (enabled.length === 0) return [critical(4, 'no servers are configured that are enabled')]
  const sick = enabled
    .filter(({ health }) => health === 'dead' || health === 'misconfigured')
    .map(({ number, health, healthReason }) =>
      warning(`server ${number} is ${health}: ${healthReason ?? 'not known why'}`),
    )
  const full = enabled.filter((server) => takenPercent(server) >= (maxUsedPercent ?? 101))
  const roomy = enabled.filter((server) => takenPercent(server) < NEARLY_FULL_PERCENT)
  const spare = enabled.reduce((sum, { spareBytes }) => sum + Math.max(0, spareBytes), 0)
  return [
    ...sick,
    ...full.map((server) =>
      warning(`server ${server.number} is ${takenPercent(server).toFixed(0)} % full`),
    ),
    // A full server is what the next one is there for; too few that have room is another thing.
    ...(roomy.length >= config.copies
      ? []
      : [
          spare === 0
            ? critical(22, 'no server has any room left')
            : warning(
                `${roomy.length === 0 ? 'all servers are' : 'all but too few servers are'} nearly full: ${formatBytes(spare)} spare in all`,
              ),
        ]),
  ]
}

function takenPercent({ limitBytes, spareBytes }: ServerStatus): number {
  if (limitBytes === null || limitBytes === 0) return 100
  return Math.min(100, Math.max(0, 100 * (1 - spareBytes / limitBytes)))
}

function serverFigures(server: ServerStatus): readonly Figure[] {
  const { number, enabled, limitBytes, spareBytes } = server
  if (number === null || !enabled || limitBytes === null) return []
  return [
    {
      ...{ name: `server${number}_taken`, value: Math.max(0, limitBytes - spareBytes), unit: 'B' },
      ...{ critical: undefined, max: limitBytes },
    },
  ]
}

function summaryOf(sources: readonly SourceStatus[], now: Date): string {
  const times = sources.flatMap(({ lastGoodAt }) =>
    lastGoodAt === null ? [] : [Date.parse(lastGoodAt)],
  )
  const oldest = spanOf(now.getTime() - Math.min(now.getTime(), ...times))
  return `${counted(sources.length, 'source')}, the oldest last archive is ${oldest} old`
}

function plain(name: string, value: number): Figure {
  return { name, value, unit: '', critical: undefined, max: undefined }
}

function critical(exit: number, message: string): Finding {
  return { level: 'critical', exit, message }
}

function warning(message: string): Finding {
  return { level: 'warning', exit: 3, message }
}

function spanOf(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000))
  if (minutes < 120) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 72 ? `${hours} h` : `${Math.floor(hours / 24)} days`
}

function shownTime(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

function counted(count: number, one: string): string {
  return `${count} ${count === 1 ? one : `${one}s`}`
}
