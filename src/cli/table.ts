// Tables for people: aligned, numbers to the right, no blanks at the end of a line.
//
// On a terminal columns that matter least are left out and those that may shrink give way until a row fits;
// in a pipe nothing is cut, because `grep` and `awk` want whole names.

import { cut, oneLine, padEnd, padStart, widthOf } from './text.ts'
import type { Style } from './output.ts'

export type Column = {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** May be cut to this many columns when the terminal is narrow. Others are never cut. */
  readonly widthMin?: number
  /** Left out where a row does not fit otherwise, the highest first. Others always stay. */
  readonly leavesAs?: number
}

export type Cell = string | { readonly text: string; readonly style: Style }

export type Table = {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
}

const GAP = '  '

/** Lines without line ends. `columnsMax` undefined: as wide as it gets. */
export function formatTable(
  table: Table,
  columnsMax: number | undefined,
  paint: (style: Style, text: string) => string,
): readonly string[] {
  const { columns, rows } = columnsMax === undefined ? table : leaveOut(table, columnsMax)
  const titles = columns.map(({ title }): Cell => ({ text: title, style: 'heading' }))
  const lines = [titles, ...rows.map((row) => row.map(harmless))]
  const widths = columns.map((_, at) => widthOfColumn(lines, at))
  if (columnsMax !== undefined) shrink(widths, columns, columnsMax)
  return lines.map((row) => formatRow(row, columns, widths, paint))
}

function widthOfColumn(lines: readonly (readonly Cell[])[], at: number): number {
  return lines.reduce((widest, row) => Math.max(widest, widthOf(textOf(row[at]))), 0)
}

/** The table without the columns for which there is no room, even when all others are cut. */
function leaveOut({ columns, rows }: Table, columnsMax: number): Table {
  const titles = columns.map(({ title }) => title)
  const lines = [titles, ...rows.map((row) => row.map(harmless))]
  const stay = columns.map(({ widthMin = Infinity, ...column }, at) => ({
    ...column,
    at,
    width: Math.min(widthMin, widthOfColumn(lines, at)),
  }))
  const isTooWide = () =>
    stay.reduce((sum, { width }) => sum + width, GAP.length * (stay.length - 1)) > columnsMax
  while (isTooWide()) {
    const first = Math.max(0, ...stay.map(({ leavesAs = 0 }) => leavesAs))
    if (first === 0) break
    stay.splice(
      stay.findIndex(({ leavesAs }) => leavesAs === first),
      1,
    )
  }
  const places = new Set(stay.map(({ at }) => at))
  const kept = <Value>(all: readonly Value[]) => all.filter((_, at) => places.has(at))
  return { columns: kept(columns), rows: rows.map(kept) }
}

function formatRow(
  row: readonly Cell[],
  columns: readonly Column[],
  widths: readonly number[],
  paint: (style: Style, text: string) => string,
): string {
  // Blanks at the end are never written: they would wrap on a terminal and show up in a diff.
  const filled = row.findLastIndex((cell) => textOf(cell) !== '')
  return row
    .slice(0, filled + 1)
    .map((cell, at) => {
      const width = widths[at] ?? 0
      const text = cut(textOf(cell), width)
      const padded =
        columns[at]?.align === 'right'
          ? padStart(text, width)
          : at === filled
            ? text
            : padEnd(text, width)
      return typeof cell === 'string' ? padded : paint(cell.style, padded)
    })
    .join(GAP)
}

/** Takes from the widest column that may shrink, one by one, until the row fits or none is left. */
function shrink(widths: number[], columns: readonly Column[], columnsMax: number): void {
  const gaps = GAP.length * (columns.length - 1)
  const tooWide = () => widths.reduce((sum, width) => sum + width, gaps) - columnsMax
  while (tooWide() > 0) {
    let widest = -1
    for (const [at, { widthMin }] of columns.entries()) {
      const width = widths[at] ?? 0
      if (widthMin !== undefined && width > widthMin && width > (widths[widest] ?? 0)) widest = at
    }
    if (widest < 0) return
    widths[widest] = (widths[widest] ?? 0) - 1
  }
}

function textOf(cell: Cell | undefined): string {
  return cell === undefined ? '' : typeof cell === 'string' ? cell : cell.text
}

function harmless(cell: Cell): Cell {
  return typeof cell === 'string' ? oneLine(cell) : { ...cell, text: oneLine(cell.text) }
}
