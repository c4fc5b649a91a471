// spillway list: the archives of this host, newest first.

import { defineCommand, JSON_FLAG, NO_OPERANDS } from '../command.ts'
import type { Io } from '../command.ts'
import { formatUtc, plural, printTable } from '../output.ts'
import type { Style } from '../output.ts'
import type { Cell } from '../table.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { ShownState } from '../../domain/archive.ts'
import type { Config } from '../../domain/config.ts'
import { formatBytes } from '../../domain/sizes.ts'
import { checkSource, listArchives } from '../../operations/list.ts'
import type { ListedArchive } from '../../operations/list.ts'

/** Only what this command needs: the real services have more. */
export type ListServices = {
  readonly config: Config
  readonly catalogIfPresent: () => Promise<Catalog | undefined>
}

const STYLES: Readonly<Record<ShownState, Style | undefined>> = {
  packing: undefined,
  waiting: 'warning',
  stored: 'good',
  failed: 'bad',
  deleted: 'faint',
}

export const listCommand = defineCommand({
  name: 'list',
  summary: 'the archives of this host, newest first',
  details: [
    'LOCATION says where an archive can be restored from: local (the spool), s3 (a server) or both. ' +
      'In a pipe nothing is cut; on a terminal long names give way to the width of the window.',
  ],
  operands: NO_OPERANDS,
  flags: {
    source: { type: 'string', placeholder: 'NAME', help: 'only archives of this source' },
    limit: { type: 'count', placeholder: 'N', help: 'only the newest N' },
    all: { type: 'boolean', help: 'failed and deleted archives as well' },
    json: JSON_FLAG,
  },
  examples: ['spillway list', 'spillway list --source=etc --limit=10', 'spillway list --json'],

  async run(flags, _operands, io: Io<ListServices>) {
    const { config, catalogIfPresent } = await io.services()
    const catalog = await catalogIfPresent()
    const input = { source: flags.source, limit: flags.limit, includesLost: flags.all }
    const archives = catalog === undefined ? [] : await listArchives({ config, catalog }, input)
    checkSource(config, flags.source, archives.length > 0)
    if (flags.json) io.printJson({ archives })
    else printArchives(io, archives, flags.all)
    return 0
  },
})

function printArchives(
  io: Io<ListServices>,
  archives: readonly ListedArchive[],
  isAll: boolean,
): void {
  // To standard error: whoever counts lines must count none.
  if (archives.length === 0) {
    io.printError(`no archives${isAll ? '' : ' (failed and deleted ones: --all)'}`)
    return
  }
  printTable(io, {
    columns: [
      { title: 'CREATED (UTC)' },
      { title: 'SOURCE', widthMin: 8 },
      { title: 'FILE', widthMin: 26 },
      { title: 'SIZE', align: 'right' },
      { title: 'FILES', align: 'right' },
      { title: 'STATE' },
      { title: 'LOCATION' },
      { title: 'SERVER', widthMin: 12 },
    ],
    rows: archives.map(rowOf),
  })
  if (!io.out.isTerminal) return
  const sizeBytes = archives.reduce((sum, archive) => sum + (archive.sizeBytes ?? 0), 0)
  io.print(`${plural(archives.length, 'archive')}, ${formatBytes(sizeBytes)}`)
}

function rowOf(archive: ListedArchive): readonly Cell[] {
  const style = STYLES[archive.state]
  const state = [archive.state, ...(archive.pinned ? ['pinned'] : [])].join(', ')
  return [
    formatUtc(new Date(archive.createdAt)),
    archive.source,
    archive.file,
    archive.sizeBytes === null ? '-' : formatBytes(archive.sizeBytes),
    archive.fileCount === null ? '-' : String(archive.fileCount),
    style === undefined ? state : { text: state, style },
    archive.location ?? '-',
    serversOf(archive),
  ]
}

/** Labels of the servers with a copy; a copy that is not simply stored says so. */
function serversOf({ copies, reason }: ListedArchive): string {
  const labels = copies.map(({ label, state }) =>
    state === 'stored' ? label : `${label} (${state})`,
  )
  return labels.length > 0 ? labels.join(', ') : (reason ?? '-')
}
