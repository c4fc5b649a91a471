// spillway copies: archives with fewer than COPIES copies get what they lack.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, DRY_RUN_FLAG, JSON_FLAG } from '../command.ts'
import { fillCopies, planFill } from '../../operations/copies-fill.ts'
import { formatBytes, formatSeconds } from '../../domain/sizes.ts'
import { numbersOf, openCopyProgress } from '../copies-text.ts'
import { oneLine } from '../text.ts'
import { painter, plural, printTable } from '../output.ts'
import { SpillwayError } from '../../domain/errors.ts'
import type { CopiedArchive, CopiesReport } from '../../operations/copies-record.ts'
import type { Io } from '../command.ts'
import type { Services } from '../../operations/services.ts'
import type { Style } from '../output.ts'

const STYLES: Readonly<Record<CopiedArchive['action'], Style>> = {
  copy: 'good',
  mend: 'good',
  leave: 'bad',
  later: 'faint',
}

export const copiesCommand = defineCommand({
  ...COMMAND_TITLES.copies,
  details: [
    'After COPIES was raised, after a server lost objects, or after one left the configuration. A copy on a ' +
      'server that is not configured does not count; one on a server that does not answer tonight does. ' +
      'The bytes come from the spool or from another copy, and are checked frame by frame against the ' +
      'catalog before they are sent.',
    'A copy that verify found damaged counts as none: a sound one is made first, on another server, or under a ' +
      'new key on the same one when no other has room, and is proven; only then the damaged one is deleted. ' +
      'Nothing else is deleted. An archive whose every copy is damaged is named, with exit code 3.',
    'Archives with the fewest copies come first, then the newest. --budget bounds the bytes of one time: ' +
      'with it the command can run every night after the run. It ends with 26 when no server has room, and ' +
      'with 31 when a copy is damaged.',
  ],
  flags: {
    budget: { type: 'string', placeholder: 'SIZE', help: 'at most so much, as in 50GB' },
    json: JSON_FLAG,
    'dry-run': DRY_RUN_FLAG,
  },
  examples: ['spillway copies --dry-run', 'spillway copies --budget=50GB'],

  async run(flags, _operands, io: Io<Services>) {
    const budgetBytes = flags.budget === undefined ? undefined : budgetOf(flags.budget)
    const services = await io.services()
    const { config, openStorage } = services
    if (flags['dry-run']) {
      const catalog = await services.catalog()
      return show(io, flags.json, await planFill({ config, catalog }, { budgetBytes }))
    }
    const progress = openCopyProgress(io, 'copying')
    const onArchive = (archive: CopiedArchive): void =>
      progress.line(lineOf(archive), archive.action === 'leave' ? 4 : 5)
    try {
      const done = await services.withRun(progress.onEvent, (running) =>
        fillCopies(
          { ...running, openStorage },
          { budgetBytes, onArchive, onProgress: progress.onProgress },
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

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }

function budgetOf(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,12}(?:\.\d{1,9})?) ?(?:([kmgt])?b)$/i.exec(text) ?? []
  const bytes = Math.floor(Number(digits) * (UNITS[unit.toLowerCase()] ?? NaN))
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
  throw new SpillwayError('USAGE', `copies: --budget must be a size such as 50GB, got "${text}"`)
}

function lineOf({ action, damagedOn, file, sizeBytes, to, message }: CopiedArchive): string {
  const what = `${file} (${formatBytes(sizeBytes)})`
  const why = message ?? 'not known why'
  const damaged = damagedOn.length === 0 ? '' : `the damaged copy on ${numbersOf(damagedOn)}`
  if (action === 'leave' && damaged !== '') return `${what}: ${damaged} stays: ${why}`
  if (action === 'leave') return `${what} still has too few copies: ${why}`
  if (action === 'mend' && to.length === 0)
    return `mended ${what}: ${damaged} is not needed any more`
  if (action === 'mend') return `mended ${what}: copied to ${numbersOf(to)}, instead of ${damaged}`
  return to.length === 0 ? `${what} has enough copies` : `copied ${what} to ${numbersOf(to)}`
}

function show(io: Io<Services>, isJson: boolean, done: CopiesReport): number {
  if (isJson) io.printJson(done)
  else printCopies(io, done)
  return done.exit
}

function printCopies(io: Io<Services>, done: CopiesReport): void {
  const paint = painter(io.out)
  // What was done has had its line already; the table shows what would be done, or what is left to do.
  const shown = done.dryRun
    ? done.archives
    : done.archives.filter(({ action }) => action !== 'copy' && action !== 'mend')
  const hasDamage = shown.some(({ damagedOn }) => damagedOn.length > 0)
  if (shown.length > 0)
    printTable(io, {
      columns: [
        { title: 'ARCHIVE', widthMin: 24 },
        { title: 'SIZE', align: 'right' },
        { title: 'ACTION' },
        { title: 'TO' },
        ...(hasDamage ? [{ title: 'DAMAGED ON' }] : []),
        { title: 'CODE' },
      ],
      rows: shown.map(({ file, sizeBytes, action, to, damagedOn, code }) => [
        file,
        formatBytes(sizeBytes),
        { text: action, style: STYLES[action] },
        to.join(', '),
        ...(hasDamage ? [damagedOn.join(', ')] : []),
        code ?? '',
      ]),
    })
  const reasons = shown.flatMap(({ action, message }) =>
    action === 'leave' && message !== null ? [message] : [],
  )
  for (const reason of new Set(reasons)) io.print(paint('bad', `  ${oneLine(reason)}`))
  for (const warning of done.warnings) io.print(paint('warning', `! ${oneLine(warning)}`))
  for (const hint of done.hints) io.print(`-> ${oneLine(hint)}`)
  io.print(paint(done.exit === 0 ? 'good' : done.exit === 3 ? 'warning' : 'bad', summaryOf(done)))
  if (done.dryRun) io.print('Nothing was copied and no server was asked (--dry-run).')
}

function summaryOf(done: CopiesReport): string {
  const { copied, copiedBytes, dryRun, left, leftBytes, later, laterBytes, mended, mendedBytes } =
    done
  const would = dryRun ? 'would be ' : ''
  const parts = [
    `${plural(copied, 'archive')} ${would}copied (${formatBytes(copiedBytes)})`,
    ...(mended > 0 ? [`${mended} ${would}mended (${formatBytes(mendedBytes)})`] : []),
    ...(left > 0 ? [`${left} with too few sound copies still (${formatBytes(leftBytes)})`] : []),
    ...(later > 0 ? [`${later} for another time, by --budget (${formatBytes(laterBytes)})`] : []),
  ]
  const time = dryRun ? '' : `, in ${formatSeconds(done.seconds)}`
  return `${done.outcome}: ${parts.join(', ')}${time} (exit ${done.exit})`
}
