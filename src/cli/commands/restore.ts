// spillway restore: an archive becomes a folder again.

import { defineCommand, JSON_FLAG } from '../command.ts'
import { bar, formatCount, plural } from '../output.ts'
import { formatBytes, formatRate, formatSeconds } from '../../domain/sizes.ts'
import { oneLine } from '../text.ts'
import { restoreArchive } from '../../operations/restore.ts'
import { SpillwayError } from '../../domain/errors.ts'
import type { Io } from '../command.ts'
import type { Restored, RestoreProgress } from '../../operations/restore.ts'
import type { Services } from '../services.ts'

/** Only what this command needs: the real services have more. */
export type RestoreCommandServices = Pick<
  Services,
  'config' | 'catalogIfPresent' | 'openStorage' | 'unpacker'
>

const EXIT_WITH_WARNINGS = 3
// More on a terminal would scroll the summary away; --json has them all.
const WARNINGS_SHOWN = 20
const DRAW_EVERY_MS = 100
const BAR_WIDTH = 24

export const restoreCommand = defineCommand({
  name: 'restore',
  summary: 'unpack an archive into a new folder',
  details: [
    'ARCHIVE is an id, the beginning of one, a file name, or latest:SOURCE. The bytes come from the spool ' +
      'if they are still there, else from the servers in their order; when one fails half way the next ' +
      'one goes on from there.',
    'DIR is created, or must be empty; nothing is ever written outside it. As root, members get the ' +
      'owner of the archive by number; otherwise they become yours, and the restore ends with 3.',
  ],
  operands: { usage: 'ARCHIVE', min: 1, max: 1 },
  flags: {
    to: { type: 'string', placeholder: 'DIR', help: 'the folder to restore into' },
    json: JSON_FLAG,
  },
  examples: [
    'spillway restore latest:wordpress --to=/srv/restored',
    'spillway restore 0198c2 --to=restored --json',
  ],

  async run(flags, [archive = ''], io: Io<RestoreCommandServices>) {
    if (flags.to === undefined || flags.to === '')
      throw new SpillwayError('USAGE', 'restore: needs --to=DIR, the folder to restore into')
    const { config, catalogIfPresent, openStorage, unpacker } = await io.services()
    const catalog = await catalogIfPresent()
    if (catalog === undefined)
      throw new SpillwayError(
        'ARCHIVE_MISSING',
        `there is no catalog at ${config.catalogPath}: nothing was archived here yet`,
      )
    const live = openLive(io)
    try {
      const restored = await restoreArchive(
        { config, catalog, openStorage, unpacker: await unpacker() },
        { archive, to: flags.to, onProgress: live.show },
        io.signal,
      )
      live.close()
      const exit = restored.warningCount > 0 ? EXIT_WITH_WARNINGS : 0
      if (flags.json) io.printJson(documentOf(restored, exit))
      else printSummary(io, restored)
      return exit
    } finally {
      live.close()
    }
  },
})

/** The bar at the bottom of a terminal; nothing anywhere else. */
function openLive(io: Io<unknown>): {
  readonly show: (progress: RestoreProgress) => void
  readonly close: () => void
} {
  const startedMs = io.now().getTime()
  let drawnMs = 0
  return {
    show: (progress) => {
      const nowMs = io.now().getTime()
      if (!io.err.isTerminal || nowMs - drawnMs < DRAW_EVERY_MS) return
      drawnMs = nowMs
      io.showLive([liveLine(progress, (nowMs - startedMs) / 1_000)])
    },
    close: () => io.showLive([]),
  }
}

function liveLine(progress: RestoreProgress, seconds: number): string {
  const { readBytes, totalBytes, sourceBytes, memberCount } = progress
  const share = totalBytes > 0 ? readBytes / totalBytes : 0
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  const facts = `${formatCount(memberCount)} members, ${formatBytes(sourceBytes)}, ${formatRate(sourceBytes, seconds)}`
  return `restoring ${bar(share, BAR_WIDTH)} ${percent}  ${facts}`
}

function printSummary(io: Io<unknown>, restored: Restored): void {
  const { archive, to, memberCount, sourceBytes, seconds, from, warnings, warningCount } = restored
  for (const { path, reason } of warnings.slice(0, WARNINGS_SHOWN))
    io.printError(`warning: ${oneLine(path)}: ${oneLine(reason)}`)
  if (warningCount > WARNINGS_SHOWN)
    io.printError(`... and ${plural(warningCount - WARNINGS_SHOWN, 'more warning')}`)
  const content = `${plural(memberCount, 'member')}, ${formatBytes(sourceBytes)} in ${formatSeconds(seconds)}`
  const places = from.map(oneLine).join(', then ')
  io.print(`restored ${archive.file} to ${oneLine(to)}: ${content}, from ${places}`)
}

function documentOf(restored: Restored, exit: number): unknown {
  const { archive, to, memberCount, sourceBytes, seconds, from, warnings, warningCount } = restored
  return {
    outcome: exit === 0 ? 'ok' : 'warnings',
    exit,
    archive: { id: archive.id, source: archive.source, file: archive.file, key: archive.key },
    to,
    fileCount: memberCount,
    sourceBytes,
    seconds,
    from,
    warnings,
    warningCount,
  }
}
