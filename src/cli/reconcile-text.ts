// The plan of a reconcile, and the result of a rebuild, as text for people.

import { formatBytes } from '../domain/sizes.ts'
import { messageOf } from '../domain/errors.ts'
import { oneLine } from './text.ts'
import { plural, printTable } from './output.ts'
import type { Io } from './command.ts'
import type { Rebuilt } from '../operations/rebuild.ts'
import type { RebuildStart } from '../operations/rebuild-snapshot.ts'
import type { RebuildSurvey } from '../operations/rebuild-survey.ts'
import type { ReconcilePlan, ServerPlan } from '../operations/reconcile-plan.ts'
import type { SpillwayError } from '../domain/errors.ts'

type Out = Pick<Io<unknown>, 'print' | 'printError' | 'out'>

export function printPlan(io: Out, plan: ReconcilePlan, isDryRun: boolean): void {
  for (const server of plan.servers) io.print(oneLine(serverLine(server)))
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
    io.print('catalog and servers agree')
    return
  }
  io.print('')
  printTable(io, {
    columns: [
      { title: 'ON', align: 'right' },
      { title: 'WHAT', widthMin: 12 },
      { title: isDryRun ? 'WOULD BE' : 'WILL BE', widthMin: 12 },
      { title: 'SIZE', align: 'right' },
      { title: 'KEY', widthMin: 30 },
      { title: 'WHY', widthMin: 10 },
    ],
    rows: findings.map(({ server, what, action, sizeBytes, key, detail, isWarning }) => [
      String(server.number),
      isWarning ? { text: what, style: 'warning' } : what,
      action,
      formatBytes(sizeBytes),
      key,
      detail ?? '',
    ]),
  })
  for (const file of plan.lost)
    io.print(oneLine(`archive lost: no server has a copy of ${file} any more`))
}

function serverLine({ server, listed, otherBytes, otherBytesBefore, ...rest }: ServerPlan): string {
  if (listed === undefined)
    return `${server.label}: may not be listed with this key; every copy was asked for`
  const others =
    otherBytes === undefined || otherBytes === otherBytesBefore
      ? `${formatBytes(otherBytesBefore)} of others`
      : `${formatBytes(otherBytes)} of others (${formatBytes(otherBytesBefore)} until now)`
  const more = [
    rest.strangers > 0 ? `${plural(rest.strangers, 'object')} that are no archives` : '',
    rest.leftOver > 0 ? `${plural(rest.leftOver, 'object')} left for the next reconcile` : '',
  ].filter((text) => text !== '')
  const objects = `${plural(listed.objects, 'object')}, ${formatBytes(listed.sizeBytes)}`
  return `${server.label}: ${[objects, others, ...more].join('; ')}`
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
    io.printError('not complete: run it again when the servers named above can be read')
}

export function printSurvey(io: Out, { start, servers }: RebuildSurvey): void {
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
}

function printStart(io: Out, start: RebuildStart, verb = 'began'): void {
  for (const warning of start.warnings) io.printError(oneLine(`warning: ${warning}`))
  const from = {
    nothing: 'with nothing: no copy of the catalog was found',
    snapshot: `with the copy of the catalog on ${start.name ?? ''}`,
    resumed: 'where an interrupted rebuild had come to',
  }[start.from]
  io.print(oneLine(`${verb} ${from}`))
}
