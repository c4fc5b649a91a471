// spillway evacuate N: everything of this catalog leaves one server.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, DRY_RUN_FLAG, JSON_FLAG } from '../command.ts'
import { evacuate } from '../../operations/evacuate.ts'
import { formatBytes, formatSeconds } from '../../domain/sizes.ts'
import { numbersOf, openCopyProgress } from '../copies-text.ts'
import { oneLine } from '../text.ts'
import { formatCount, painter, plural, printTable } from '../output.ts'
import { planEvacuation } from '../../operations/evacuate-plan.ts'
import { SpillwayError } from '../../domain/errors.ts'
import type { EvacuatedArchive, Evacuation } from '../../operations/evacuate-record.ts'
import type { Io } from '../command.ts'
import type { Services } from '../../operations/services.ts'
import type { Style } from '../output.ts'

const STYLES: Readonly<Record<EvacuatedArchive['action'], Style>> = {
  move: 'good',
  remove: 'good',
  leave: 'bad',
}

export const evacuateCommand = defineCommand({
  ...COMMAND_TITLES.evacuate,
  details: [
    'N is the number of S3_SERVER_N_*. Set S3_SERVER_N_ENABLED=false first, so that no new archive goes ' +
      'there: a disabled server is still read from and evacuated.',
    'An archive with COPIES proven copies on other servers is only removed there. Any other is read (from ' +
      'the spool, another copy, or server N), checked frame by frame against the catalog, stored on the ' +
      'next server with room, proven there, and only then removed. A damaged copy stays where it is and is ' +
      "named. One archive at a time lies in the spool. This host's copies of the catalog there go last, once " +
      'no archive is left and another server has one.',
    'It may be interrupted or killed at any moment and run again. It ends with 0 when nothing is left, ' +
      'with 3 when new archives still go there, with 26 when other servers have no room, with 31 when a copy is damaged.',
  ],
  flags: { json: JSON_FLAG, 'dry-run': DRY_RUN_FLAG },
  examples: ['spillway evacuate 2 --dry-run', 'spillway evacuate 2', 'spillway evacuate 2 --json'],

  async run(flags, [operand = ''], io: Io<Services>) {
    const number = serverNumber(operand)
    const services = await io.services()
    if (flags['dry-run']) {
      const { config } = services
      return show(
        io,
        flags.json,
        await planEvacuation({ config, catalog: await services.catalog() }, number),
      )
    }
    const { openStorage, config } = services
    const server = config.servers.find((each) => each.number === number)
    // Before a byte is moved: it is in vain while new ones come.
    if (server?.isEnabled) io.printError(`warning: ${stillEnabled(server.label, number)}`)
    const progress = openCopyProgress(io, 'evacuating')
    const onArchive = (archive: EvacuatedArchive): void =>
      progress.line(lineOf(archive, number), archive.action === 'leave' ? 4 : 5)
    try {
      const done = await services.withRun(progress.onEvent, (running) =>
        evacuate(
          { ...running, openStorage },
          { number, onArchive, onProgress: progress.onProgress },
          io.signal,
        ),
      )
      progress.close()
      return show(io, flags.json, done)
    } finally {
      progress.close()
    }
  },
})

function serverNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new SpillwayError('USAGE', `evacuate takes the number of a server, got "${text}"`)
}

function lineOf(
  { action, file, sizeBytes, to, message }: EvacuatedArchive,
  number: number,
): string {
  const what = `${file} (${formatBytes(sizeBytes)})`
  if (action === 'leave') return `left ${what} on server ${number}: ${message ?? 'not known why'}`
  if (action === 'move') return `moved ${what} from server ${number} to ${numbersOf(to)}`
  return `removed ${what} from server ${number}: other copies of it are proven`
}

function show(io: Io<Services>, isJson: boolean, done: Evacuation): number {
  if (isJson) io.printJson(done)
  else printEvacuation(io, done)
  return done.exit
}

function printEvacuation(io: Io<Services>, done: Evacuation): void {
  const paint = painter(io.out)
  const { archives, dryRun, server } = done
  // What was done has had its line already; the table shows what would be done, or what is left to do.
  const shown = dryRun ? archives : archives.filter(({ action }) => action === 'leave')
  if (shown.length > 0) printArchives(io, shown)
  for (const reason of new Set(shown.flatMap(({ message }) => message ?? [])))
    io.print(paint('bad', `  ${oneLine(reason)}`))
  for (const warning of done.warnings) io.print(paint('warning', `! ${oneLine(warning)}`))
  for (const hint of done.hints) io.print(`-> ${oneLine(hint)}`)
  if (server.enabled && dryRun)
    io.print(paint('warning', `! ${stillEnabled(server.label, server.number)}`))
  for (const line of catalogLines(done)) io.print(line)
  io.print(paint(done.exit === 0 ? 'good' : done.exit === 3 ? 'warning' : 'bad', summaryOf(done)))
  if (dryRun) io.print('Nothing was moved and no server was asked (--dry-run).')
}

function stillEnabled(label: string, number: number): string {
  return `new archives still go to ${oneLine(label)}: set S3_SERVER_${number}_ENABLED=false`
}

function catalogLines({ catalogCopies, dryRun, server }: Evacuation): readonly string[] {
  const { count, bytes } = catalogCopies
  const label = oneLine(server.label)
  const what = `${plural(count, 'copy', 'copies')} of the catalog (${formatBytes(bytes)})`
  const verb = dryRun ? 'would be removed from' : 'removed from'
  const leftBytes = server.catalogBytes - (dryRun ? bytes : 0)
  return [
    ...(count > 0 ? [`${what} ${verb} ${label}, too`] : []),
    ...(leftBytes > 0
      ? [`${formatBytes(leftBytes)} of copies of the catalog stay on ${label}`]
      : []),
  ]
}

function printArchives(io: Io<Services>, archives: readonly EvacuatedArchive[]): void {
  printTable(io, {
    columns: [
      { title: 'ARCHIVE', widthMin: 24 },
      { title: 'SIZE', align: 'right' },
      { title: 'ACTION' },
      { title: 'TO' },
      { title: 'CODE' },
    ],
    rows: archives.map(({ file, sizeBytes, action, to, code }) => [
      file,
      formatBytes(sizeBytes),
      { text: action, style: STYLES[action] },
      to.join(', '),
      code ?? '',
    ]),
  })
}

function summaryOf(done: Evacuation): string {
  const { dryRun, left, leftBytes, moved, movedBytes, removed, removedBytes, server } = done
  const verb = (past: string, plan: string) => (dryRun ? `would be ${plan}` : past)
  const parts = [
    `${plural(moved, 'archive')} ${verb('moved', 'moved')} (${formatBytes(movedBytes)})`,
    `${formatCount(removed)} ${verb('removed', 'removed')} (${formatBytes(removedBytes)})`,
    `${formatCount(left)} left (${formatBytes(leftBytes)})`,
  ]
  const time = dryRun ? '' : `, in ${formatSeconds(done.seconds)}`
  return `${oneLine(server.label)}: ${parts.join(', ')}${time} (exit ${done.exit})`
}
