// A command is a value: its name, the flags and operands it takes, and what it does.
//
// main.ts holds the one list of commands; nothing registers itself on import. Only the one that is asked
// for is loaded, and it imports nothing heavy: SDK, SQLite and worker threads come with `services()`, which
// opens them on the first call. So `--help` is there at once. runCli closes what was opened, also after a
// failure.

import { SpillwayError } from '../domain/errors.ts'
import { nearestName } from '../lib/nearest.ts'

export type Flag =
  | { readonly type: 'boolean'; readonly help: string }
  /** A text, or a whole number from 1 on; a list is given once per item. */
  | {
      readonly type: 'string' | 'count' | 'list'
      readonly help: string
      readonly placeholder: string
    }

export type Flags = Readonly<Record<string, Flag>>

type FlagValue<Type extends Flag['type']> = Type extends 'boolean'
  ? boolean
  : Type extends 'count'
    ? number | undefined
    : Type extends 'list'
      ? readonly string[]
      : string | undefined

export type FlagValues<F extends Flags> = {
  readonly [Name in keyof F]: FlagValue<F[Name]['type']>
}

/** Understood by every command, besides its own. */
export const GLOBAL_FLAGS = {
  config: {
    type: 'string',
    placeholder: 'FILE',
    help: 'read the settings from FILE instead of ./.env',
  },
  help: { type: 'boolean', help: 'print this help' },
} as const satisfies Flags

/** The `json` entry of every command that has one. */
export const JSON_FLAG = { type: 'boolean', help: 'print one JSON document' } as const

/** The `events` entry of commands that have some. */
export const EVENTS_FLAG = {
  type: 'boolean',
  help: 'print what happens as lines of JSON to standard error',
} as const

/** The `dry-run` entry of every command that changes anything. */
export const DRY_RUN_FLAG = {
  type: 'boolean',
  help: 'say what would be done, and do nothing',
} as const

/** What one of the two output streams can show. */
export type Screen = {
  readonly isTerminal: boolean
  readonly hasColour: boolean
  /** Asked anew for every table: windows are resized. */
  readonly columns: () => number
}

/** All that a command may touch of the world outside. A test passes its own. */
export type Io<Services> = {
  /** Opened on the first call, with the file of --config; the same ones afterwards. */
  readonly services: () => Promise<Services>
  /** The file of --config, for commands that read or write it themselves. */
  readonly configFile: string | undefined
  /** One line, or several, to standard output. */
  readonly print: (line: string) => void
  /** The one document of --json. */
  readonly printJson: (document: unknown) => void
  /** One line, or several, to standard error. */
  readonly printError: (line: string) => void
  /** Raw bytes to standard output; resolves when more may come. */
  readonly write: (bytes: Uint8Array) => Promise<void>
  readonly out: Screen
  readonly err: Screen
  /** Lines that stay at the bottom of the terminal until they are replaced; [] removes them. */
  readonly showLive: (lines: readonly string[]) => void
  /** Standard error is read by systemd: lines may begin with a priority such as `<4>`. */
  readonly isJournal: boolean
  readonly now: () => Date
  readonly signal: AbortSignal
}

/** What runCli is given: `open` instead of the services themselves. */
export type CliIo<Services> = Omit<
  Io<Services>,
  'services' | 'configFile' | 'print' | 'printJson'
> & {
  readonly open: (input: Opening) => Promise<Services & Closable>
  readonly print: (line: string) => void
  /** Resolves when all that was printed is handed on; rejects with OUTPUT_FAILED where that could not be. */
  readonly flushed: () => Promise<void>
}

/** Which settings are read. */
export type Opening = {
  readonly configFile: string | undefined
  /** There may be none yet. */
  readonly mayBeAbsent?: boolean
}

export type Closable = { readonly close: () => Promise<void> }

export type Operands = {
  /** As the usage line shows them: `ARCHIVE [PATH...]`. */
  readonly usage: string
  readonly min: number
  /** undefined: any number. */
  readonly max: number | undefined
}

/** What is known of a command without loading it. */
export type CommandTitle = {
  readonly name: string
  /** What `spillway --help` says about it; lower case, no full stop. */
  readonly summary: string
  readonly operands: Operands
}

type CommandFacts<F extends Flags> = CommandTitle & {
  /** Paragraphs for the command's own help. */
  readonly details?: readonly string[]
  readonly flags: F
  readonly examples: readonly string[]
  /** It has its work before there are any settings. */
  readonly needsNoSettings?: true
}

type CommandSpec<F extends Flags, Services> = CommandFacts<F> & {
  /** Resolves to the exit code of a run that came to its end. A run that failed rejects. */
  readonly run: (
    flags: FlagValues<F & typeof GLOBAL_FLAGS>,
    operands: readonly string[],
    io: Io<Services>,
  ) => Promise<number>
}

/** A command whose flag types are sealed inside, so that commands of all kinds fit one list. */
export type Command<Services> = CommandFacts<Flags> & {
  readonly run: (args: readonly string[], begin: BeginCommand<Services>) => Promise<number>
}

/** A line of the list of commands. */
export type CommandEntry<Services> = CommandTitle & {
  readonly load: () => Promise<Command<Services>>
}

/** Makes the command's view of the world, once its flags are known. */
export type BeginCommand<Services> = (input: Opening) => Io<Services>

export function defineCommand<const F extends Flags, Services>(
  spec: CommandSpec<F, Services>,
): Command<Services> {
  return {
    ...spec,
    run: async (args, begin) => {
      const { values, operands } = parseArguments(
        spec.name,
        { ...spec.flags, ...GLOBAL_FLAGS },
        args,
      )
      checkOperands(spec, operands)
      // parseArguments gives each flag the value that its type says.
      const flags = values as FlagValues<F & typeof GLOBAL_FLAGS>
      const configFile = values['config'] as string | undefined
      const mayBeAbsent = spec.needsNoSettings === true
      return spec.run(flags, operands, begin({ configFile, mayBeAbsent }))
    },
  }
}

type Parsed = {
  readonly values: Readonly<Record<string, boolean | number | string | undefined | string[]>>
  readonly operands: readonly string[]
}

/** `--name value`, `--name=value`, `--switch`; `--` ends the flags. All rejections are USAGE. */
export function parseArguments(name: string, flags: Flags, args: readonly string[]): Parsed {
  const values: Record<string, boolean | number | string | undefined | string[]> = {}
  for (const [flag, { type }] of Object.entries(flags))
    values[flag] = type === 'boolean' ? false : type === 'list' ? [] : undefined
  const operands: string[] = []
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') return { values, operands: [...operands, ...rest] }
    if (arg === '-' || !arg.startsWith('-')) {
      operands.push(arg)
      continue
    }
    const [, flag = arg, inline] = /^--([^=]+)(?:=([\s\S]*))?$/.exec(arg) ?? []
    const known = Object.hasOwn(flags, flag) ? flags[flag] : undefined
    if (known === undefined) throw unknownFlag(name, arg, flags)
    const text = known.type === 'boolean' ? inline : (inline ?? takeValue(name, flag, known, rest))
    setValue({ name, flag, known, values, text })
  }
  return { values, operands }
}

function takeValue(name: string, flag: string, known: Flag, rest: string[]): string {
  const next = rest.shift()
  const placeholder = known.type === 'boolean' ? '' : known.placeholder
  if (next === undefined) throw usage(name, `--${flag} needs a value: --${flag}=${placeholder}`)
  // "--to --json" is a forgotten value far more often than a folder named "--json".
  if (next.startsWith('--'))
    throw usage(
      name,
      `--${flag} needs a value, got "${next}" (write --${flag}=${next} if that is it)`,
    )
  return next
}

function setValue(input: {
  name: string
  flag: string
  known: Flag
  values: Record<string, boolean | number | string | undefined | string[]>
  text: string | undefined
}): void {
  const { name, flag, known, values, text } = input
  if (known.type === 'boolean') {
    if (text !== undefined) throw usage(name, `--${flag} takes no value, got "${text}"`)
    values[flag] = true
    return
  }
  const before = values[flag]
  if (Array.isArray(before)) {
    before.push(text ?? '')
    return
  }
  if (before !== undefined) throw usage(name, `--${flag} is given twice`)
  values[flag] = known.type === 'count' ? countOf(name, flag, text ?? '') : text
}

function countOf(name: string, flag: string, text: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : 0
  if (count < 1) throw usage(name, `--${flag} must be a whole number from 1 on, got "${text}"`)
  return count
}

function checkOperands(spec: CommandFacts<Flags>, operands: readonly string[]): void {
  const { min, max, usage: expected } = spec.operands
  if (max !== undefined && operands.length > max) {
    const extra = operands[max] ?? ''
    const takes = max === 0 ? 'takes no operand' : `takes at most ${max} (${expected})`
    throw usage(spec.name, `${takes}, got "${extra}"`)
  }
  if (operands.length < min) throw usage(spec.name, `needs ${expected}`)
}

function unknownFlag(name: string, arg: string, flags: Flags): SpillwayError {
  const given = arg.replace(/=[\s\S]*$/, '')
  const nearest = nearestName(given.replace(/^-+/, ''), Object.keys(flags))
  const hint = nearest === undefined ? undefined : `did you mean --${nearest}?`
  return usage(name, `unknown flag "${given}"`, hint)
}

function usage(name: string, reason: string, hint = `see: spillway ${name} --help`): SpillwayError {
  return new SpillwayError('USAGE', `${name}: ${reason}`, { hint })
}
