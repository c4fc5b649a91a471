// The report of a run, and the plan of a dry run, for people.

import { withCode } from '../domain/failure-text.ts'
import { formatBytes, formatSeconds } from '../domain/sizes.ts'
import { painter, plural, printTable } from './output.ts'
import { oneLine } from './text.ts'
import { printRetention } from './retention-text.ts'
import type { Io } from './command.ts'
import type { ReportedArchive, ReportedAttempt, RunReport } from '../domain/run-report.ts'
import type { Cell } from './table.ts'
import type { PlannedArchive, RunPlan } from '../operations/plan-run.ts'
import type { Style } from './output.ts'

type Screen = Pick<Io<unknown>, 'print' | 'out'>

const STYLES: Readonly<Record<string, Style>> = {
  ok: 'good',
  stored: 'good',
  warnings: 'warning',
  waiting: 'bad',
  failed: 'bad',
  skipped: 'warning',
}

// A report is read in the morning: the first lines tell, the archive's row in --json has all of them.
const LINES_PER_ARCHIVE_MAX = 10

export function printReport(io: Screen, report: RunReport): void {
  const paint = painter(io.out)
  printArchives(io, report)
  for (const archive of report.archives) printDetails(io, archive)
  const failed = report.sources.filter(({ outcome }) => outcome === 'failed')
  const skipped = report.sources.filter(({ outcome }) => outcome === 'skipped')
  for (const { name, outcome, code, message } of [...failed, ...skipped]) {
    io.print(
      paint('bad', `source ${oneLine(name)}: ${outcome} [${code}] ${oneLine(message ?? '')}`),
    )
  }
  printRetention(io, report.retention, { isWhole: false })
  for (const notice of report.notices) io.print(oneLine(notice))
  for (const warning of report.warnings) io.print(paint('warning', `! ${oneLine(warning)}`))
  const stored = report.archives.filter(({ state }) => state === 'stored').length
  const waiting = report.archives.filter(({ state }) => state === 'waiting').length
  const words = [
    `${plural(stored, 'archive')} stored`,
    ...(waiting > 0 ? [`${plural(waiting, 'archive')} waiting in the spool for the next run`] : []),
    ...(failed.length > 0 ? [`${plural(failed.length, 'source')} failed`] : []),
    ...(skipped.length > 0 ? [`${plural(skipped.length, 'source')} skipped`] : []),
  ]
  io.print(
    paint(
      STYLES[report.outcome] ?? 'bad',
      `${report.outcome}: ${words.join(', ')}, in ${formatSeconds(report.seconds)} (exit ${report.exit})`,
    ),
  )
}

function printArchives(io: Screen, { archives }: RunReport): void {
  if (archives.length === 0) return
  printTable(io, {
    columns: [
      { title: 'SOURCE', widthMin: 8 },
      { title: 'ARCHIVE', widthMin: 24 },
      { title: 'SIZE', align: 'right' },
      { title: 'FILES', align: 'right' },
      { title: 'STATE' },
      { title: 'SERVER', widthMin: 12 },
    ],
    rows: archives.map(({ source, file, sizeBytes, fileCount, state, copies }) => [
      source,
      file,
      formatBytes(sizeBytes),
      String(fileCount),
      { text: state, style: STYLES[state] ?? 'bad' },
      copies.map(({ number }) => String(number)).join(', '),
    ]),
  })
}

function printDetails(
  io: Screen,
  { file, attempts, warnings, warningCount }: ReportedArchive,
): void {
  const paint = painter(io.out)
  const passed = attempts.filter(({ outcome }) => outcome !== 'stored')
  for (const attempt of passed) {
    const style = attempt.outcome === 'full' ? 'faint' : 'warning'
    io.print(paint(style, `  ${oneLine(file)}: ${describe(attempt)}`))
  }
  for (const { path, reason } of warnings.slice(0, LINES_PER_ARCHIVE_MAX)) {
    io.print(paint('warning', `  ${oneLine(file)}: ${oneLine(path)}: ${oneLine(reason)}`))
  }
  const more = warningCount - Math.min(warnings.length, LINES_PER_ARCHIVE_MAX)
  if (more > 0)
    io.print(paint('warning', `  ${oneLine(file)}: and ${plural(more, 'more warning')}`))
}

function describe({ server, outcome, code, message, bytesSent, seconds }: ReportedAttempt): string {
  const spent = seconds > 0 ? ` after ${formatBytes(bytesSent)} in ${formatSeconds(seconds)}` : ''
  return `server ${server} ${outcome}${spent}: ${oneLine(withCode(message ?? '', code))}`
}

export function printPlan(io: Screen, plan: RunPlan): void {
  const paint = painter(io.out)
  printTable(io, {
    columns: [
      { title: 'SOURCE', widthMin: 8 },
      { title: 'FILES', align: 'right' },
      { title: 'READS', align: 'right' },
      { title: 'ABOUT', align: 'right' },
      { title: 'KNOWN FROM' },
      { title: 'WOULD GO TO', widthMin: 12 },
    ],
    rows: plan.archives.map((archive) => {
      const { source, memberCount, sourceBytes, sizeBytes, sizeFrom } = archive
      return [
        source,
        memberCount === null ? '' : String(memberCount),
        sourceBytes === null ? '' : formatBytes(sourceBytes),
        sizeBytes === null
          ? ''
          : `${sizeFrom === 'source size' ? '<= ' : ''}${formatBytes(sizeBytes)}`,
        sizeFrom ?? '',
        placesOf(archive),
      ]
    }),
  })
  for (const { source, file, reasons, code, parts = [] } of plan.archives) {
    const style = code === null ? 'faint' : styleOf(code)
    for (const { name, sizeBytes } of parts)
      io.print(
        paint(
          style,
          `  ${oneLine(source)}: ${oneLine(name)}, ${sizeBytes === null ? 'size not known' : formatBytes(sizeBytes)}`,
        ),
      )
    for (const reason of reasons)
      io.print(paint(style, `  ${oneLine(file ?? source)}: ${oneLine(reason)}`))
  }
  io.print('Nothing was archived and no server was asked (--dry-run).')
}

function placesOf({ servers, code }: PlannedArchive): Cell {
  const labels = servers.map(({ label }) => label)
  if (code === null) return labels.join(', ')
  // Some servers would have it all the same.
  return { text: [...labels, WORDS[code] ?? 'nowhere'].join(', '), style: styleOf(code) }
}

// The lines below the table say why.
const WORDS: Readonly<Record<string, string>> = {
  COPIES_MISSING: 'too few servers',
  NO_SERVER_LEFT: 'no server has room',
}

function styleOf(code: string): Style {
  return code === 'COPIES_MISSING' ? 'warning' : 'bad'
}
