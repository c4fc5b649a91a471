// spillway restore: an archive, or a part of it, becomes a folder again, or databases (restore-into.ts).

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, DRY_RUN_FLAG, JSON_FLAG } from '../command.ts'
import { bar, formatCount, plural } from '../output.ts'
import { formatBytes, formatRate, formatSeconds } from '../../domain/sizes.ts'
import { oneLine } from '../text.ts'
import { FAILURES, SpillwayError } from '../../domain/errors.ts'
import { EXIT_WITH_WARNINGS } from '../../domain/exit-code.ts'
import { isOverwriteRule, OVERWRITE_RULES } from '../../pack/extract-overwrite.ts'
import { fateOf } from '../../operations/restore-destination.ts'
import { parsePathPattern } from '../../pack/extract-patterns.ts'
import { planOfRestore, restoreArchive } from '../../operations/restore.ts'
import { noCatalog } from '../no-catalog.ts'
import type { IntoCommandServices } from '../restore-into.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { FatedMember } from '../../operations/restore-destination.ts'
import type { Io } from '../command.ts'
import type { OverwriteRule } from '../../pack/extract-overwrite.ts'
import type { LookServices, Restored, RestoreProgress } from '../../operations/restore.ts'
import type { Services } from '../../operations/services.ts'

/** Only what this command needs: the real services have more. */
export type RestoreCommandServices = Pick<
  Services,
  'config' | 'catalogIfPresent' | 'openStorage' | 'archiveUses' | 'unpacker'
> &
  IntoCommandServices

// More on a terminal would scroll the summary away; --json has them all.
const WARNINGS_SHOWN = 20
const DRAW_EVERY_MS = 100
const BAR_WIDTH = 24

export const restoreCommand = defineCommand({
  ...COMMAND_TITLES.restore,
  details: [
    'ARCHIVE is an id, the beginning of one, a file name, or latest:SOURCE. The bytes come from the spool ' +
      'if they are still there, else from the servers in their order; when one fails half way the next ' +
      'one goes on from there.',
    'PATH is relative to the archived folder; one that names a folder means everything in it. * and ? do ' +
      'not pass a slash, ** does, [a-z] is one character, \\ takes the next one as it is, and \\xNN is a byte ' +
      'as listings show it. With PATHs only the parts of the archive are read that hold them.',
    'DIR is created (its parent must exist), or must be empty; with --overwrite it may hold files. ' +
      'Nothing is ever written outside it, and no symlink in it is followed. As root, members get the owner of the archive by number; ' +
      'otherwise they become yours, and the restore ends with 3.',
    'Modes come back as archived: as root also setuid and setgid bits and device nodes, without a flag. ' +
      'Restore an archive of unknown origin as a normal user.',
    'Where the archive is damaged, and no other copy is whole there, the members in that part are named on ' +
      'standard error, everything else is given back, and the restore ends with 31.',
    'With --into an archive of databases goes straight into a server, without a file on any disk: all of it, ' +
      'roles first, or the one DATABASE that is named in place of PATH, under the name that the URL has. ' +
      'A database that is missing is created; one that is not empty is refused, unless --overwrite=always is ' +
      'given. Then a database of PostgreSQL is dropped and made anew, with all that is in it: the tables that the ' +
      'dump does not have are named, and its name must be typed; of MySQL the tables that the dump has are ' +
      'replaced. --into=origin means where the archive came from, --into=source:NAME where another source does; both ' +
      'ask first. A PostgreSQL server takes all of a ' +
      'dump or nothing; with --keep-going a database that is created has all that it takes, and the rest is named ' +
      '(exit code 3). ' +
      'The password is never a part of the URL: it comes from the source of that server, from ' +
      '--password-file, or from a question.',
  ],
  flags: {
    to: { type: 'string', placeholder: 'DIR', help: 'the folder to restore into' },
    into: {
      type: 'string',
      placeholder: 'URL',
      help: 'instead of --to: postgres://user@host:port[/DATABASE], mysql://..., source:NAME, or origin',
    },
    'password-file': {
      type: 'string',
      placeholder: 'FILE',
      help: 'with --into: its first line is the password',
    },
    'no-owner': {
      type: 'boolean',
      help: 'with --into: leave out owners and grants',
    },
    'keep-going': {
      type: 'boolean',
      help: 'with --into, PostgreSQL: go on behind what the server refuses, in a new database',
    },
    yes: { type: 'boolean', help: 'with --into: do not ask before anything is replaced' },
    strip: { type: 'count', placeholder: 'N', help: 'leave out the first N folders of every path' },
    overwrite: {
      type: 'string',
      placeholder: 'never|older|always',
      help: 'DIR may hold files; what becomes of those that are in the archive (with --into: always)',
    },
    'dry-run': DRY_RUN_FLAG,
    json: JSON_FLAG,
  },
  examples: [
    'spillway restore latest:wordpress --to=/srv/restored',
    'spillway restore latest:etc nginx "ssl/*.pem" --to=restored',
    'spillway restore latest:www "**/*.php" --to=/var/www --overwrite=older --dry-run',
    'spillway restore 0198c2 --to=restored --json',
    'spillway restore latest:db app --into=postgres://user@db.example.net/app_restored',
    'spillway restore latest:db --into=origin --dry-run',
  ],

  async run(flags, [archive = '', ...paths], io: Io<RestoreCommandServices>) {
    if (flags.into !== undefined) {
      const { runRestoreInto } = await import('../restore-into.ts')
      return runRestoreInto({ ...flags, into: flags.into }, [archive, ...paths], io)
    }
    for (const flag of ['password-file', 'no-owner', 'keep-going', 'yes'] as const)
      if (flags[flag] !== undefined && flags[flag] !== false)
        throw new SpillwayError('USAGE', `restore: --${flag} goes with --into=URL`)
    if (flags.to === undefined || flags.to === '')
      throw new SpillwayError(
        'USAGE',
        'restore: needs --to=DIR, the folder to restore into, or --into=URL',
      )
    const overwrite = overwriteOf(flags.overwrite)
    // What cannot be a path is told before anything is opened.
    for (const path of paths) parsePathPattern(path)
    const { catalogIfPresent, unpacker: openUnpacker, ...services } = await io.services()
    // Its thread loads beside the catalog and the client of the server.
    const unpacker = flags['dry-run'] ? undefined : await openUnpacker()
    const catalog = await catalogOf({ config: services.config, catalogIfPresent })
    const { to, strip = 0 } = flags
    if (unpacker === undefined) {
      const asked = { archive, paths, to, strip, overwrite, isJson: flags.json }
      return planOnly(io, { ...services, catalog }, asked)
    }
    const live = openLive(io)
    try {
      const restored = await restoreArchive(
        { ...services, catalog, unpacker },
        { archive, paths, to, strip, overwrite, onProgress: live.show },
        io.signal,
      )
      live.close()
      const exit = exitOf(restored)
      if (flags.json) io.printJson(documentOf(restored, exit))
      printProblems(io, restored, flags.json)
      if (restored.strippedCount !== 0) io.printError(strippedLine(restored.strippedCount, strip))
      if (!flags.json) {
        printSummary(io, restored)
        printGaps(io, restored)
      }
      return exit
    } finally {
      live.close()
    }
  },
})

/** Rejects with ARCHIVE_MISSING when nothing was ever archived here. */
export async function catalogOf({
  config,
  catalogIfPresent,
}: Pick<Services, 'config' | 'catalogIfPresent'>): Promise<Catalog> {
  const catalog = await catalogIfPresent()
  if (catalog !== undefined) return catalog
  throw noCatalog(config)
}

function overwriteOf(text: string | undefined): OverwriteRule | undefined {
  if (text === undefined || isOverwriteRule(text)) return text
  const rules = OVERWRITE_RULES.join(', ')
  throw new SpillwayError('USAGE', `restore: --overwrite is one of ${rules}, got "${text}"`)
}

function exitOf({ lostCount, warningCount }: Restored): number {
  if (lostCount > 0) return FAILURES.ARCHIVE_CORRUPT.exit
  return warningCount > 0 ? EXIT_WITH_WARNINGS : 0
}

type Asked = {
  readonly archive: string
  readonly paths: readonly string[]
  readonly to: string
  readonly strip: number
  readonly overwrite: OverwriteRule | undefined
  readonly isJson: boolean
}

async function planOnly(
  io: Io<unknown>,
  services: LookServices,
  { archive, isJson, ...asked }: Asked,
): Promise<number> {
  const members: FatedMember[] = []
  const counts = { write: 0, replace: 0, keep: 0 }
  let writtenBytes = 0
  const plan = await planOfRestore(services, { archive, ...asked }, io.signal, (member) => {
    const fated = fateOf(member, asked)
    if (fated === undefined) return
    counts[fated.fate] += 1
    // As the sums of a restore have it: holes are no content.
    if (fated.fate !== 'keep') writtenBytes += member.storedBytes ?? member.sizeBytes
    if (isJson) members.push(fated)
    else io.print(planLine(fated))
  })
  const { reads, readBytes, sourceBytes, hardLinkCount, strippedCount } = plan
  if (isJson) {
    const { id, source, file, key } = plan.archive
    const facts = { reads, readBytes, sourceBytes, fileCount: members.length, hardLinkCount }
    io.printJson({
      dryRun: true,
      archive: { id, source, file, key },
      ...facts,
      strippedCount,
      members,
    })
    return 0
  }
  const kept = counts.keep > 0 ? `, ${formatCount(counts.keep)} would be kept as they are` : ''
  const written = plural(counts.write + counts.replace, 'member')
  io.printError(
    `would write ${written}, ${formatBytes(writtenBytes)}${kept}; would read ` +
      `${formatBytes(readBytes)} of ${plan.archive.file} in ${plural(reads, 'request')}`,
  )
  if (strippedCount > 0) io.printError(strippedLine(strippedCount, asked.strip))
  return 0
}

function strippedLine(count: number | null, strip: number): string {
  if (count === null)
    return `what --strip=${strip} takes the whole path of is left out; how much that is, the damaged index cannot tell`
  return `${plural(count, 'member')} left out: --strip=${strip} takes ${count === 1 ? 'its' : 'their'} whole path`
}

function planLine({ fate, out, sizeBytes, kind }: FatedMember): string {
  const size = kind === 'file' ? formatBytes(sizeBytes) : kind
  return `${fate.padEnd(7)}  ${size.padStart(9)}  ${oneLine(out)}`
}

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

/** What is lost is named also beside the document: whoever reads the log of a script must see it. */
function printProblems(io: Io<unknown>, restored: Restored, isJson: boolean): void {
  const { lost, lostCount, warnings, warningCount } = restored
  for (const path of lost) io.printError(`lost: ${oneLine(path)}`)
  if (lostCount > lost.length)
    io.printError(`... and ${formatCount(lostCount - lost.length)} more that are lost`)
  if (isJson) return
  for (const { path, reason } of warnings.slice(0, WARNINGS_SHOWN))
    io.printError(`warning: ${oneLine(path)}: ${oneLine(reason)}`)
  if (warningCount > WARNINGS_SHOWN)
    io.printError(`... and ${plural(warningCount - WARNINGS_SHOWN, 'more warning')}`)
}

function printSummary(io: Io<unknown>, restored: Restored): void {
  const { archive, to, memberCount, sourceBytes, seconds, from, keptCount, lostCount } = restored
  const content = `${plural(memberCount, 'member')}, ${formatBytes(sourceBytes)} in ${formatSeconds(seconds)}`
  const kept = keptCount > 0 ? `; ${formatCount(keptCount)} kept as they were` : ''
  const lost =
    lostCount > 0 ? `; ${plural(lostCount, 'member')} lost: the archive is damaged there` : ''
  const places = from.map(oneLine).join(', then ')
  io.print(`restored ${archive.file} to ${oneLine(to)}: ${content}, from ${places}${kept}${lost}`)
}

/** The restore is right, and the archive never had what could not be read that night. */
function printGaps(io: Io<unknown>, { archive }: Restored): void {
  const { warnings, warningCount } = archive
  if (warningCount === 0) return
  const what = plural(warningCount, 'warning')
  io.printError(`note: the archive was made with ${what}: what they name is not in it, or changed`)
  for (const { path, reason } of warnings.slice(0, WARNINGS_SHOWN))
    io.printError(`  ${oneLine(path)}: ${oneLine(reason)}`)
  const left = warningCount - Math.min(warnings.length, WARNINGS_SHOWN)
  if (left > 0) io.printError(`  ... and ${formatCount(left)} more`)
}

function documentOf(restored: Restored, exit: number): unknown {
  const { archive, memberCount, seconds, ...rest } = restored
  return {
    outcome: exit === 0 ? 'ok' : rest.lostCount > 0 ? 'failed' : 'warnings',
    exit,
    archive: { id: archive.id, source: archive.source, file: archive.file, key: archive.key },
    archiveWarnings: archive.warnings,
    archiveWarningCount: archive.warningCount,
    fileCount: memberCount,
    seconds: Math.round(seconds * 1_000) / 1_000,
    ...rest,
  }
}
