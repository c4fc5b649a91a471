// What `status` tells about trust and about the future: how far copies are proven, what is wrong with
// any, when the servers will be full.

import { FORECAST_NIGHTS, formatGrowth, WARNING_NIGHTS } from '../domain/forecast.ts'
import { formatBytes } from '../domain/sizes.ts'
import type { ServerStatus, SourceStatus, Status } from '../operations/status.ts'
import type { StatusProblem } from '../operations/trust.ts'
import type { Io } from './command.ts'
import {
  countCell,
  formatAge,
  formatCount,
  formatUtc,
  painter,
  plural,
  printTable,
} from './output.ts'
import type { Cell } from './table.ts'
import { oneLine } from './text.ts'

type Screen = Pick<Io<unknown>, 'print' | 'out' | 'now'>

/** Nothing while no server holds a copy. */
export function printTrust(io: Screen, status: Status): void {
  const { servers, lackingCopies, copies } = status
  const holding = servers.filter(({ trust }) => trust.copies > 0)
  if (holding.length === 0) return
  io.print('')
  printTable(io, {
    columns: [
      { title: 'N', align: 'right' },
      { title: 'COPIES', align: 'right' },
      { title: 'VERIFIED' },
      { title: 'READ BACK' },
      { title: 'FULL' },
    ],
    rows: holding.map((server): Cell[] => [
      server.number === null ? '-' : String(server.number),
      countCell(io.out, server.trust.copies),
      verifiedOf(io, server),
      readBackOf(io, server),
      fullCell(server),
    ]),
  })
  // With one copy wanted, whatever lacks it is among those that `printUnusable` names.
  if (lackingCopies === 0 || copies === 1) return
  const what = `${plural(lackingCopies, 'archive')} on fewer than ${plural(copies, 'server')}`
  io.print(painter(io.out)('warning', `! ${what}: see spillway copies --dry-run`))
}

/** What no other line would tell: such an archive still counts as stored. */
export function printUnusable(io: Screen, { unusable }: Status): void {
  if (unusable.length === 0) return
  const paint = painter(io.out)
  const what = `${plural(unusable.length, 'archive')} without a sound copy on a configured server`
  io.print(paint('bad', `! ${what}: see spillway copies --dry-run`))
  for (const { file, copies } of unusable.slice(0, PROBLEMS_SHOWN))
    io.print(paint('bad', `  ${oneLine(file)}: ${oneLine(copies.join(', '))}`))
  if (unusable.length > PROBLEMS_SHOWN)
    io.print(`  ... and ${unusable.length - PROBLEMS_SHOWN} more (--json names them)`)
}

/** The oldest date of all: none is told that is too good. */
function verifiedOf(io: Screen, { trust }: ServerStatus): string {
  const { copies, headedCopies, headedAt } = trust
  if (headedCopies === 0) return 'not since stored'
  const many = headedCopies === copies ? 'all' : `${headedCopies} of ${copies}`
  return `${many}, ${since(io, headedAt)}`
}

function readBackOf(io: Screen, { trust }: ServerStatus): string {
  const { deepShare, deepOldestAt } = trust
  // Never rounded up: 100 % is every byte.
  const percent = Math.floor((deepShare ?? 0) * 100)
  if (deepOldestAt === null) return 'never'
  return `${percent === 0 ? '< 1' : percent} %, ${since(io, deepOldestAt)}`
}

function since(io: Screen, at: string | null): string {
  return at === null ? '-' : `oldest ${formatAge(new Date(at), io.now())} ago`
}

function fullCell(server: ServerStatus): Cell {
  const { fullInNights, fullOn, number, health } = server
  if (isFullNow(server)) return { text: 'now', style: 'warning' }
  if (number === null || fullInNights === null) return '-'
  const soon = health === 'full' ? 'now' : 'in the coming night'
  const text = fullInNights === 1 ? soon : `in ${plural(fullInNights, 'night')} (${fullOn})`
  return fullInNights <= WARNING_NIGHTS ? { text, style: 'warning' } : text
}

/** No byte fits any more: nothing needs to be foretold. */
function isFullNow({ enabled, limitBytes, spareBytes }: ServerStatus): boolean {
  return enabled && limitBytes !== null && spareBytes <= 0
}

export function printForecast(io: Screen, { forecast, sources, servers, copies }: Status): void {
  io.print('')
  const paint = painter(io.out)
  const enabled = servers.filter((server) => server.enabled)
  const withRoom = enabled.filter((server) => !isFullNow(server)).length
  if (enabled.length > 0 && withRoom < Math.min(copies, enabled.length)) {
    const what =
      withRoom === 0 ? 'All servers are full now' : `Fewer than ${copies} servers have room now`
    io.print(paint('warning', `! ${what}: add one, raise a limit, or keep less.`))
    return
  }
  if (forecast.reason !== null) {
    io.print(paint('faint', `When the servers will be full is not known yet: ${forecast.reason}.`))
    return
  }
  for (const source of sources) io.print(trendOf(source))
  for (const text of [...forecast.warnings, ...forecast.notices])
    io.print(paint('warning', `! ${oneLine(text)}`))
  const { fullInNights, fullOn } = forecast
  const when =
    fullInNights === null
      ? `not within ${FORECAST_NIGHTS} nights`
      : `in ${plural(fullInNights, 'night')} (${fullOn})`
  const what = copies > 1 ? `Fewer than ${copies} servers with room` : 'All servers together full'
  io.print(`${what}: ${when}.`)
}

function trendOf({ name, nextBytes, growthBytesPerNight }: SourceStatus): string {
  if (nextBytes === null) return `${oneLine(name)}: not known yet`
  const growth =
    growthBytesPerNight === null
      ? 'growth not known yet'
      : `${formatGrowth(growthBytesPerNight)} a night`
  return `${oneLine(name)}: the next archive takes about ${formatBytes(Math.round(nextBytes))}, ${growth}`
}

// The first of them; `verify` and --json name more.
const PROBLEMS_SHOWN = 20

export function printProblems(io: Screen, { problems, mendableArchives }: Status): void {
  if (problems.length === 0) return
  const paint = painter(io.out)
  io.print('')
  io.print(paint('bad', `! ${plural(problems.length, 'problem')} with copies, not settled yet:`))
  for (const problem of problems.slice(0, PROBLEMS_SHOWN))
    io.print(paint('bad', `  ${problemLine(problem)}`))
  if (problems.length > PROBLEMS_SHOWN)
    io.print(`  ... and ${formatCount(problems.length - PROBLEMS_SHOWN)} more`)
  io.print(
    'Restore takes what is damaged from another copy, if there is one, and names what it cannot give back; ' +
      'retention does not count an archive without a sound copy. To look again: spillway verify ARCHIVE --deep; ' +
      'what was gone a day ago and still is, a run gives up if a sound copy is elsewhere, else spillway reconcile',
  )
  if (mendableArchives === 0) return
  const what = `${plural(mendableArchives, 'archive')} with a damaged copy that can be replaced`
  io.print(paint('warning', `! ${what}: see spillway copies --dry-run`))
}

const NAMED = 3

function problemLine({ frame, members, memberCount, ...problem }: StatusProblem): string {
  const where = frame === null ? '' : `, frame ${frame}`
  const names = members.slice(0, NAMED).map(oneLine).join(', ')
  const more = (memberCount ?? 0) > NAMED ? ', ...' : ''
  const lost =
    frame === null || names === ''
      ? ''
      : ` (${plural(memberCount ?? 0, 'member')}: ${names}${more})`
  const seen = formatUtc(new Date(problem.seenAt)).slice(0, 10)
  const { file, label, what } = problem
  return `${oneLine(file)} on ${oneLine(label)}${where}: ${oneLine(what)}${lost} [seen ${seen}]`
}
