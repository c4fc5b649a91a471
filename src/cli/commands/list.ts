// spillway list: the archives of this host, newest first.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import type { Io, Screen } from '../command.ts'
import { noCatalog } from '../no-catalog.ts'
import { countCell, formatUtc, plural, printTable } from '../output.ts'
import type { Style } from '../output.ts'
import type { Cell, Table } from '../table.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { ShownState } from '../../domain/archive.ts'
import type { Config } from '../../domain/config.ts'
import type { Services } from '../../operations/services.ts'
import { formatBytes } from '../../domain/sizes.ts'
import { checkSource, listArchives } from '../../operations/list.ts'
import type { ListedArchive } from '../../operations/list.ts'

/** Only what this command needs: the real services have more. */
export type ListServices = {
  readonly config: Config
  readonly catalogIfPresent: () => Promise<Catalog | undefined>
  readonly currentRun: Services['currentRun']
}

const STYLES: Readonly<Record<ShownState, Style | undefined>> = {
  packing: undefined,
  waiting: 'warning',
  stored: 'good',
  failed: 'bad',
  deleted: 'faint',
}

export const listCommand = defineCommand({
  ...COMMAND_TITLES.list,
  details: [
    'LOCATION says where an archive can be restored from: local (the spool), s3 (a server) or both. ' +
      'In a pipe nothing is cut; on a terminal long names give way to the width of the window.',
  ],
  flags: {
    source: { type: 'string', placeholder: 'NAME', help: 'only archives of this source' },
    limit: { type: 'count', placeholder: 'N', help: 'only the newest N' },
    all: { type: 'boolean', help: 'failed and deleted archives as well' },
    json: JSON_FLAG,
  },
  examples: ['spillway list', 'spillway list --source=etc --limit=10', 'spillway list --json'],

  async run(flags, _operands, io: Io<ListServices>) {
    const { config, catalogIfPresent, currentRun } = await io.services()
    const catalog = await catalogIfPresent()
    const input = { source: flags.source, limit: flags.limit, includesLost: flags.all }
    const archives = catalog === undefined ? [] : await listArchives({ config, catalog }, input)
    checkSource(config, flags.source, archives.length > 0)
    if (flags.json) io.printJson({ archives })
    else if (catalog === undefined) printNoCatalog(io, config)
    else
      printArchives(io, archives, {
        isAll: flags.all,
        isRunning: (await currentRun()) !== undefined,
      })
    return 0
  },
})

/** "No archives" alone would read as if none had ever been made. */
function printNoCatalog(io: Io<ListServices>, config: ListServices['config']): void {
  const { message, hint = '' } = noCatalog(config)
  io.printError(`no archives: ${message}`)
  io.printError(`  hint: ${hint}`)
}

function printArchives(
  io: Io<ListServices>,
  archives: readonly ListedArchive[],
  { isAll, isRunning }: { readonly isAll: boolean; readonly isRunning: boolean },
): void {
  // To standard error: whoever counts lines must count none.
  if (archives.length === 0) {
    io.printError(`no archives${isAll ? '' : ' (failed and deleted ones: --all)'}`)
    return
  }
  printTable(io, tableOf(archives, { layout: layoutOf(io.out), screen: io.out, isAll, isRunning }))
  if (!io.out.isTerminal) return
  const sizeBytes = archives.reduce((sum, archive) => sum + (archive.sizeBytes ?? 0), 0)
  io.print(`${plural(archives.length, 'archive')}, ${formatBytes(sizeBytes)}`)
}

type Layout = 'wide' | 'medium' | 'narrow'

type Shown = {
  readonly layout: Layout
  readonly screen: Screen
  /** Deleted copies as well. */
  readonly isAll: boolean
  /** Else nothing is being packed, whatever the catalog says. */
  readonly isRunning: boolean
}

/** A row must not wrap: first source, time and names of servers are left out, then the counts. */
function layoutOf({ isTerminal, columns }: Screen): Layout {
  if (!isTerminal || columns() >= 120) return 'wide'
  return columns() >= 100 ? 'medium' : 'narrow'
}

function tableOf(archives: readonly ListedArchive[], shown: Shown): Table {
  const { layout } = shown
  const isNarrow = layout === 'narrow'
  return {
    columns: [
      ...(layout === 'wide'
        ? [
            { title: 'CREATED (UTC)', leavesAs: 2 },
            { title: 'SOURCE', widthMin: 8, leavesAs: 3 },
          ]
        : []),
      // What `restore` is told, and it says source and time itself: cut last.
      { title: 'FILE', widthMin: 40 },
      { title: 'SIZE', align: 'right' },
      ...(isNarrow ? [] : [{ title: 'FILES', align: 'right', leavesAs: 1 } as const]),
      { title: 'STATE', widthMin: isNarrow ? 12 : 16 },
      { title: 'LOCATION' },
      layout === 'wide' ? { title: 'SERVER', widthMin: 12 } : { title: 'ON', widthMin: 5 },
    ],
    rows: archives.map((archive) => rowOf(archive, shown)),
  }
}

function rowOf(archive: ListedArchive, shown: Shown): readonly Cell[] {
  const { layout, screen, isRunning } = shown
  // What a killed run left: the next one settles it.
  const isInterrupted = archive.state === 'packing' && !isRunning
  const lack = lackOf(archive)
  const style = isInterrupted || lack !== '' ? 'bad' : STYLES[archive.state]
  const { pinned, warningCount, problems } = archive
  // A good archive that lacks something must not look like one that lacks nothing.
  const marks = [
    pinned ? 'pinned' : '',
    warningCount > 0 ? plural(warningCount, 'warning') : '',
    problems > 0 ? `${plural(problems, 'problem')} (see status)` : '',
  ]
  const word = isInterrupted ? 'interrupted' : archive.state
  const state = [`${word}${lack}`, ...marks.filter((mark) => mark !== '')].join(', ')
  const fileCount = archive.fileCount === null ? '-' : countCell(screen, archive.fileCount)
  return [
    ...(layout === 'wide' ? [formatUtc(new Date(archive.createdAt)), archive.source] : []),
    archive.file,
    archive.sizeBytes === null ? '-' : formatBytes(archive.sizeBytes),
    ...(layout === 'narrow' ? [] : [fileCount]),
    style === undefined ? state : { text: state, style },
    archive.location ?? '-',
    serversOf(archive, shown),
  ]
}

/** A row says that it is stored, and nothing could restore it whole. */
function lackOf({ state, location, soundCopies }: ListedArchive): string {
  if (state !== 'stored') return ''
  if (location === null) return ' (no usable copy)'
  return location === 's3' && soundCopies === 0 ? ' (no sound copy)' : ''
}

/** The servers with a copy; a copy that is not simply stored says so, and comes after those. */
function serversOf({ copies, reason }: ListedArchive, { layout, isAll }: Shown): string {
  const there = copies.filter(({ state }) => isAll || state !== 'deleted')
  const stored = there.filter(({ state }) => state === 'stored')
  const others = there.filter(({ state }) => state !== 'stored' && state !== 'deleted')
  const deleted = there.filter(({ state }) => state === 'deleted')
  const names = [...stored, ...others, ...deleted].map(({ server, label, state }) => {
    const name = layout === 'wide' || server === null ? label : String(server)
    const marks = [server === null ? 'not configured' : 'stored', state]
    const told = marks.filter((mark) => mark !== 'stored')
    return told.length === 0 ? name : `${name} (${told.join(', ')})`
  })
  return names.length > 0 ? names.join(', ') : (reason ?? '-')
}
