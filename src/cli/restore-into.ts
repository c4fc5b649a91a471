// spillway restore --into: databases of an archive go back into a server. What is asked, what is told.

import { readFile } from 'node:fs/promises'
import { bar, formatCount, plural } from './output.ts'
import { canAsk, createPrompts } from './prompts.ts'
import { catalogOf } from './commands/restore.ts'
import { describeContents } from '../operations/restore-into-problems.ts'
import { EXIT_WITH_WARNINGS, exitOf } from '../domain/exit-code.ts'
import { FAILURES, messageOf, SpillwayError } from '../domain/errors.ts'
import { formatBytes, formatRate, formatSeconds } from '../domain/sizes.ts'
import { oneLine } from './text.ts'
import { ORIGIN, restoreInto } from '../operations/restore-into.ts'
import { SOURCE_TARGET } from '../config/database-target.ts'
import { printable } from '../sources/database-dumps.ts'
import type { IntoInput, RestoredInto } from '../operations/restore-into.ts'
import type { IntoProgress, RestoredDatabase } from '../operations/restore-into-one.ts'
import type { IntoPlan } from '../operations/restore-into-plan.ts'
import type { Io } from './command.ts'
import type { Services } from '../operations/services.ts'
import type { TargetContents } from '../sources/database-target.ts'

/** Only what this needs: the real services have more. */
export type IntoCommandServices = Pick<
  Services,
  | 'config'
  | 'catalogIfPresent'
  | 'openStorage'
  | 'archiveUses'
  | 'databaseTarget'
  | 'openDatabaseTarget'
>

export type IntoFlags = {
  readonly into: string
  readonly to: string | undefined
  readonly strip: number | undefined
  readonly overwrite: string | undefined
  readonly 'password-file': string | undefined
  readonly 'no-owner': boolean
  readonly 'keep-going': boolean
  readonly yes: boolean
  readonly 'dry-run': boolean
  readonly json: boolean
}

const DRAW_EVERY_MS = 100
const BAR_WIDTH = 24
const NAMES_SHOWN = 20

export async function runRestoreInto(
  flags: IntoFlags,
  [archive = '', database, ...others]: readonly string[],
  io: Io<IntoCommandServices>,
): Promise<number> {
  checkFlags(flags, others)
  const isAsking = canAsk(io.out.isTerminal) && !flags.json
  requireAnswer(flags, isAsking)
  const password = await passwordFrom(flags['password-file'])
  const { catalogIfPresent, ...services } = await io.services()
  const catalog = await catalogOf({ config: services.config, catalogIfPresent })
  const live = openLive(io)
  const input: IntoInput = {
    ...{ archive, database, into: flags.into, password, isDryRun: flags['dry-run'] },
    ...{ overwrites: flags.overwrite === 'always', leavesOwners: flags['no-owner'] },
    keepsGoing: flags['keep-going'],
    askPassword: isAsking ? (label) => askPassword(label, io.signal) : undefined,
    confirm: (plan) => confirm(plan, { isAsking, ...flags }, io),
    onProgress: live.show,
  }
  try {
    const done = await restoreInto({ ...services, catalog }, input, io.signal)
    live.close()
    const exit = exitFor(done, input)
    if (flags.json) io.printJson(documentOf(done, input, exit))
    else if (input.isDryRun) printPlan(io, done.plan)
    else printDone(io, done)
    printProblems(io, done, flags.json)
    return exit
  } finally {
    live.close()
  }
}

function checkFlags(flags: IntoFlags, others: readonly string[]): void {
  const refuse = (what: string): never => {
    throw new SpillwayError('USAGE', `restore: ${what}`)
  }
  if (flags.to !== undefined) refuse('--to and --into are two places: name one of them')
  if (flags.strip !== undefined) refuse('--strip is for folders, and means nothing with --into')
  if (flags.overwrite !== undefined && flags.overwrite !== 'always')
    refuse(`with --into, --overwrite is always or left out, got "${flags.overwrite}"`)
  if (others.length > 0)
    refuse(`with --into, one DATABASE at most can be named, got "${others[0]}" as well`)
}

/** What is there would be replaced by what was there once: nobody does that by accident. */
function requireAnswer(flags: IntoFlags, isAsking: boolean): void {
  const asksFirst = flags.into === ORIGIN || flags.into.startsWith(SOURCE_TARGET)
  if (!asksFirst || flags.yes || flags['dry-run'] || isAsking) return
  throw nobodyToAsk(`--into=${flags.into}`)
}

function nobodyToAsk(flag: string): SpillwayError {
  return new SpillwayError(
    'USAGE',
    `restore: ${flag} asks first, and there is nobody at a terminal to answer`,
    { hint: 'look at it with --dry-run, then give --yes' },
  )
}

async function passwordFrom(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new SpillwayError('USAGE', `--password-file cannot be read: ${messageOf(cause)}`, {
      cause,
    })
  }
  const [line = ''] = text.split(/\r?\n/)
  if (line !== '') return line
  throw new SpillwayError('USAGE', `--password-file=${file} has nothing in its first line`)
}

async function askPassword(label: string, signal: AbortSignal): Promise<string> {
  return createPrompts(signal).askSecret({ message: `Password for ${label}:` })
}

async function confirm(
  plan: IntoPlan,
  { yes, isAsking }: { readonly yes: boolean; readonly isAsking: boolean },
  io: Io<IntoCommandServices>,
): Promise<void> {
  const isDropping = plan.databases.some(({ lost }) => lost !== undefined)
  if (yes || !(plan.isOrigin || isDropping)) return
  if (!isAsking) throw nobodyToAsk('--overwrite=always')
  printPlan(io, plan)
  const [one, ...more] = plan.databases
  const word = one !== undefined && more.length === 0 ? printable(one.into) : plan.label
  if (plan.isOrigin) io.print('This goes where the archive came from.')
  await createPrompts(io.signal).ask({
    // Short enough for one line of a terminal: the name is what counts.
    message: `Type ${word} to go on:`,
    check: (text) => (text === word ? undefined : `type ${word}, or press Ctrl-C to leave it`),
  })
}

function exitFor({ plan, databases, warnings }: RestoredInto, { isDryRun }: IntoInput): number {
  if (isDryRun) return plan.problems.length > 0 ? FAILURES.RESTORE_FAILED.exit : 0
  const exits = databases.flatMap(({ failure }) => (failure === null ? [] : [failure.failure.exit]))
  const toldCount = databases.reduce((sum, each) => sum + each.notes.length + each.refused.count, 0)
  const isWarned = toldCount + plan.notes.length + warnings.length > 0
  return exitOf([...exits, isWarned ? EXIT_WITH_WARNINGS : 0])
}

function printPlan(io: Io<unknown>, { archive, server, label, ...plan }: IntoPlan): void {
  io.print(`${archive.file} into ${oneLine(server.version)} at ${oneLine(label)}:`)
  const { globals } = plan
  if (globals !== undefined) {
    const { created, existing } = globals
    io.print(
      `  roles      ${namesOf(created, 'created')}; ${namesOf(existing, 'left as they are')}`,
    )
  }
  for (const { action, dumped, into, there, lost } of plan.databases) {
    const from = dumped.name === into ? '' : ` from ${printable(dumped.name)}`
    const held = there === undefined ? '' : `; there: ${describeContents(there)}`
    const size = `${formatBytes(dumped.dumpBytes)} of dump`
    io.print(`  ${action.padEnd(9)}  ${printable(into)}${from}, ${size}${held}`)
    if (lost !== undefined)
      io.print(`             the whole database is dropped and made anew; ${lostText(lost)}`)
  }
}

function lostText(lost: readonly string[]): string {
  const are = lost.length === 1 ? 'is' : 'are'
  const names = lost.length === 0 ? '' : `: ${listed(lost)}`
  return `${plural(lost.length, 'table')} that the dump does not have ${are} lost${names}`
}

function namesOf(names: readonly string[], what: string): string {
  if (names.length === 0) return `none ${what}`
  return `${names.length} ${what} (${listed(names)})`
}

function listed(names: readonly string[]): string {
  const more = names.length > NAMES_SHOWN ? `, and ${names.length - NAMES_SHOWN} more` : ''
  return names.slice(0, NAMES_SHOWN).map(printable).join(', ') + more
}

function printDone(io: Io<unknown>, done: RestoredInto): void {
  const { plan, databases, from, seconds, readBytes } = done
  const { globals } = plan
  if (globals !== undefined)
    io.print(
      `roles: ${namesOf(globals.created, 'created')}; ${namesOf(globals.existing, 'left as they are')}`,
    )
  for (const { name, into, tables, dumpBytes, failure, ...each } of databases) {
    if (failure !== null) continue
    const source = name === into ? '' : ` from ${printable(name)}`
    const content = `${plural(tables ?? 0, 'table')}, ${formatBytes(dumpBytes)} of dump`
    io.print(`restored ${printable(into)}${source}: ${content} in ${formatSeconds(each.seconds)}`)
  }
  for (const { into, lost } of plan.databases)
    if (lost !== undefined && lost.length > 0 && isRestored(into, databases))
      io.print(`${printable(into)} was dropped and made anew: ${lostText(lost)}`)
  const good = databases.filter(({ failure }) => failure === null).length
  const places = from.map(oneLine).join(', then ')
  io.print(
    `${formatCount(good)} of ${plural(databases.length, 'database')} of ${plan.archive.file} restored into ` +
      `${oneLine(plan.label)} in ${formatSeconds(seconds)}; ${formatBytes(readBytes)} read from ${places}`,
  )
}

function isRestored(into: string, databases: readonly RestoredDatabase[]): boolean {
  return databases.some((each) => each.into === into && each.failure === null)
}

function printProblems(io: Io<unknown>, done: RestoredInto, isJson: boolean): void {
  for (const { failure } of done.databases)
    if (failure !== null) {
      io.printError(`failed: ${oneLine(messageOf(failure))} [${failure.code}]`)
      if (failure.hint !== undefined) io.printError(`  hint: ${oneLine(failure.hint)}`)
    }
  if (isJson) return
  if (done.databases.length === 0)
    for (const { message, hint } of done.plan.problems) {
      io.printError(`in the way: ${oneLine(message)}`)
      io.printError(`  hint: ${oneLine(hint)}`)
    }
  for (const note of done.plan.notes) io.printError(`warning: ${oneLine(note)}`)
  for (const { into, notes, refused } of done.databases)
    for (const note of [...notes, ...refusedLines(refused)])
      io.printError(`warning: ${printable(into)}: ${oneLine(note)}`)
  for (const { path, reason } of done.warnings)
    io.printError(`warning: ${oneLine(path)}: ${oneLine(reason)}`)
}

function refusedLines({ count, messages }: RestoredDatabase['refused']): readonly string[] {
  if (count === 0) return []
  const more = count - Math.min(count, messages.length)
  return [
    `the server refused ${plural(count, 'statement')} of the dump, and what they make is missing`,
    ...messages.map((each) => `refused: ${each}`),
    ...(more > 0 ? [`refused: ${plural(more, 'statement')} more`] : []),
  ]
}

function documentOf(done: RestoredInto, { isDryRun }: IntoInput, exit: number): unknown {
  const { plan, databases, seconds, readBytes, from, warnings } = done
  const { id, source, file, key } = plan.archive
  const planned = plan.databases.map(({ action, dumped, into, there, needs, lost }) => ({
    ...{ name: dumped.name, into, action, dumpBytes: dumped.dumpBytes },
    there: there === undefined ? null : contentsDocument(there),
    ...{ tables: needs.tables ?? null, lost: lost ?? null },
  }))
  const restored = databases.map(({ failure, refused, ...each }) => ({
    ...each,
    lost: plan.databases.find(({ into }) => into === each.into)?.lost ?? null,
    ...{ errorCount: refused.count, errors: refused.messages },
    seconds: rounded(each.seconds),
    outcome: failure === null ? 'ok' : 'failed',
    code: failure?.code ?? null,
    message: failure?.message ?? null,
    hint: failure?.hint ?? null,
  }))
  const { globals } = plan
  const roles = { created: globals?.created ?? [], existing: globals?.existing ?? [] }
  return {
    ...{ dryRun: isDryRun, exit },
    outcome: exit === 0 ? 'ok' : exit === EXIT_WITH_WARNINGS ? 'warnings' : 'failed',
    archive: { id, source, file, key },
    into: { server: plan.label, version: plan.server.version, isOrigin: plan.isOrigin },
    roles: globals === undefined ? null : roles,
    databases: isDryRun ? planned : restored,
    problems: plan.problems,
    notes: plan.notes,
    ...{ readBytes, seconds: rounded(seconds), from, warnings },
  }
}

function contentsDocument({ tables, otherObjects, sizeBytes, sessions }: TargetContents): unknown {
  return { tables, otherObjects, sizeBytes, sessions }
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000
}

/** The bar at the bottom of a terminal; nothing anywhere else. */
function openLive(io: Io<unknown>): {
  readonly show: (progress: IntoProgress) => void
  readonly close: () => void
} {
  const startedMs = io.now().getTime()
  let drawnMs = 0
  return {
    show: ({ database, writtenBytes, totalBytes }) => {
      const nowMs = io.now().getTime()
      if (!io.err.isTerminal || nowMs - drawnMs < DRAW_EVERY_MS) return
      drawnMs = nowMs
      const share = totalBytes > 0 ? writtenBytes / totalBytes : 0
      const rate = formatRate(writtenBytes, (nowMs - startedMs) / 1_000)
      const percent = `${Math.floor(share * 100)}%`.padStart(4)
      const facts = `${printable(database)}, ${formatBytes(writtenBytes)}, ${rate}`
      io.showLive([`restoring ${bar(share, BAR_WIDTH)} ${percent}  ${facts}`])
    },
    close: () => io.showLive([]),
  }
}
