// Results as text: aligned tables for a terminal, and the part of README.md that is made from the results that are kept.

import { formatCount } from '../../src/cli/output.ts'
import { formatTable } from '../../src/cli/table.ts'
import { compare } from './compare.ts'
import type { Comparison, Ratio, Row } from './compare.ts'
import type { ContenderRecord, Operation, Results } from './results.ts'

export const OPERATION_TITLES: Readonly<Record<Operation, string>> = {
  archive: 'Archive and upload',
  restore: 'Restore of everything',
  'one-file': 'Restore of one file',
  verify: 'Verify, every byte read back',
}

/** One table for each operation on each data set. */
export function terminalTables(results: Results): string {
  const tables = compare(results).map(({ dataSet, operation, rows }) =>
    [`${OPERATION_TITLES[operation]}: ${dataSet.title}`, ...terminalTable(rows)].join('\n'),
  )
  return [conditions(results), ...tables].join('\n\n') + '\n'
}

const COLUMNS: readonly [title: string, of: (row: Row) => string][] = [
  ['WALL S', ({ seconds }) => formatSeconds(seconds)],
  ['OF BEST PEER', ({ wallRatio }) => formatRatio(wallRatio)],
  ['CPU S', ({ cpuSeconds }) => formatSeconds(cpuSeconds)],
  ['OF BEST PEER', ({ cpuRatio }) => formatRatio(cpuRatio)],
  ['LARGEST PROCESS MIB', ({ peakMiB }) => formatCount(Math.round(peakMiB))],
  ['SENT MB', ({ traffic }) => formatMegabytes(traffic?.sentBytes)],
  ['RECEIVED MB', ({ traffic }) => formatMegabytes(traffic?.receivedBytes)],
  ['REQUESTS', ({ traffic }) => (traffic === null ? '-' : formatCount(traffic.requests))],
  ['STORED MB', ({ storedBytes }) => formatMegabytes(storedBytes ?? undefined)],
]

function terminalTable(rows: readonly Row[]): readonly string[] {
  const table = {
    columns: [
      { title: 'PROGRAM' },
      ...COLUMNS.map(([title]) => ({ title, align: 'right' as const })),
    ],
    rows: rows.map((row) => [row.contender.name, ...COLUMNS.map(([, of]) => of(row))]),
  }
  return formatTable(table, undefined, (_style, text) => text)
}

/** Below the folder of the package, beside the results that it is drawn from. */
export const PICTURE = 'scripts/bench/results/bench.svg'

const BEGIN = '<!-- bench: written by `npm run bench -- --from=FILE --readme=README.md` -->'
const END = '<!-- end of bench -->'

/** README.md with its part about speed made anew; throws where it has none. */
export function withReadmePart(readme: string, part: string): string {
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`no "${BEGIN}" with an "${END}" behind it`)
  return `${readme.slice(0, from)}${BEGIN}\n${part}${readme.slice(to)}`
}

/** `picture`: its path from where the README lies. */
export function readmePart(results: Results, picture: string): string {
  const comparisons = compare(results)
  const operations = [...new Set(comparisons.map(({ operation }) => operation))]
  const tables = operations.map((operation) => {
    const those = comparisons.filter((each) => each.operation === operation)
    const heading = `${OPERATION_TITLES[operation]}: wall s (of best peer) / CPU s (of best peer) / MiB of the largest process`
    return `**${heading}**\n\n${markdownTable(results, those, speedCell)}`
  })
  // The others read what was sent.
  const wire = comparisons.filter(
    ({ operation }) => operation === 'archive' || operation === 'one-file',
  )
  return (
    [
      conditions(results),
      `![${altText(comparisons)}](${picture})`,
      ...tables,
      `**Over the wire: MB sent / received / requests**\n\n${markdownTable(results, wire, wireCell, true)}`,
    ].join('\n\n') + '\n'
  )
}

/** Of what, when, and how much a figure is worth. */
export function conditions(results: Results): string {
  const { figures, machine, measuredOn, scale, server, versions } = results
  const { cores, processor, memoryGiB, system, kernel, fileSystem } = machine
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const small =
    scale === 1
      ? ''
      : `Only a try of the benchmark, with ${scale} of the data that is meant: starting up is most of what it shows. `
  const rounds = figures.map(({ runs }) => runs.length)
  const [least, most] = [Math.min(...rounds), Math.max(...rounds)]
  const times =
    most === 1 ? 'One round' : `Medians of ${least === most ? '' : `${least} to `}${most} rounds`
  return (
    `${small}${times}, measured on ${measuredOn}. ${cores} x ${processor}, ${memoryGiB} GiB, ${system}, Linux ${kernel}, ` +
    `${fileSystem}. Server: ${server}. ${programs.join(', ')}.`
  )
}

/** Programs as rows, data sets (and operations, where there are several) as columns. */
function markdownTable(
  results: Results,
  comparisons: readonly Comparison[],
  cell: (row: Row) => string,
  namesOperations = false,
): string {
  const titles = comparisons.map(({ dataSet, operation }) =>
    namesOperations ? `${operation}: ${dataSet.title}` : dataSet.title,
  )
  const lines = results.contenders.flatMap((contender) => {
    const rows = comparisons.map((each) => each.rows.find((row) => row.contender === contender))
    if (rows.every((row) => row === undefined)) return []
    const cells = rows.map((row) => (row === undefined ? '' : cell(row)))
    return [tableLine([nameOf(contender), ...cells])]
  })
  const rule = tableLine(['---', ...titles.map(() => '---')])
  return [tableLine(['program', ...titles]), rule, ...lines].join('\n')
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function nameOf({ name, role }: ContenderRecord): string {
  return role === 'ours' ? `**${name}**` : name
}

function speedCell({ seconds, wallRatio, cpuSeconds, cpuRatio, peakMiB }: Row): string {
  const figures = [
    `${formatSeconds(seconds)} (${formatRatio(wallRatio)})`,
    `${formatSeconds(cpuSeconds)} (${formatRatio(cpuRatio)})`,
    formatCount(Math.round(peakMiB)),
  ]
  return figures.join(' / ')
}

function wireCell({ traffic }: Row): string {
  if (traffic === null) return '-'
  const { sentBytes, receivedBytes, requests } = traffic
  return `${formatMegabytes(sentBytes)} / ${formatMegabytes(receivedBytes)} / ${formatCount(requests)}`
}

function altText(comparisons: readonly Comparison[]): string {
  const parts = comparisons.flatMap(({ dataSet, operation, rows }) => {
    const ours = rows.find(({ contender }) => contender.role === 'ours')
    if (ours?.wallRatio === undefined) return []
    return [`${operation} of ${dataSet.title}: ${formatRatio(ours.wallRatio)}`]
  })
  return `Wall time of Spillway as a part of the best peer's. ${parts.join('; ')}`
}

/** Three digits, and no false precision: `0.42`, `4.62`, `46.2`, `462`. */
export function formatSeconds(seconds: number): string {
  return seconds.toFixed(seconds < 9.995 ? 2 : seconds < 99.95 ? 1 : 0)
}

export function formatRatio(ratio: Ratio | undefined): string {
  if (ratio === undefined) return '-'
  const { median } = ratio
  return median.toFixed(median < 0.0995 ? 3 : median < 9.995 ? 2 : 1)
}

function formatMegabytes(bytes: number | undefined): string {
  return bytes === undefined ? '-' : (bytes / 1e6).toFixed(bytes < 99.95e6 ? 1 : 0)
}
