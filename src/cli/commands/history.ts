// spillway history: the versions of one path, and which archives have them.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import { formatBytes } from '../../domain/sizes.ts'
import { openCatalogFor, pathText, tellUnknown, timeText } from '../file-text.ts'
import { oneLine } from '../text.ts'
import { pathHistory } from '../../operations/history.ts'
import { countCell, printTable } from '../output.ts'
import type { Cell } from '../table.ts'
import type { FileServices } from '../file-text.ts'
import type { Io } from '../command.ts'
import type { PathHistory, ToldVersion } from '../../operations/history.ts'

export const historyCommand = defineCommand({
  ...COMMAND_TITLES.history,
  details: [
    'PATH is relative to the folder of its source, or absolute and inside of it. Newest first; a version is ' +
      'new when type, size, time or mode is another. ARCHIVES counts those that have it and can be ' +
      'restored; NEWEST is the last of them. What is in between two archives nobody saw.',
  ],
  flags: {
    source: { type: 'string', placeholder: 'NAME', help: 'only in archives of this source' },
    all: { type: 'boolean', help: 'also versions that only deleted archives had' },
    json: JSON_FLAG,
  },
  examples: ['spillway history nginx/nginx.conf', 'spillway history /etc/fstab --source=etc'],

  async run(flags, [path = ''], io: Io<FileServices>) {
    const answer = await pathHistory(await openCatalogFor(io), {
      path,
      source: flags.source,
      includesDeleted: flags.all,
    })
    if (flags.json) {
      io.printJson(answer)
      return 0
    }
    for (const [place, history] of answer.histories.entries()) {
      if (place > 0) io.print('')
      if (answer.histories.length > 1) io.print(headingOf(history))
      printVersions(io, history)
    }
    tellUnknown(io, answer.unknown)
    return 0
  },
})

function headingOf(history: PathHistory): string {
  const { host, source } = history
  return `${oneLine(source)} on ${oneLine(host)}: ${pathText(history)}`
}

function printVersions(io: Io<FileServices>, { versions }: PathHistory): void {
  printTable(io, {
    columns: [
      { title: 'SINCE (UTC)' },
      { title: 'EVENT', widthMin: 7 },
      { title: 'MODIFIED (UTC)', leavesAs: 2 },
      { title: 'SIZE', align: 'right' },
      { title: 'MODE', align: 'right', leavesAs: 3 },
      { title: 'ARCHIVES', align: 'right', leavesAs: 1 },
      // What restore is told.
      { title: 'NEWEST', widthMin: 28 },
    ],
    rows: versions.toReversed().flatMap((version) => rowsOf(io, version)),
  })
}

function rowsOf(
  { out }: Pick<Io<FileServices>, 'out'>,
  version: ToldVersion,
): readonly (readonly Cell[])[] {
  const { archives, until, isGoneThen } = version
  const event =
    version.event === 'appeared' || version.changes.length === 0
      ? version.event
      : `${version.event}: ${version.changes.join(', ')}`
  const row = [
    timeText(version.since),
    event,
    timeText(version.modifiedAt),
    version.kind === 'file' ? formatBytes(version.sizeBytes) : version.kind,
    version.mode,
    countCell(out, archives.length),
    archives.at(-1)?.file ?? 'deleted',
  ]
  const gone: Cell = { text: 'gone', style: 'warning' }
  return isGoneThen && until !== null ? [[timeText(until), gone], row] : [row]
}
