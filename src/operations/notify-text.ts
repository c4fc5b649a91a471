// What is told of a run, in words: the title says the worst, the text has a line for each source, server
// and archive that waits. What is wrong comes first, since long texts are cut at their end.

import { withCode, withoutPlace } from '../domain/failure-text.ts'
import { formatBytes, formatSeconds } from '../domain/sizes.ts'
import type { Config } from '../domain/config.ts'
import type {
  ReportedArchive,
  ReportedAttempt,
  ReportedSource,
  RunReport,
} from '../domain/run-report.ts'
import { outcomeOf } from '../domain/notification.ts'
import type { Standing } from '../domain/notification.ts'

export type NotifyReason = 'bad' | 'recovery' | 'news'

// Of one list: more is not read on a telephone, and the report has all.
const LINES_MAX = 40
const LINE_CHARACTERS_MAX = 500

export function titleOf(host: string, report: RunReport, reason: NotifyReason): string {
  return `${host}: ${titleWords(report, reason)}`
}

function titleWords({ outcome, exit, sources, archives }: RunReport, reason: NotifyReason): string {
  const failed = sources.filter(isFailed).length
  const waiting = archives.filter(({ state }) => state === 'waiting').length
  const stored = archives.filter(({ state }) => state === 'stored').length
  const waits = waiting > 0 ? `, ${counted(waiting, 'archive')} waiting` : ''
  if (outcome === 'failed') {
    const word = exit === 130 ? 'INTERRUPTED' : 'FAILED'
    const what = failed > 0 ? `${failed} of ${counted(sources.length, 'source')}` : `exit ${exit}`
    return `${word}, ${what}${waits}`
  }
  const word = reason === 'recovery' ? 'recovered' : outcome === 'ok' ? 'ok' : 'warnings'
  const also = reason === 'recovery' && outcome === 'warnings' ? ', with warnings' : ''
  return `${word}${also}, ${counted(stored, 'archive')} stored${waits}`
}

export function textOf(
  report: RunReport,
  {
    config,
    lastGoodAt,
    standing,
  }: {
    readonly config: Pick<Config, 'servers'>
    /** Of sources that failed; null: never. */
    readonly lastGoodAt: ReadonlyMap<string, Date | null>
    readonly standing: Standing
  },
): string {
  const { startedAt, seconds, exit, outcome } = report
  const began = `${startedAt.slice(0, 16).replace('T', ' ')} UTC`
  return [
    `Run of ${began}: ${outcome}, exit ${exit}, in ${formatSeconds(seconds)}.`,
    ...section('Sources', sourceLines(report, lastGoodAt)),
    ...section('Warnings', report.warnings),
    ...section('Servers', serverLines(report, config)),
    ...section('Waiting in the spool, sent first by the next run', waitingLines(report)),
    ...section('Not in this run, and not well since an earlier one', leftLines(report, standing)),
    ...section('Retention', retentionLines(report)),
    ...section('Notes', report.notices),
  ].join('\n')
}

function section(title: string, lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return []
  // What belongs to the line above is indented already.
  const shown = lines
    .slice(0, LINES_MAX)
    .map((line) => `${line.startsWith('  ') ? '' : '- '}${oneLine(line)}`)
  const more = lines.length - shown.length
  return ['', `${title}:`, ...shown, ...(more > 0 ? [`- and ${more} more`] : [])]
}

const ORDER = ['failed', 'skipped', 'warnings', 'ok']

function sourceLines(
  { sources, archives }: RunReport,
  lastGoodAt: ReadonlyMap<string, Date | null>,
): readonly string[] {
  const sorted = sources.toSorted((a, b) => ORDER.indexOf(a.outcome) - ORDER.indexOf(b.outcome))
  return sorted.flatMap((source) => {
    const own = archives.filter((archive) => archive.source === source.name)
    return [sourceLine(source, lastGoodAt), ...own.flatMap((archive) => archiveLines(archive))]
  })
}

function sourceLine(source: ReportedSource, lastGoodAt: ReadonlyMap<string, Date | null>): string {
  const { name, outcome, code, message, hint } = source
  const word = isFailed(source) ? outcome.toUpperCase() : outcome
  const why = message === null && code === null ? '' : `: ${withCode(message ?? '', code)}`
  const last = lastGoodAt.get(name)
  const since =
    last === undefined
      ? ''
      : last === null
        ? '; no archive of it was ever stored'
        : `; the last good archive is of ${last.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  return `${name}: ${word}${why}${remedy(hint)}${since}`
}

function archiveLines(archive: ReportedArchive): readonly string[] {
  const { file, sizeBytes, state, copies, warnings, warningCount } = archive
  const numbers = copies.map(({ number }) => String(number)).join(', ')
  const where = numbers === '' ? '' : ` on server ${numbers}`
  const lines = [`  ${file}: ${formatBytes(sizeBytes)}, ${state}${where}`]
  if (warningCount === 0) return lines
  const first = warnings.slice(0, 3).map(({ path, reason }) => `${path}: ${reason}`)
  const more = warningCount > first.length ? ` and ${warningCount - first.length} more` : ''
  return [...lines, `  ${counted(warningCount, 'warning')}: ${first.join('; ')}${more}`]
}

function serverLines(
  { archives, retention }: RunReport,
  { servers }: Pick<Config, 'servers'>,
): readonly string[] {
  const numbers = new Set([
    ...archives.flatMap(({ copies }) => copies.map(({ number }) => number)),
    ...archives.flatMap(({ attempts }) => attempts.map(({ server }) => server)),
  ])
  const labelOf = (number: number) =>
    servers.find((server) => server.number === number)?.label ?? `server ${number}`
  const lines = [...numbers]
    .sort((a, b) => a - b)
    .flatMap((number) => {
      const attempts = archives.flatMap((archive) => archive.attempts)
      const stored = archives.filter(({ copies }) => copies.some((copy) => copy.number === number))
      const bytes = stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      // The first of each: those that follow say that it was not asked again.
      const troubles = new Map<string, ReportedAttempt>()
      for (const attempt of attempts)
        if (attempt.server === number && attempt.outcome !== 'stored')
          if (!troubles.has(attempt.outcome)) troubles.set(attempt.outcome, attempt)
      const holds =
        stored.length === 0
          ? []
          : [`has ${counted(stored.length, 'archive')} of this run, ${formatBytes(bytes)}`]
      const wrong = [...troubles.values()].map(({ outcome, message, code }) => {
        const reason = withCode(withoutPlace(message ?? '', labelOf(number)), code)
        const why = reason === '' ? '' : `: ${reason}`
        // That one is full is what the next is there for.
        const help = outcome === 'full' ? null : `see: spillway self-test ${number}`
        return `${outcome}${why}${remedy(help)}`
      })
      return [`${labelOf(number)}: ${[...wrong, ...holds].join('; ')}`]
    })
  const refused = retention.refused.map(
    ({ label, copies, message }) =>
      `${label}: ${counted(copies, 'copy', 'copies')} not deleted: ${message}`,
  )
  return [...lines, ...refused]
}

function waitingLines({ archives }: RunReport): readonly string[] {
  return archives
    .filter(({ state }) => state === 'waiting')
    .map(({ file, sizeBytes, copies }) => {
      const has = copies.length === 0 ? 'on no server' : `on ${counted(copies.length, 'server')}`
      return `${file}: ${formatBytes(sizeBytes)}, ${has} yet`
    })
}

function leftLines({ sources }: RunReport, standing: Standing): readonly string[] {
  if (outcomeOf(standing) === 'ok') return []
  return Object.entries(standing.sources)
    .filter(([name]) => !sources.some((source) => source.name === name))
    .map(([name, outcome]) => `${name}: ${outcome}`)
}

function retentionLines({ retention }: RunReport): readonly string[] {
  const { deleted, freedBytes, held, remaining } = retention
  return [
    ...(deleted.length === 0
      ? []
      : [`${counted(deleted.length, 'archive')} deleted, ${formatBytes(freedBytes)} freed`]),
    ...held.map(({ source, reason }) => `${source}: nothing is deleted: ${reason}`),
    ...(remaining === 0 ? [] : [`${counted(remaining, 'more archive')} due, for the next runs`]),
  ]
}

function isFailed({ outcome }: ReportedSource): boolean {
  return outcome === 'failed' || outcome === 'skipped'
}

function remedy(hint: string | null): string {
  return hint === null ? '' : ` -> ${hint}`
}

/** Names of files and messages of programs may hold anything; bugs come with their stacks. */
export function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
  const isLong = line.length > LINE_CHARACTERS_MAX
  // Half a character, at the cut or in a name, becomes the sign for that.
  return Buffer.from(isLong ? `${line.slice(0, LINE_CHARACTERS_MAX)}...` : line).toString()
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
