// Results as an SVG: for each operation a panel, in it for each data set a bar per program, as long as its wall time is
// of the best peer's. The whisker reaches from the lowest to the highest round. Every bar has its name and its figure beside it, so
// that no colour has to be told from another; the background is its own, so that it is readable on any page, light or dark.

import { compare, isMeasure } from './compare.ts'
import { formatRatio, OPERATION_TITLES } from './table.ts'
import type { Comparison, Row } from './compare.ts'
import type { Operation, Results } from './results.ts'

const WIDTH = 880
const MARGIN = 16
const COLUMN = 416
const COLUMN_GAP = WIDTH - 2 * MARGIN - 2 * COLUMN
const NAME = 168
const FIGURE = 40
const BAR_ROOM = COLUMN - NAME - FIGURE
const HEADER = 76
const PANEL_TITLE = 30
const GROUP_TITLE = 20
const ROW = 15
const BAR = 10
const GROUP_GAP = 10
// Who needs longer than that gets a bar that is cut off: else it would squeeze the differences that matter.
const RATIO_MAX = 3

const STYLE = `
    text { font: 11px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
    .title { font-size: 16px; font-weight: 600 }
    .panel { font-size: 13px; font-weight: 600 }
    .faint { fill: #59636e }
    .page { fill: #ffffff }
    .ours { fill: #0969da }
    .peer { fill: #818b98 }
    .shown { fill: #c8ced5 }
    .line { stroke: #1f2328; stroke-dasharray: 2 2 }
    .whisker { stroke: #1f2328 }
    .cut { stroke: #ffffff; stroke-width: 2 }
    .figure { stroke: #ffffff; stroke-width: 3; paint-order: stroke }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .faint { fill: #9198a1 }
      .page { fill: #0d1117 }
      .ours { fill: #4493f8 }
      .peer { fill: #7d8590 }
      .shown { fill: #3d444d }
      .line, .whisker { stroke: #f0f6fc }
      .cut, .figure { stroke: #0d1117 }
    }
  `

type Panel = { readonly operation: Operation; readonly groups: readonly Comparison[] }

export function drawPicture(results: Results): string {
  const panels = panelsOf(results)
  const { drawn, height } = layOut(panels)
  const words = [
    `<title id="title">Spillway beside other programs: wall time</title>`,
    `<desc id="desc">${escaped(describe(panels))}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}" rx="6"/>`,
    `<text class="title" x="${MARGIN}" y="28">Wall time, as a part of the best peer's (shorter is better)</text>`,
    `<text class="faint" x="${MARGIN}" y="47">${escaped(subtitle(results))}</text>`,
    `<text class="faint" x="${MARGIN}" y="63">${escaped(LEGEND)}</text>`,
  ]
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `role="img" aria-labelledby="title desc">\n${indent([...words, ...drawn])}\n</svg>\n`
  )
}

const LEGEND =
  'Dotted: the best peer. Bars with a cut are longer than shown. Pale: measured, but no measure (no server between; or takes one file without the rest).'

function subtitle({ measuredOn, rounds, scale, machine }: Results): string {
  const size = scale === 1 ? '' : `a try with ${scale} of the data; `
  const times = rounds === 1 ? 'one round' : `medians of ${rounds} rounds`
  return `${measuredOn}; ${size}${times}; ${machine.cores} x ${machine.processor}, ${machine.memoryGiB} GiB`
}

function panelsOf(results: Results): readonly Panel[] {
  const groups = compare(results).filter(({ rows }) => rows.some((row) => row.wallRatio))
  const operations = [...new Set(groups.map(({ operation }) => operation))]
  return operations.map((operation) => ({
    operation,
    groups: groups.filter((group) => group.operation === operation),
  }))
}

/** Each panel goes below the shorter one of two columns. */
function layOut(panels: readonly Panel[]): { drawn: string[]; height: number } {
  const heights: [number, number] = [HEADER, HEADER]
  const drawn = panels.flatMap((panel) => {
    const column = heights[0] <= heights[1] ? 0 : 1
    const [x, y] = [MARGIN + column * (COLUMN + COLUMN_GAP), heights[column]]
    heights[column] += heightOf(panel)
    return drawPanel(panel, x, y)
  })
  return { drawn, height: Math.max(...heights) + MARGIN }
}

function heightOf({ groups }: Panel): number {
  return groups.reduce((sum, group) => sum + groupHeight(group), PANEL_TITLE)
}

function groupHeight({ rows }: Comparison): number {
  return GROUP_TITLE + rows.length * ROW + GROUP_GAP
}

function drawPanel({ operation, groups }: Panel, x: number, y: number): string[] {
  const lines = [
    `<text class="panel" x="${x}" y="${y + 20}">${escaped(OPERATION_TITLES[operation])}</text>`,
  ]
  let top = y + PANEL_TITLE
  for (const group of groups) {
    lines.push(...drawGroup(group, x, top))
    top += groupHeight(group)
  }
  return lines
}

function drawGroup({ dataSet, operation, rows }: Comparison, x: number, y: number): string[] {
  const first = y + GROUP_TITLE
  const best = round(x + NAME + lengthOf(1))
  return [
    `<text class="faint" x="${x}" y="${y + 14}">${escaped(dataSet.title)}</text>`,
    `<line class="line" x1="${best}" y1="${first - 2}" x2="${best}" y2="${first + rows.length * ROW}"/>`,
    ...rows.flatMap((row, at) => drawRow({ row, operation, x, y: first + at * ROW })),
  ]
}

function drawRow(input: {
  readonly row: Row
  readonly operation: Operation
  readonly x: number
  readonly y: number
}): string[] {
  const { row, operation, x, y } = input
  const { contender, wallRatio } = row
  if (wallRatio === undefined) return []
  const { median, low, high } = wallRatio
  const [from, middle] = [x + NAME, y + BAR / 2]
  const end = from + lengthOf(median)
  const role =
    contender.role === 'ours' ? 'ours' : isMeasure(contender, operation) ? 'peer' : 'shown'
  const isCut = median > RATIO_MAX
  const [least, most] = [round(from + lengthOf(low)), round(from + lengthOf(high))]
  // Behind the whisker, which may reach further than the bar.
  const figureAt = round(Math.max(end, most) + 5)
  return [
    `<text x="${from - 6}" y="${y + BAR - 1}" text-anchor="end">${escaped(contender.name)}</text>`,
    `<rect class="${role}" x="${from}" y="${y}" width="${round(end - from)}" height="${BAR}"/>`,
    ...(isCut
      ? [`<line class="cut" x1="${end - 12}" y1="${y + BAR}" x2="${end - 8}" y2="${y}"/>`]
      : [`<line class="whisker" x1="${least}" y1="${middle}" x2="${most}" y2="${middle}"/>`]),
    `<text class="figure" x="${figureAt}" y="${y + BAR - 1}">${formatRatio(wallRatio)}</text>`,
  ]
}

function lengthOf(ratio: number): number {
  return (Math.min(ratio, RATIO_MAX) / RATIO_MAX) * BAR_ROOM
}

/** The whole picture in words, for those who do not see it. */
function describe(panels: readonly Panel[]): string {
  const sentences = panels.flatMap(({ operation, groups }) =>
    groups.map(({ dataSet, rows }) => {
      const figures = rows.map((row) => `${row.contender.name} ${formatRatio(row.wallRatio)}`)
      return `${OPERATION_TITLES[operation]}, ${dataSet.title}: ${figures.join('; ')}.`
    }),
  )
  return `Wall time of each program as a part of the best peer's. ${sentences.join(' ')}`
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}`).join('\n')
}

/** Two digits are less than any screen shows. */
function round(value: number): number {
  return Math.round(value * 100) / 100
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
