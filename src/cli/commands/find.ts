// spillway find: files across all archives, by a part of the name or a glob.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import { findFiles } from '../../operations/find.ts'
import { formatBytes } from '../../domain/sizes.ts'
import {
  LIMIT_DEFAULT,
  limitOf,
  openCatalogFor,
  pathText,
  tellUnknown,
  timeText,
} from '../file-text.ts'
import { countCell, formatCount, plural, printTable } from '../output.ts'
import type { Cell } from '../table.ts'
import type { FileServices } from '../file-text.ts'
import type { Found, FoundFile } from '../../operations/find.ts'
import type { Io } from '../command.ts'

export const findCommand = defineCommand({
  ...COMMAND_TITLES.find,
  details: [
    'PATTERN is a word that may stand anywhere in a name; with a slash in it, a part of the path; with ' +
      'one in front, whole parts of it from the folder of the source on. A glob (*, ?, [a-z], and ** for any folders) ' +
      'must fit the whole name, or the whole path if there is a slash in it. A slash at the end means ' +
      'folders only.',
    'Size and time are those of the newest version. GONE is the first archive without it: it was deleted ' +
      'between that one and the one before. ARCHIVE is the newest archive that has it: give it to ' +
      'restore. What only deleted archives had is shown with --all, as far as it is still known.',
  ],
  flags: {
    source: { type: 'string', placeholder: 'NAME', help: 'only in archives of this source' },
    'ignore-case': { type: 'boolean', help: 'take capital and small letters for the same' },
    all: { type: 'boolean', help: 'also what only deleted archives had' },
    limit: {
      type: 'count',
      placeholder: 'N',
      help: `no more than N files (${formatCount(LIMIT_DEFAULT)})`,
    },
    json: JSON_FLAG,
  },
  examples: [
    'spillway find invoice',
    "spillway find '*.conf' --source=etc",
    "spillway find 'home/**/thesis*' --ignore-case --json",
  ],

  async run(flags, [pattern = ''], io: Io<FileServices>) {
    const limit = limitOf('find', flags.limit)
    const found = await findFiles(await openCatalogFor(io), {
      pattern,
      ignoresCase: flags['ignore-case'],
      source: flags.source,
      includesDeleted: flags.all,
      limit,
    })
    if (flags.json) io.printJson(found)
    else printFound(io, found, { isAll: flags.all, limit })
    return 0
  },
})

function printFound(
  io: Io<FileServices>,
  { files, hasMore, unknown }: Found,
  { isAll, limit }: { readonly isAll: boolean; readonly limit: number },
): void {
  if (files.length > 0) printFiles(io, files)
  else io.printError(`no file found${isAll ? '' : ' (in deleted archives: --all)'}`)
  if (files.length > 0 && io.out.isTerminal)
    io.print(plural(files.length, 'file') + (hasMore ? ', and there are more' : ''))
  if (hasMore) io.printError(`only the first ${formatCount(limit)} are shown: --limit=N shows more`)
  tellUnknown(io, unknown)
}

function printFiles(io: Io<FileServices>, files: readonly FoundFile[]): void {
  const isWide = !io.out.isTerminal || io.out.columns() >= 120
  const hasGone = files.some(({ goneAt }) => goneAt !== null)
  const hasHosts = new Set(files.map(({ host }) => host)).size > 1
  printTable(io, {
    columns: [
      ...(hasHosts ? [{ title: 'HOST', widthMin: 6 }] : []),
      ...(isWide ? [{ title: 'SOURCE', widthMin: 8 }] : []),
      { title: 'MODIFIED (UTC)', leavesAs: 1 },
      { title: 'SIZE', align: 'right', leavesAs: 2 },
      ...(isWide ? [{ title: 'VERSIONS', align: 'right', leavesAs: 3 } as const] : []),
      ...(hasGone ? [{ title: 'GONE (UTC)' }] : []),
      // What restore is told.
      { title: 'ARCHIVE', widthMin: 24 },
      { title: 'PATH', widthMin: 16 },
    ],
    rows: files.map((file) => [
      ...(hasHosts ? [file.host] : []),
      ...(isWide ? [file.source] : []),
      timeText(file.modifiedAt),
      file.kind === 'file' ? formatBytes(file.sizeBytes) : file.kind,
      ...(isWide ? [countCell(io.out, file.versions)] : []),
      ...(hasGone ? [goneCell(file)] : []),
      archiveCell(file),
      pathText(file),
    ]),
  })
}

function goneCell({ goneAt }: FoundFile): Cell {
  return goneAt === null ? '-' : { text: timeText(goneAt), style: 'warning' }
}

function archiveCell({ newest, goneAt }: FoundFile): Cell {
  if (newest === null) return { text: 'deleted', style: 'faint' }
  // Not in the newest one any more: worth a look before it is restored from an old one.
  return goneAt === null ? newest.file : { text: newest.file, style: 'warning' }
}
