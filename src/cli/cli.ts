// The command line: finds the command, runs it, tells failures, gives the exit code.
//
// Failures are told on standard error as `spillway: MESSAGE [CODE]` and a line with the remedy; with
// --json also as the one document on standard output. What no adapter has translated is a bug of
// ours: it is shown with its stack.

import type {
  Closable,
  CliIo,
  Command,
  CommandEntry,
  CommandTitle,
  Io,
  Opening,
} from './command.ts'
import { commandHelp, programHelp } from './help.ts'
import { linesOf, oneLine } from './text.ts'
import { FAILURES, failureOf, messageOf, SpillwayError } from '../domain/errors.ts'
import { EXIT_WITH_WARNINGS } from '../domain/exit-code.ts'
import { nearestName } from '../lib/nearest.ts'

/** Resolves to the exit code, whatever happens. Everything that was opened is closed by then. */
export async function runCli<Services>(
  argv: readonly string[],
  commands: readonly CommandEntry<Services>[],
  io: CliIo<Services> & { readonly version: string },
): Promise<number> {
  const output = outputOf(io)
  try {
    const exit = await dispatch(argv, commands, io, output)
    // A failure that was told already says more.
    if (exit === 0 || exit === EXIT_WITH_WARNINGS) await io.flushed()
    return exit
  } catch (error) {
    return tell(io.signal.aborted ? asInterruption(error, io.signal) : error, output)
  }
}

type Output = Pick<Io<unknown>, 'printJson' | 'printError' | 'isJournal'> & {
  /** Set by --json on a command that knows it, until its document is printed. */
  wantsJson: boolean
  /** Set once it is known which command it is. */
  command: string | undefined
}

function outputOf(io: Pick<CliIo<unknown>, 'print' | 'printError' | 'isJournal'>): Output {
  const output: Output = {
    wantsJson: false,
    command: undefined,
    isJournal: io.isJournal,
    printError: io.printError,
    printJson: (document) => {
      output.wantsJson = false
      io.print(JSON.stringify(document, undefined, 2))
    },
  }
  return output
}

async function dispatch<Services>(
  argv: readonly string[],
  commands: readonly CommandEntry<Services>[],
  io: CliIo<Services> & { readonly version: string },
  output: Output,
): Promise<number> {
  const { name, args } = splitArguments(argv)
  if (name === undefined) {
    if (args.includes('--version')) io.print(io.version)
    // Asked for, help is the answer; otherwise it is a complaint, and scripts must notice.
    else if (args.some(isHelp)) printAll(io.print, programHelp(commands))
    else if (args.length > 0) throw usage(`needs a command, got only "${args.join(' ')}"`)
    else return complain(io, commands)
    return 0
  }
  if (name === 'help') {
    printAll(io.print, await help(args, commands))
    return 0
  }

  const command = await findEntry(name, commands).load()
  const flags = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  if (flags.some(isHelp)) {
    printAll(io.print, commandHelp(command))
    return 0
  }
  output.command = command.name
  output.wantsJson = flags.includes('--json') && Object.hasOwn(command.flags, 'json')
  return runCommand(command, args, { ...io, printJson: output.printJson })
}

/** Runs it, and closes its services whatever happens. */
async function runCommand<Services>(
  command: Command<Services>,
  args: readonly string[],
  io: CliIo<Services> & Pick<Output, 'printJson'>,
): Promise<number> {
  let opened: Promise<Services & Closable> | undefined
  const begin = (opening: Opening): Io<Services> => ({
    ...io,
    configFile: opening.configFile,
    services: () => (opened ??= io.open(opening)),
  })
  let exit: number
  try {
    exit = await command.run(args, begin)
  } catch (error) {
    // The failure of the command is what must be told; a second one while closing would hide it.
    await closeOpened(opened, io).catch((second: unknown) => {
      io.printError(`spillway: and while closing: ${oneLine(messageOf(second))}`)
    })
    throw error
  }
  await closeOpened(opened, io)
  return exit
}

async function closeOpened(
  opened: Promise<Closable> | undefined,
  io: Pick<Io<unknown>, 'showLive'>,
): Promise<void> {
  io.showLive([])
  // Services that never opened have told why already, where the command awaited them.
  const services = await opened?.catch(() => undefined)
  await services?.close()
}

function complain(io: Pick<CliIo<never>, 'printError'>, commands: readonly CommandTitle[]): number {
  printAll(io.printError, programHelp(commands))
  return FAILURES.USAGE.exit
}

async function help<Services>(
  args: readonly string[],
  commands: readonly CommandEntry<Services>[],
): Promise<readonly string[]> {
  const name = args.find((arg) => !isHelp(arg))
  return name === undefined
    ? programHelp(commands)
    : commandHelp(await findEntry(name, commands).load())
}

/** `spillway --config FILE COMMAND ...` means the same as `spillway COMMAND --config FILE ...`. */
function splitArguments(argv: readonly string[]): {
  readonly name: string | undefined
  readonly args: readonly string[]
} {
  let at = 0
  while (argv[at]?.startsWith('-')) at += argv[at] === '--config' ? 2 : 1
  return { name: argv[at], args: [...argv.slice(0, at), ...argv.slice(at + 1)] }
}

function findEntry<Services>(
  name: string,
  commands: readonly CommandEntry<Services>[],
): CommandEntry<Services> {
  const found = commands.find((command) => command.name === name)
  if (found !== undefined) return found
  const nearest = nearestName(
    name,
    commands.map((command) => command.name),
  )
  const hint = nearest === undefined ? undefined : `did you mean "spillway ${nearest}"?`
  throw usage(`unknown command "${name}"`, hint)
}

/** What the abort itself threw is an interruption; what broke at the same moment stays what it is. */
function asInterruption(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof SpillwayError) return error
  const isAbort = error instanceof Error && error.name === 'AbortError'
  if (!isAbort && error !== signal.reason) return error
  return new SpillwayError('INTERRUPTED', 'interrupted', { cause: error })
}

function tell(error: unknown, output: Output): number {
  const { exit } = failureOf(error)
  const isOurs = error instanceof SpillwayError
  const code = isOurs ? error.code : 'BUG'
  const hint = isOurs
    ? hintOf(error, output.command)
    : 'this is a bug of Spillway: please report it with the lines above'
  const wantsJson = output.wantsJson
  const [first = '', ...rest] = linesOf(messageOf(error))
  const lines = [`spillway: ${first} [${code}]`, ...rest.map((line) => `  ${line}`)]
  // The stack begins with the message, which was just told.
  if (!isOurs) lines.push(...linesOf(stackOf(error)))
  if (hint !== undefined) lines.push(...linesOf(`hint: ${hint}`).map((line) => `  ${line}`))
  // Priority 3 is "err": `journalctl -p err` shows it.
  for (const line of lines) output.printError(output.isJournal ? `<3>${line}` : line)
  if (wantsJson)
    output.printJson({ error: { code, message: messageOf(error), hint: hint ?? null }, exit })
  return exit
}

/** What a command complains of is explained in its own help. */
function hintOf(error: SpillwayError, command: string | undefined): string | undefined {
  const { code, hint } = error
  const isGeneral = code === 'USAGE' && hint === FAILURES.USAGE.hint
  return isGeneral && command !== undefined ? `see: spillway ${command} --help` : hint
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return `  (thrown was no error but ${typeof error})`
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const cause = error.cause === undefined ? [] : [`  caused by: ${messageOf(error.cause)}`]
  return [`  ${error.name}`, ...frames, ...cause].join('\n')
}

function isHelp(arg: string): boolean {
  return arg === '--help' || arg === '-h'
}

function printAll(print: (line: string) => void, lines: readonly string[]): void {
  for (const line of lines) print(line)
}

function usage(reason: string, hint?: string): SpillwayError {
  return new SpillwayError('USAGE', reason, hint === undefined ? {} : { hint })
}
