// spillway files: what is in one archive.

import { archiveFiles } from '../../operations/archive-files.ts'
import type { ArchiveFiles } from '../../operations/archive-files.ts'
import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import type { Io } from '../command.ts'
import { LIMIT_DEFAULT, limitOf, openCatalogFor, pathText, timeText } from '../file-text.ts'
import type { FileServices } from '../file-text.ts'
import { formatBytes } from '../../domain/sizes.ts'
import { formatCount, plural, printTable } from '../output.ts'

export const filesCommand = defineCommand({
  ...COMMAND_TITLES.files,
  details: [
    'ARCHIVE is an id, the beginning of one, a file name, or latest:SOURCE. PATTERN is that of "spillway find". ' +
      'No server is asked: the catalog knows.',
  ],
  flags: {
    limit: {
      type: 'count',
      placeholder: 'N',
      help: `no more than N files (${formatCount(LIMIT_DEFAULT)})`,
    },
    json: JSON_FLAG,
  },
  examples: ['spillway files latest:etc', "spillway files latest:etc '*.conf'"],

  async run(flags, [archive = '', pattern], io: Io<FileServices>) {
    const limit = limitOf('files', flags.limit)
    const found = await archiveFiles(await openCatalogFor(io), { archive, pattern, limit })
    if (flags.json) io.printJson(found)
    else printFiles(io, found, limit)
    return 0
  },
})

function printFiles(io: Io<FileServices>, { files, hasMore }: ArchiveFiles, limit: number): void {
  if (files.length === 0) io.printError('no file found')
  else
    printTable(io, {
      columns: [
        { title: 'MODE', leavesAs: 1 },
        { title: 'MODIFIED (UTC)' },
        { title: 'SIZE', align: 'right' },
        // What restore is told.
        { title: 'PATH', widthMin: 20 },
      ],
      rows: files.map((file) => [
        file.mode,
        timeText(file.modifiedAt),
        file.kind === 'file' ? formatBytes(file.sizeBytes) : file.kind,
        pathText(file),
      ]),
    })
  if (io.out.isTerminal && files.length > 0)
    io.print(plural(files.length, 'file') + (hasMore ? ', and there are more' : ''))
  if (hasMore) io.printError(`only the first ${formatCount(limit)} are shown: --limit=N shows more`)
}
