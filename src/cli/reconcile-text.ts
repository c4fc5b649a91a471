// The plan of a reconcile, and the result of a rebuild, as text for people.

import { formatBytes } from '../domain/sizes.ts'
import { messageOf } from '../domain/errors.ts'
import { formatTable } from './table.ts'
import { oneLine, widthOf } from './text.ts'
import { painter, plural, printTable } from './output.ts'
import type { Io } from './command.ts'
import type { Rebuilt } from '../operations/rebuild.ts'
import type { RebuildStart } from '../operations/rebuild-snapshot.ts'
import type { RebuildSurvey } from '../operations/rebuild-survey.ts'
import type { Finding, ReconcilePlan, ServerPlan } from '../operations/reconcile-plan.ts'
import type { Server } from '../domain/server.ts'
import type { SpillwayError } from '../domain/errors.ts'
import type { Table } from './table.ts'

type Out = Pick<Io<unknown>, 'print' | 'printError' | 'out'>

export function printPlan(io: Out, plan: ReconcilePlan, isDryRun: boolean): void {
  for (const server of plan.servers) {
    io.print(oneLine(serverLine(server)))
    const line = unknownLine(server)
    if (line !== undefined) io.printError(oneLine(`warning: ${line}`))
  }
  for (const { server, error } of plan.failed)
    io.print(oneLine(`${server.label}: nothing is concluded: ${error.message}`))
  if (plan.notAsked > 0) {
    const copies = plural(plan.notAsked, 'copy', 'copies')
    io.print(`${copies} on servers that are not configured, or disabled: not asked for`)
  }
  const findings = plan.servers.flatMap(({ server, findings: found }) =>
    found.map((finding) => ({ server, ...finding })),
  )
  if (findings.length === 0) {
    const agreeing = plan.servers.filter((each) => unknownLine(each) === undefined)
    const isAll = plan.failed.length === 0 && agreeing.length === plan.servers.length
    // Of a server that could not be read nothing is concluded, and so not that it agrees.
    if (isAll) io.print('catalog and servers agree')
    else for (const { server } of agreeing) io.print(oneLine(`catalog and ${server.label} agree`))
    return
  }
  io.print('')
  printFindings(io, findings, isDryRun ? 'would be' : 'will be')
  for (const file of plan.lost)
    io.print(oneLine(`archive lost: no server has a copy of ${file} any more`))
}

type FindingThere = Finding & { readonly server: Server }

/** Nothing here may be cut: where a row is too long for the terminal, each finding gets its lines. */
function printFindings(io: Out, findings: readonly FindingThere[], verb: string): void {
  const table: Table = {
    columns: [
      { title: 'ON', align: 'right' },
      { title: 'WHAT' },
      { title: verb.toUpperCase() },
      { title: 'SIZE', align: 'right' },
      { title: 'KEY' },
      { title: 'WHY' },
    ],
    rows: findings.map(({ server, what, action, sizeBytes, key, detail, isWarning }) => [
      String(server.number),
      isWarning ? { text: what, style: 'warning' } : what,
      action,
      formatBytes(sizeBytes),
      key,
      detail ?? '',
    ]),
  }
  const widest = Math.max(...formatTable(table, undefined, (_, text) => text).map(widthOf))
  if (!io.out.isTerminal || widest <= io.out.columns()) {
    printTable(io, table)
    return
  }
  const paint = painter(io.out)
  for (const { server, what, action, sizeBytes, key, detail, isWarning } of findings) {
    const line = oneLine(`on ${server.number}: ${what}, ${verb} ${action}`)
    io.print(isWarning ? paint('warning', line) : line)
    io.print(`  ${oneLine(key)} (${formatBytes(sizeBytes)})`)
    if (detail !== undefined) io.print(`  ${oneLine(detail)}`)
  }
}

function serverLine({ server, listed, otherBytes, otherBytesBefore, ...rest }: ServerPlan): string {
  if (listed === undefined)
    return `${server.label}: may not be listed with this key; every copy was asked for`
  const others =
    otherBytes === undefined || otherBytes === otherBytesBefore
      ? `${formatBytes(otherBytesBefore)} of others`
      : `${formatBytes(otherBytes)} of others (${formatBytes(otherBytesBefore)} until now)`
  const confirmed = plural(rest.confirmed.length, 'copy', 'copies')
  const more = [
    rest.confirmed.length > 0 ? `${confirmed} confirmed` : '',
    rest.strangers > 0 ? `${plural(rest.strangers, 'object')} that are no archives` : '',
    rest.leftOver > 0 ? `${plural(rest.leftOver, 'object')} left for the next reconcile` : '',
  ].filter((text) => text !== '')
  const objects = `${plural(listed.objects, 'object')}, ${formatBytes(listed.sizeBytes)}`
  return `${server.label}: ${[objects, others, ...more].join('; ')}`
}

function unknownLine({ server, unknown }: ServerPlan): string | undefined {
  const { archives, catalogCopies } = unknown
  const counts = [
    archives > 0 ? plural(archives, 'archive') : '',
    catalogCopies > 0 ? plural(catalogCopies, 'copy', 'copies') + ' of the catalog' : '',
  ].filter((text) => text !== '')
  if (counts.length === 0) return undefined
  const what = `${counts.join(' and ')} of this host's name that this catalog does not know`
  return (
    `${server.label}: ${what}: left alone, and counted as others'; if no other machine has this SERVER_ID: ` +
    'spillway reconcile --adopt'
  )
}

export function printProblems(io: Out, problems: readonly SpillwayError[]): void {
  for (const problem of problems) io.printError(oneLine(`warning: ${messageOf(problem)}`))
}

export function printRebuilt(io: Out, rebuilt: Rebuilt): void {
  printStart(io, rebuilt.start)
  printTable(io, {
    columns: [
      { title: 'SERVER', widthMin: 12 },
      { title: 'ARCHIVES', align: 'right' },
      { title: 'FURTHER COPIES', align: 'right' },
      { title: 'KNOWN', align: 'right' },
      { title: 'REFUSED', align: 'right' },
    ],
    rows: rebuilt.servers.map(({ server, added, joined, known, refused }) => [
      server.label,
      ...[added, joined, known].map(String),
      refused > 0 ? { text: String(refused), style: 'warning' as const } : '0',
    ]),
  })
  if (rebuilt.inSpool > 0) io.print(`${plural(rebuilt.inSpool, 'archive')} found in the spool`)
  io.print('')
  printPlan(io, rebuilt.plan, false)
  printProblems(io, rebuilt.problems)
  if (!rebuilt.isComplete)
    io.printError(
      'not complete: run it again when the servers named above can be read, or no longer have their entries',
    )
}

export function printSurvey(io: Out, { start, servers, problem }: RebuildSurvey): void {
  printStart(io, start, 'would begin')
  printTable(io, {
    columns: [
      { title: 'SERVER', widthMin: 12 },
      { title: 'ARCHIVES', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'PROBLEM', widthMin: 12 },
    ],
    rows: servers.map(({ server, archives, sizeBytes, error }) => [
      server.label,
      String(archives),
      formatBytes(sizeBytes),
      error === undefined ? '' : { text: error.message, style: 'bad' },
    ]),
  })
  if (problem !== undefined) printProblems(io, [problem])
}

function printStart(io: Out, start: RebuildStart, verb = 'began'): void {
  for (const warning of start.warnings) io.printError(oneLine(`warning: ${warning}`))
  const from = {
    nothing: 'with nothing: no copy of the catalog was found',
    snapshot: `with the copy of the catalog on ${start.name ?? ''} (what was pinned after it was made, pin again)`,
    resumed: 'where an interrupted rebuild had come to',
  }[start.from]
  io.print(oneLine(`${verb} ${from}`))
}
