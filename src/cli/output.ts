// What commands print with: colours that mean something, tables, times and ages.

import type { Io, Screen } from './command.ts'
import { formatTable } from './table.ts'
import { wrap } from './text.ts'
import type { Table } from './table.ts'

export type Style = 'heading' | 'good' | 'warning' | 'bad' | 'faint'

// The eight basic colours follow the terminal's own theme; others may be unreadable in it.
const SEQUENCES: Readonly<Record<Style, string>> = {
  heading: '\x1b[1m',
  good: '\x1b[32m',
  warning: '\x1b[33m',
  bad: '\x1b[31m',
  faint: '\x1b[2m',
}

export type Paint = (style: Style, text: string) => string

/** Colours the text where the screen has colours; the text itself must be harmless already. */
export function painter(screen: Screen): Paint {
  if (!screen.hasColour) return (_style, text) => text
  return (style, text) => (text === '' ? '' : `${SEQUENCES[style]}${text}\x1b[0m`)
}

/** Prints a table to standard output, cut to the width of a terminal and whole in a pipe. */
export function printTable(io: Pick<Io<unknown>, 'print' | 'out'>, table: Table): void {
  const width = io.out.isTerminal ? io.out.columns() : undefined
  for (const line of formatTable(table, width, painter(io.out))) io.print(line)
}

/** Prints sentences to standard output, broken between words where a terminal would break within one. */
export function printWrapped(io: Pick<Io<unknown>, 'print' | 'out'>): (text: string) => void {
  return (text) => {
    const width = io.out.isTerminal ? io.out.columns() : Infinity
    for (const line of text.split('\n')) for (const piece of wrap(line, width)) io.print(piece)
  }
}

/** `2026-03-01 02:30:05`, in UTC as in the archives' names; the column's title says so. */
export function formatUtc(date: Date): string {
  return date.toISOString().slice(0, 19).replace('T', ' ')
}

/** `4 min`, `5 h`, `12 days`: how long ago, coarse enough to be taken in. */
export function formatAge(from: Date, now: Date): string {
  const minutes = Math.max(0, Math.round((now.getTime() - from.getTime()) / 60_000))
  if (minutes < 120) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`
}

/** `12 345 678`, for people. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ')
}

/** For a column: as in sentences on a terminal, and plain digits in a pipe, which `awk` can read. */
export function countCell(screen: Pick<Screen, 'isTerminal'>, count: number): string {
  return screen.isTerminal ? formatCount(count) : String(count)
}

/** `1 archive`, `2 archives`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}

/** `[#####-----]`: in ASCII, because a rescue console may have no other characters. */
export function bar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]`
}
