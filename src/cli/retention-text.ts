// Retention for people: the plan with its reasons, and what became of it.

import { formatBytes } from '../domain/sizes.ts'
import { formatUtc, painter, plural, printTable } from './output.ts'
import { oneLine } from './text.ts'
import { refusalText } from '../operations/deletions.ts'
import type { Io } from './command.ts'
import type { PrunePlan } from '../operations/plan-prune.ts'
import type { ReportedRetention } from '../domain/run-report.ts'

type Screen = Pick<Io<unknown>, 'print' | 'printError' | 'out'>

const WIDE_FROM_COLUMNS = 100

export function printPrunePlan(io: Screen, { archives, held, notes, remaining }: PrunePlan): void {
  // To standard error: whoever counts lines must count none.
  if (archives.length === 0) {
    io.printError('no archives: there is nothing to decide')
    return
  }
  // A file name says the date, too: on a narrow terminal the reasons need the room more.
  const hasDate = !io.out.isTerminal || io.out.columns() >= WIDE_FROM_COLUMNS
  printTable(io, {
    columns: [
      { title: 'ARCHIVE', widthMin: 32 },
      ...(hasDate ? [{ title: 'DATE (UTC)' }] : []),
      { title: 'SIZE', align: 'right' },
      { title: 'ACTION' },
      { title: 'REASONS', widthMin: 20 },
    ],
    rows: archives.map(({ archive, action, bytes, reasons }) => [
      archive.file,
      ...(hasDate ? [formatUtc(archive.startedAt)] : []),
      formatBytes(bytes),
      { text: action, style: action === 'keep' ? 'good' : 'warning' },
      reasons.join(', '),
    ]),
  })
  const paint = painter(io.out)
  const going = archives.filter(({ action }) => action === 'delete')
  const freed = going.reduce((sum, { bytes }) => sum + bytes, 0)
  for (const { source, reason, isWarning } of held)
    io.print(
      paint(
        isWarning ? 'warning' : 'faint',
        `! ${oneLine(source)} is left alone: ${oneLine(reason)}`,
      ),
    )
  for (const note of notes) io.print(paint('warning', `! ${oneLine(note)}`))
  const late = remaining === 0 ? '' : `; ${remaining} more are due, and left to the next run`
  io.print(
    `${plural(archives.length - going.length, 'archive')} to keep, ${going.length} to delete ` +
      `(${formatBytes(freed)})${late}`,
  )
}

/** Of a run nothing is said when there was nothing to do; of `prune` (`isWhole`) always. */
export function printRetention(
  io: Pick<Screen, 'print' | 'out'>,
  { deleted, partlyDeleted, freedBytes, refused, held, remaining }: ReportedRetention,
  { isWhole }: { readonly isWhole: boolean },
): void {
  const paint = painter(io.out)
  // `prune` has just printed a whole table of them.
  if (!isWhole)
    for (const { file, bytes } of deleted)
      io.print(paint('faint', `  pruned ${oneLine(file)} (${formatBytes(bytes)})`))
  for (const { file, bytes, copiesLeft } of partlyDeleted) {
    const stays = `${plural(copiesLeft, 'copy', 'copies')} of it cannot be deleted now`
    io.print(paint('warning', `  pruned ${oneLine(file)} (${formatBytes(bytes)}); ${stays}`))
  }
  for (const { source, reason } of held)
    io.print(paint('warning', `! nothing of ${oneLine(source)} is pruned: ${oneLine(reason)}`))
  for (const each of refused) io.print(paint('warning', `! ${oneLine(refusalText(each))}`))
  if (!isWhole && deleted.length === 0 && freedBytes === 0 && remaining === 0) return
  const late = remaining === 0 ? '' : `; ${remaining} more are due, and left to the next run`
  const partly = partlyDeleted.length === 0 ? '' : ` and ${partlyDeleted.length} in part`
  io.print(
    `pruned ${plural(deleted.length, 'archive')}${partly}, ${formatBytes(freedBytes)} freed${late}`,
  )
}
