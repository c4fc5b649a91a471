// spillway diff: what one archive has and another has not, or has otherwise.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import { diffArchives } from '../../operations/diff.ts'
import { formatBytes } from '../../domain/sizes.ts'
import { formatCount, plural, printTable } from '../output.ts'
import { LIMIT_DEFAULT, limitOf, openCatalogFor, pathText } from '../file-text.ts'
import { oneLine } from '../text.ts'
import type { ArchiveDifference, DifferenceSum, FileDifference } from '../../operations/diff.ts'
import type { Cell } from '../table.ts'
import type { FileServices } from '../file-text.ts'
import type { Io } from '../command.ts'
import type { ToldState } from '../../operations/file-answers.ts'

export const diffCommand = defineCommand({
  ...COMMAND_TITLES.diff,
  details: [
    'Answered from the catalog: no server is asked. Files are compared by type, size, time and mode; a ' +
      'folder in which only the time changed is not listed, since what changed in it is.',
  ],
  flags: {
    limit: {
      type: 'count',
      placeholder: 'N',
      help: `no more than N differences (${formatCount(LIMIT_DEFAULT)})`,
    },
    json: JSON_FLAG,
  },
  examples: ['spillway diff etc-20260301-023000.tar.zst latest:etc'],

  async run(flags, [from = '', to = ''], io: Io<FileServices>) {
    const limit = limitOf('diff', flags.limit)
    const found = await diffArchives(await openCatalogFor(io), { from, to, limit })
    if (flags.json) io.printJson(found)
    else printDifferences(io, found, limit)
    return 0
  },
})

function printDifferences(io: Io<FileServices>, found: ArchiveDifference, limit: number): void {
  const { from, to, differences, hasMore, added, removed, changed, unchanged } = found
  if (from.source !== to.source)
    io.printError(
      `two sources are compared: ${oneLine(from.source)} (${from.file}) and ${oneLine(to.source)} (${to.file})`,
    )
  if (differences.length > 0) {
    printTable(io, {
      columns: [
        { title: '' },
        { title: 'SIZE', align: 'right' },
        { title: 'WAS', align: 'right' },
        { title: 'CHANGED' },
        { title: 'PATH', widthMin: 20 },
      ],
      rows: differences.map(rowOf),
    })
  }
  if (hasMore) io.printError(`only the first ${formatCount(limit)} are shown: --limit=N shows more`)
  const sums = `${sumOf(added, 'added')}, ${sumOf(removed, 'removed')}, ${sumOf(changed, 'changed')}`
  const rest = `${formatCount(unchanged.files)} the same`
  // For people: whoever counts lines counts differences.
  if (io.out.isTerminal) io.print(`${from.file} to ${to.file}: ${sums}, ${rest}`)
  else if (differences.length === 0)
    io.printError(`no differences, ${plural(unchanged.files, 'member')}`)
}

const SIGNS = {
  added: { text: '+', style: 'good' },
  removed: { text: '-', style: 'bad' },
  changed: { text: '~', style: 'warning' },
} as const

function rowOf(difference: FileDifference): readonly Cell[] {
  const { before, after, changes } = difference
  const kind = (after ?? before)?.kind ?? 'file'
  return [
    SIGNS[difference.difference],
    sizeText(after),
    sizeText(before),
    changes.join(','),
    pathText({ ...difference, kind }),
  ]
}

function sizeText(state: ToldState | null): string {
  if (state === null) return ''
  return state.kind === 'file' ? formatBytes(state.sizeBytes) : state.kind
}

function sumOf({ files, bytes }: DifferenceSum, what: string): string {
  return `${formatCount(files)} ${what} (${formatBytes(bytes)})`
}
