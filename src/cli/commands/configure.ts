// spillway configure: the wizard, and the same changes without a terminal.
//
// A secret is never taken from the command line, where every user of the machine can read it and
// the shell keeps it: `--set KEY=-` reads it from standard input.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand } from '../command.ts'
import type { Command, Io } from '../command.ts'
import { printWrapped } from '../output.ts'
import { canAsk, createPrompts, inputLines } from '../prompts.ts'
import type { Prompts } from '../prompts.ts'
import { oneLine } from '../text.ts'
import { scheduleSummary } from '../wizard/summaries.ts'
import { runWizard } from '../wizard/wizard.ts'
import { nearest, settingOf } from '../../config/names.ts'
import { configInvalid, formatProblem } from '../../config/problem.ts'
import { GLOBAL_SETTINGS } from '../../config/settings.ts'
import { SpillwayError } from '../../domain/errors.ts'
import { openDraft } from '../../operations/configure.ts'
import type { ConfigDraft } from '../../operations/configure.ts'
import { isSecretValue, printableLines } from '../../operations/configure-masks.ts'
import type { TestNotification } from '../../operations/notify-test.ts'
import type { TestServer } from '../../operations/configure-test-server.ts'
import type { TestSource } from '../../operations/configure-test-source.ts'

export type ConfigureTools = {
  readonly testServer: TestServer
  readonly testSource: TestSource
  readonly testNotification: TestNotification
  /** Only tests bring their own. */
  readonly prompts?: Prompts
  readonly canAsk?: boolean
  readonly readLine?: () => Promise<string | undefined>
}

/** The command cannot take its tools from services(): those need a configuration that is right. */
export function createConfigureCommand(tools: ConfigureTools): Command<unknown> {
  return defineCommand({
    ...COMMAND_TITLES.configure,
    details: [
      'Without flags it asks, tests each server before it is kept, and writes nothing until you ' +
        'save. With --set, --unset or --print it asks nothing; --set and --unset are saved at once, also ' +
        'with --print, which then shows the file as saved.',
      'Comments, order and unknown lines of the file stay. It is written with mode 0600, at once ' +
        'and whole.',
      'Secrets are read from standard input, one line for each --set KEY=-, in their order.',
    ],
    flags: {
      set: {
        type: 'list',
        placeholder: 'KEY=VALUE',
        help: 'set a variable; KEY=- reads the value from standard input',
      },
      unset: { type: 'list', placeholder: 'KEY', help: 'remove a variable' },
      print: { type: 'boolean', help: 'print the variables of the file, secrets masked' },
    },
    examples: [
      'spillway configure',
      'spillway configure --set=KEEP_DAILY=14 --unset=KEEP_LAST',
      'spillway configure --set=S3_SERVER_1_SECRET_KEY=- <secret-key',
      'spillway configure --print',
    ],

    async run(flags, _operands, io: Io<unknown>) {
      const draft = openDraft({ configFlag: io.configFile })
      if (flags.set.length > 0 || flags.unset.length > 0) {
        const absent = flags.unset.filter((name) => draft.values[name] === undefined)
        await applyFlags(draft, flags, secretReader(tools, io))
        await saveOrRefuse(draft, io)
        for (const name of absent)
          io.printError(
            `warning: ${name} is not in ${oneLine(draft.path)}: there was nothing to unset`,
          )
      } else if (!flags.print) {
        return configureByWizard(draft, tools, io)
      }
      if (flags.print) for (const line of printableLines(draft.values)) io.print(line)
      return 0
    },
  })
}

async function configureByWizard(
  draft: ConfigDraft,
  tools: ConfigureTools,
  io: Io<unknown>,
): Promise<number> {
  if (!(tools.canAsk ?? canAsk(io.out.isTerminal)))
    throw new SpillwayError('USAGE', 'configure asks questions, and this is no terminal', {
      hint: 'without one: spillway configure --set KEY=VALUE, or --print',
    })
  const { signal, now } = io
  const print = printWrapped(io)
  const prompts = tools.prompts ?? createPrompts(signal)
  const { testServer, testSource, testNotification } = tools
  const tests = { testServer, testSource, testNotification }
  const isSaved = await runWizard({ draft, prompts, ...tests, print, signal, now })
  if (isSaved) sayWhatIsNext(draft, io)
  return 0
}

function sayWhatIsNext(draft: ConfigDraft, io: Io<unknown>): void {
  const flag = io.configFile === undefined ? '' : ` --config=${oneLine(io.configFile)}`
  const step = (command: string, what: string) =>
    io.print(`  ${`spillway ${command}${flag}`.padEnd(22 + flag.length)}${what}`)
  io.print('')
  io.print(`Saved ${oneLine(draft.path)} (mode 0600).`)
  io.print('What is next:')
  step('self-test', 'asks every server for all that the nightly run needs')
  step('run', 'archives now')
  const hasOwn = Object.keys(draft.values).some((name) => /^SOURCE_\d+_SCHEDULE$/.test(name))
  if (hasOwn) step('systemd --daemon', 'prints or installs the daemon, which follows all schedules')
  else step('systemd', `prints or installs the timer: ${scheduleSummary(draft)}`)
}

type SetFlags = { readonly set: readonly string[]; readonly unset: readonly string[] }

async function applyFlags(
  draft: ConfigDraft,
  flags: SetFlags,
  readSecret: (name: string) => Promise<string>,
): Promise<void> {
  const set = new Map<string, string>()
  for (const text of flags.set) {
    const at = text.indexOf('=')
    const name = at < 0 ? text : text.slice(0, at)
    requireKnown(name)
    // The value must not be shown: it may be a secret that lost its name.
    if (at < 0) throw usage(`--set needs KEY=VALUE, got "${name}" alone`)
    if (set.has(name)) throw usage(`--set names ${name} twice`)
    const value = text.slice(at + 1)
    if (value !== '-' && isSecretValue(name, value))
      throw usage(
        `${name} is a secret, and every user of this machine can read a command line`,
        `give it on standard input: spillway configure --set=${name}=- <FILE`,
      )
    set.set(name, value === '-' ? await readSecret(name) : value)
  }
  for (const name of flags.unset) {
    if (set.has(name)) throw usage(`--set and --unset both name ${name}`)
    if (!/^[\w.-]+$/.test(name)) throw usage(`--unset needs the name of a variable, got "${name}"`)
  }
  draft.change({ set, remove: flags.unset })
}

function requireKnown(name: string): void {
  if (settingOf(name) !== undefined) return
  // Entries are judged as a whole afterwards, with the nearest name of their own kind.
  if (/^(?:S3_SERVER|SOURCE|NOTIFY)_\d+_\w+$/.test(name)) return
  const near = nearest(name, Object.keys(GLOBAL_SETTINGS)).name
  throw usage(`${oneLine(name)} is not a setting`, `the nearest is ${near}; see .env.example`)
}

function secretReader(tools: ConfigureTools, io: Io<unknown>): (name: string) => Promise<string> {
  let readLine: (() => Promise<string | undefined>) | undefined = tools.readLine
  return async (name) => {
    if (readLine === undefined && canAsk(io.out.isTerminal)) {
      const prompts = tools.prompts ?? createPrompts(io.signal)
      return prompts.askSecret({ message: `${name} (not shown):` })
    }
    readLine ??= inputLines()
    const line = await readLine()
    if (line === undefined || line === '')
      throw usage(`standard input has no line for ${name}`, 'give one line for each --set KEY=-')
    return line
  }
}

async function saveOrRefuse(draft: ConfigDraft, io: Io<unknown>): Promise<void> {
  const { made, old } = draft.check()
  if (made.length > 0)
    throw configInvalid(`${draft.path} as it would be`, made, 'nothing was written')
  await draft.save()
  for (const problem of old) io.printError(`warning: still wrong: ${formatProblem(problem)}`)
}

function usage(reason: string, hint?: string): SpillwayError {
  return new SpillwayError('USAGE', `configure: ${reason}`, hint === undefined ? {} : { hint })
}
