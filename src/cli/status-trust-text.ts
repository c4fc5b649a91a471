// What `status` tells about trust and about the future: how far copies are proven, what is wrong with
// any, when the servers will be full.

import { FORECAST_NIGHTS, formatGrowth } from '../domain/forecast.ts'
import type { ServerStatus, Status } from '../operations/status.ts'
import type { Io } from './command.ts'
import { formatAge, formatUtc, painter, plural, printTable } from './output.ts'
import type { Cell } from './table.ts'
import { oneLine } from './text.ts'

type Screen = Pick<Io<unknown>, 'print' | 'out' | 'now'>

/** Nothing while no server holds a copy. */
export function printTrust(io: Screen, { servers }: Status): void {
  const holding = servers.filter(({ trust }) => trust.copies > 0)
  if (holding.length === 0) return
  io.print('')
  printTable(io, {
    columns: [
      { title: 'N', align: 'right' },
      { title: 'COPIES', align: 'right' },
      { title: 'VERIFIED', align: 'right' },
      { title: 'LEAST LATELY', align: 'right' },
      { title: 'READ BACK', align: 'right' },
      { title: 'LEAST LATELY', align: 'right' },
      { title: 'FULL IN' },
    ],
    rows: holding.map((server): Cell[] => [
      server.number === null ? '-' : String(server.number),
      String(server.trust.copies),
      String(server.trust.headedCopies),
      age(io, server.trust.headedAt),
      shareOf(server),
      age(io, server.trust.deepOldestAt),
      fullCell(server),
    ]),
  })
}

function age(io: Screen, at: string | null): string {
  return at === null ? '-' : `${formatAge(new Date(at), io.now())} ago`
}

/** Never rounded up: 100 % is every byte. */
function shareOf({ trust }: ServerStatus): string {
  return trust.deepShare === null ? '-' : `${Math.floor(trust.deepShare * 100)} %`
}

function fullCell({ fullInNights }: ServerStatus): Cell {
  if (fullInNights === null) return '-'
  const text = plural(fullInNights, 'night')
  return fullInNights <= 14 ? { text, style: 'warning' } : text
}

export function printForecast(io: Screen, { forecast, sources }: Status): void {
  io.print('')
  const paint = painter(io.out)
  if (forecast.reason !== null) {
    io.print(paint('faint', `No forecast: ${forecast.reason}.`))
    return
  }
  const growing = sources.filter(({ growthBytesPerNight }) => growthBytesPerNight !== null)
  for (const { name, growthBytesPerNight } of growing)
    io.print(`${oneLine(name)}: ${formatGrowth(growthBytesPerNight)} from night to night`)
  for (const warning of forecast.warnings) io.print(paint('warning', `! ${oneLine(warning)}`))
  const { fullInNights, fullOn } = forecast
  const when =
    fullInNights === null
      ? `not within ${FORECAST_NIGHTS} nights`
      : `in ${plural(fullInNights, 'night')} (${fullOn})`
  io.print(`All servers together full: ${when}.`)
}

// The first of them; `verify` and --json name more.
const PROBLEMS_SHOWN = 20

export function printProblems(io: Screen, { problems }: Status): void {
  if (problems.length === 0) return
  const paint = painter(io.out)
  io.print('')
  io.print(paint('bad', `${plural(problems.length, 'problem')} with copies, not settled yet:`))
  for (const { file, label, frame, what, memberCount, seenAt } of problems.slice(
    0,
    PROBLEMS_SHOWN,
  )) {
    const where = frame === null ? '' : `, frame ${frame}`
    const lost = frame === null || memberCount === null ? '' : ` (${plural(memberCount, 'member')})`
    const seen = formatUtc(new Date(seenAt)).slice(0, 10)
    const text = `  ${oneLine(file)} on ${oneLine(label)}${where}${lost}: ${oneLine(what)} [${seen}]`
    io.print(paint('bad', text))
  }
  if (problems.length > PROBLEMS_SHOWN)
    io.print(`  ... and ${problems.length - PROBLEMS_SHOWN} more`)
}
