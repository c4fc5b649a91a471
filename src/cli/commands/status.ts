// spillway status: how things stand, from the catalog alone.
//
// A question, not a check: it exits with 0 whatever the answer is. What must wake somebody up is the
// exit code of `run`.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import type { Io } from '../command.ts'
import { bar, countCell, formatAge, formatUtc, painter, plural, printTable } from '../output.ts'
import type { Services } from '../../operations/services.ts'
import type { Style } from '../output.ts'
import type { Cell, Column } from '../table.ts'
import { oneLine } from '../text.ts'
import type { Catalog, Health } from '../../catalog/catalog.ts'
import type { Config } from '../../domain/config.ts'
import { withoutPlace } from '../../domain/failure-text.ts'
import { formatBytes } from '../../domain/sizes.ts'
import { statusOf } from '../../operations/status.ts'
import { printForecast, printProblems, printTrust, printUnusable } from '../status-trust-text.ts'
import type { ServerStatus, SourceStatus, Status } from '../../operations/status.ts'

/** Only what this command needs: the real services have more. */
export type StatusServices = {
  readonly config: Config
  readonly catalogIfPresent: () => Promise<Catalog | undefined>
  readonly currentRun: Services['currentRun']
  readonly lastRun: Services['lastRun']
}

const STYLES: Readonly<Record<Health, Style>> = {
  alive: 'good',
  full: 'warning',
  dead: 'bad',
  misconfigured: 'bad',
  unknown: 'faint',
}

export const statusCommand = defineCommand({
  ...COMMAND_TITLES.status,
  details: [
    'Tells what the last run found out; no server is asked. To ask them: spillway self-test. ' +
      'OTHERS is what lies there and is not of this catalog, CATALOG are the copies of the catalog itself; ' +
      'both count against the limit. A narrow terminal shows fewer columns. VERIFIED and READ BACK tell how far the copies there are proven: see ' +
      'spillway verify. The forecast goes on from the last archives, with retention as it is set.',
  ],
  flags: { json: JSON_FLAG },
  examples: ['spillway status', 'spillway status --json'],

  async run(flags, _operands, io: Io<StatusServices>) {
    const { config, catalogIfPresent, ...services } = await io.services()
    const [run, lastRun] = [await services.currentRun(), await services.lastRun()]
    const catalog = await catalogIfPresent()
    const status = await statusOf({ config, catalog, run, lastRun, now: io.now() })
    if (flags.json) io.printJson(status)
    else printStatus(io, status)
    return 0
  },
})

function printStatus(io: Io<StatusServices>, status: Status): void {
  const paint = painter(io.out)
  io.print(`host ${oneLine(status.serverId)}`)
  if (status.run !== null) {
    const since = formatAge(new Date(status.run.since), io.now())
    io.print(`A run is going on (pid ${status.run.pid}), begun ${since} ago.`)
  }
  const last = lastRunText(status.lastRun, io.now())
  if (last !== undefined) io.print(paint(last.style, last.text))
  io.print('')
  if (status.servers.length === 0) io.print(paint('bad', 'No servers are configured.'))
  else printServers(io, status.servers)
  printTrust(io, status)
  printUnusable(io, status)
  io.print('')
  if (status.sources.length === 0) io.print(paint('bad', 'No sources are configured.'))
  else printSources(io, status.sources)
  io.print('')
  if (status.waiting.length === 0) io.print('Nothing waits in the spool.')
  else printWaiting(io, status)
  printForecast(io, status)
  printProblems(io, status)
}

/** undefined: none was kept, or the newest is the one that is going on. */
function lastRunText(
  run: Status['lastRun'],
  now: Date,
): { readonly text: string; readonly style: Style } | undefined {
  if (run === null || run.endedAt === null) return undefined
  const ago = `${formatAge(new Date(run.endedAt), now)} ago`
  if (run.exit === null)
    return { text: `The last run was killed; it was last heard of ${ago}.`, style: 'bad' }
  const style = run.exit === 0 ? 'faint' : run.exit === 3 ? 'warning' : 'bad'
  return { text: `The last run ended ${ago} with exit ${run.exit}.`, style }
}

// Below this there is no room for a bar beside the figures.
const BAR_FROM_COLUMNS = 120

function printServers(io: Io<StatusServices>, servers: readonly ServerStatus[]): void {
  const hasReserved = servers.some(({ reservedBytes }) => reservedBytes > 0)
  const hasOthers = servers.some(({ otherBytes }) => otherBytes > 0)
  const hasCatalog = servers.some(({ catalogBytes }) => catalogBytes > 0)
  const barWidth = io.out.isTerminal && io.out.columns() >= BAR_FROM_COLUMNS ? 12 : 0
  const columns: Column[] = [
    { title: 'N', align: 'right' },
    { title: 'SERVER', widthMin: 14 },
    { title: 'LIMIT', align: 'right' },
    { title: 'USED', align: 'right', leavesAs: 1 },
    ...(hasReserved ? [{ title: 'RESERVED', align: 'right', leavesAs: 3 } as const] : []),
    ...(hasOthers ? [{ title: 'OTHERS', align: 'right', leavesAs: 2 } as const] : []),
    ...(hasCatalog ? [{ title: 'CATALOG', align: 'right', leavesAs: 5 } as const] : []),
    { title: 'SPARE', align: 'right' },
    { title: 'TAKEN', align: 'right' },
    { title: 'ARCHIVES', align: 'right', leavesAs: 4 },
    { title: 'HEALTH' },
    { title: 'SEEN' },
  ]
  const rows = servers.map((server): Cell[] => [
    server.number === null ? '-' : String(server.number),
    nameOf(server),
    server.limitBytes === null ? '-' : formatBytes(server.limitBytes),
    formatBytes(server.usedBytes),
    ...(hasReserved ? [formatBytes(server.reservedBytes)] : []),
    ...(hasOthers ? [formatBytes(server.otherBytes)] : []),
    ...(hasCatalog ? [formatBytes(server.catalogBytes)] : []),
    server.limitBytes === null ? '-' : formatBytes(server.spareBytes),
    takenOf(server, barWidth),
    countCell(io.out, server.archives),
    { text: wordOf(server), style: server.enabled ? STYLES[server.health] : 'faint' },
    server.checkedAt === null ? 'never' : `${formatAge(new Date(server.checkedAt), io.now())} ago`,
  ])
  printTable(io, { columns, rows })
  const paint = painter(io.out)
  for (const server of servers) {
    // What is well needs no reason, and an old reason of a disabled server helps nobody.
    if (server.healthReason === null || server.health === 'alive' || !server.enabled) continue
    const reason = withoutPlace(server.healthReason, server.label)
    const text = `${oneLine(server.label)} is ${server.health}: ${oneLine(reason)}`
    io.print(paint(STYLES[server.health], `  ${text}`))
  }
}

/** The number has a column of its own. */
function nameOf({ number, label }: ServerStatus): string {
  const prefix = `${number}: `
  return number !== null && label.startsWith(prefix) ? label.slice(prefix.length) : label
}

function wordOf({ number, enabled, health }: ServerStatus): string {
  if (number === null) return 'not configured'
  return enabled ? health : 'disabled'
}

function takenOf(server: ServerStatus, barWidth: number): Cell {
  if (server.limitBytes === null) return '-'
  const { usedBytes, reservedBytes, catalogBytes, otherBytes } = server
  const taken = usedBytes + reservedBytes + catalogBytes + otherBytes
  const share = server.limitBytes === 0 ? 1 : taken / server.limitBytes
  const percent = `${Math.floor(share * 100)} %`
  const text = barWidth === 0 ? percent : `${bar(share, barWidth)} ${percent.padStart(5)}`
  // From nine tenths on the next big archive will go elsewhere: time to think of more room.
  return share >= 0.9 ? { text, style: 'warning' } : text
}

function printSources(io: Io<StatusServices>, sources: readonly SourceStatus[]): void {
  printTable(io, {
    columns: [
      { title: 'SOURCE', widthMin: 8 },
      { title: 'LAST GOOD (UTC)' },
      { title: 'AGE', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'PATH', widthMin: 12 },
    ],
    rows: sources.map(({ name, lastGoodAt, lastSizeBytes, path }): Cell[] => [
      name,
      lastGoodAt === null ? { text: 'NEVER', style: 'bad' } : formatUtc(new Date(lastGoodAt)),
      lastGoodAt === null ? '-' : ageCell(new Date(lastGoodAt), io.now()),
      lastSizeBytes === null ? '-' : formatBytes(lastSizeBytes),
      path,
    ]),
  })
  const paint = painter(io.out)
  for (const { name, failedAt, failedReason, lastFile, lastWarnings } of sources) {
    if (failedAt !== null) {
      const when = formatUtc(new Date(failedAt))
      io.print(paint('bad', `  ${oneLine(name)} failed at ${when}: ${oneLine(failedReason ?? '')}`))
    }
    if (lastWarnings > 0) {
      const many = plural(lastWarnings, 'warning')
      io.print(paint('warning', `  ${oneLine(name)}: ${many} in ${oneLine(lastFile ?? '')}`))
    }
  }
  const never = sources.filter(({ lastGoodAt }) => lastGoodAt === null)
  if (never.length === 0) return
  const text = `! No archive on a server yet: ${never.map(({ name }) => oneLine(name)).join(', ')}.`
  io.print(paint('bad', text))
}

// A night and a half: an archive of every night was missed once.
const OLD_FROM_HOURS = 36

function ageCell(at: Date, now: Date): Cell {
  const text = formatAge(at, now)
  const isOld = now.getTime() - at.getTime() > OLD_FROM_HOURS * 3_600_000
  return isOld ? { text, style: 'warning' } : text
}

function printWaiting(io: Io<StatusServices>, { run, waiting }: Status): void {
  const sizeBytes = waiting.reduce((sum, archive) => sum + (archive.sizeBytes ?? 0), 0)
  const verb = waiting.length === 1 ? 'waits' : 'wait'
  const text =
    `${plural(waiting.length, 'archive')} (${formatBytes(sizeBytes)}) ${verb} in the spool; ` +
    // Whether the files are still what was packed, only the next run finds out.
    `the ${run === null ? 'next run' : 'run that is going on'} sends ${waiting.length === 1 ? 'it first, if it is' : 'them first, if they are'} still whole:`
  io.print(painter(io.out)('warning', text))
  printTable(io, {
    columns: [
      { title: 'CREATED (UTC)' },
      { title: 'SOURCE', widthMin: 8 },
      { title: 'FILE', widthMin: 26 },
      { title: 'SIZE', align: 'right' },
    ],
    rows: waiting.map((archive) => [
      formatUtc(new Date(archive.createdAt)),
      archive.source,
      archive.file,
      archive.sizeBytes === null ? '-' : formatBytes(archive.sizeBytes),
    ]),
  })
}
