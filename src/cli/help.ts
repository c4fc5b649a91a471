// The text of --help: of the program, and of each command.

import { GLOBAL_FLAGS } from './command.ts'
import type { Command, CommandTitle, Flag, Flags } from './command.ts'
import { plural } from './output.ts'
import { wrap } from './text.ts'
import { EXIT_MEANINGS } from '../domain/exit-code.ts'
import { formatSeconds } from '../domain/sizes.ts'
import { NETWORK_LIMITS } from '../storage/limits.ts'
import { COMPLETE_SILENCES_MAX } from '../storage/limits.ts'
import type { NetworkLimits } from '../storage/limits.ts'

type Described = Omit<Command<never>, 'run'>

// Where the terminal does not say otherwise. Paragraphs are broken here and nowhere else, so that help
// reads the same in a pipe, a bug report and a manual.
const LINE_COLUMNS = 80

export function programHelp(commands: readonly CommandTitle[]): readonly string[] {
  return [
    'Spillway archives folders and databases nightly to the first server with room.',
    '',
    'usage: spillway COMMAND [FLAGS]',
    '',
    'commands:',
    ...pairs(commands.map((command) => [title(command), command.summary])),
    '',
    'flags of every command:',
    ...flagLines(GLOBAL_FLAGS),
    '',
    'other flags:',
    ...pairs([
      ['spillway --version', 'print the version'],
      ['spillway COMMAND --help', 'the flags of a command, with examples'],
    ]),
    '',
    'exit codes:',
    ...pairs(EXIT_MEANINGS),
    '',
    'a server that is not well:',
    ...deadlines(NETWORK_LIMITS),
  ]
}

export function commandHelp(command: Described): readonly string[] {
  return [
    `usage: spillway ${[title(command), '[FLAGS]'].join(' ')}`,
    '',
    ...wrap(sentence(command.summary), LINE_COLUMNS, 0),
    ...(command.details ?? []).flatMap((paragraph) => ['', ...wrap(paragraph, LINE_COLUMNS, 0)]),
    '',
    'flags:',
    ...flagLines({ ...command.flags, ...GLOBAL_FLAGS }),
    '',
    plural(command.examples.length, 'example').replace(/^\S+ /, '') + ':',
    ...command.examples.map((example) => `  ${example}`),
    '',
    'exit codes:',
    ...pairs(EXIT_MEANINGS),
  ]
}

/** The deadlines of storage/limits.ts in words: no fault may hold a run longer than this. */
export function deadlines(limits: NetworkLimits): readonly string[] {
  const after = (ms: number) => formatSeconds(ms / 1_000).replace(/ 0 s$|\.0(?= s$)/, '')
  return [
    ...pairs([
      ['connecting', `given up after ${after(limits.connectMs)}`],
      ['no byte either way', `given up after ${after(limits.silenceMs)}, not repeated in this run`],
      [
        'completing an upload',
        `given up after ${after(limits.completeSilenceMs)} of silence; a server that sends blanks ` +
          `meanwhile is working, for at most ${after(COMPLETE_SILENCES_MAX * limits.completeSilenceMs)}`,
      ],
      ['no progress at all', `given up after ${after(limits.withoutProgressMs)}, repeats included`],
    ]),
    ...wrap(
      `  Then the archive goes on to the next server, and later archives of the same run pass this one ` +
        `by. So a server costs a run at most ${after(limits.withoutProgressMs)} without progress; blanks ` +
        'while it completes an upload are progress.',
      LINE_COLUMNS,
    ),
  ]
}

function title({ name, operands }: CommandTitle): string {
  return operands.usage === '' ? name : `${name} ${operands.usage}`
}

function flagLines(flags: Flags): readonly string[] {
  return pairs(Object.entries(flags).map(([name, flag]) => [flagTitle(name, flag), flag.help]))
}

function flagTitle(name: string, flag: Flag): string {
  if (flag.type === 'boolean') return `--${name}`
  return `--${name}=${flag.placeholder}${flag.type === 'list' ? ' ...' : ''}`
}

/** Two columns; the second is broken at the line's end and goes on below itself. */
function pairs(rows: readonly (readonly [string, string])[]): readonly string[] {
  // A very long first part gets a line of its own instead of moving all others to the right.
  const firstColumnsMax = 26
  const width = Math.max(
    0,
    ...rows.map(([first]) => first.length).filter((length) => length <= firstColumnsMax),
  )
  return rows.flatMap(([first, second]) => {
    const hang = width + 4
    if (first.length > width)
      return [`  ${first}`, ...wrap(' '.repeat(hang) + second, LINE_COLUMNS, hang)]
    return wrap(`  ${first.padEnd(width)}  ${second}`, LINE_COLUMNS, hang)
  })
}

function sentence(summary: string): string {
  const end = /[.?]$/.test(summary) ? '' : '.'
  return `${summary.slice(0, 1).toUpperCase()}${summary.slice(1)}${end}`
}
