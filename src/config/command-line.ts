// The text of a command -> the program and its arguments. Quoting is that of a shell, and nothing else is:
// no shell ever sees the text. What a shell would act on must therefore be quoted, so that nobody believes
// in a pipe that is none.

import { ValueProblem } from './problem.ts'
import { no } from './values.ts'

export type CommandLine = {
  readonly text: string
  readonly argv: readonly [program: string, ...args: string[]]
}

const SHELL_REMEDY = "quote it, or run a shell: bash -o pipefail -c '...'"

// What a shell takes for itself outside of all quotes, and inside double ones.
const SHELL_CHARACTERS = /[|&;<>()`*?[\]~]|\$(?=[\w{(@*#?$!-])/
const EXPANDED_IN_QUOTES = /`|\$(?=[\w{(@*#?$!-])/

export function commandLine(text: string): CommandLine {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\x00-\x1f\x7f]/.test(text.replace(/[\t\n\r]/g, ' ')))
    no('must not contain control characters')
  const [program, ...args] = splitWords(text)
  if (program === undefined || program === '') return no('must begin with a program')
  const argv: CommandLine['argv'] = [program, ...args]
  refusePasswords(argv)
  refuseHiddenExit(argv)
  return { text: text.replace(/\s+/g, ' ').trim(), argv }
}

function splitWords(text: string): string[] {
  const words: string[] = []
  // undefined between words; '' is a word, too.
  let word: string | undefined
  for (let at = 0; at < text.length;) {
    const [piece] = PIECE.exec(text.slice(at)) ?? []
    if (piece === undefined) return no(`has a ${nameOf(text[at]!)} without its end`)
    at += piece.length
    if (/^\s/.test(piece)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + meaningOf(piece)
  }
  return word === undefined ? words : [...words, word]
}

const PIECE = /^(?:\s+|'[^']*'|"(?:\\[\s\S]|[^"\\])*"|\\[\s\S]|[^\s'"\\]+)/

function meaningOf(piece: string): string {
  if (piece.startsWith("'")) return piece.slice(1, -1)
  if (piece.startsWith('\\')) return piece.slice(1)
  if (!piece.startsWith('"')) {
    refuse(SHELL_CHARACTERS.exec(piece)?.[0], 'outside quotes')
    return piece
  }
  const inside = piece.slice(1, -1)
  refuse(EXPANDED_IN_QUOTES.exec(inside.replace(/\\[\s\S]/g, ''))?.[0], 'in double quotes')
  return inside.replace(/\\(["\\$`])/g, '$1')
}

function refuse(character: string | undefined, where: string): void {
  if (character === undefined) return
  no(`has "${character}" ${where}, which only a shell understands`, SHELL_REMEDY)
}

function nameOf(character: string): string {
  return character === '\\' ? 'backslash' : `quote (${character})`
}

/** Everybody on a machine can read the arguments of its programs. */
function refusePasswords(argv: readonly string[]): void {
  if (!argv.some((word) => /:\/\/[^\s/@:]*:[^\s/@]+@/.test(word))) return
  throw new ValueProblem('has a password in a URL, which every user can see among the processes', {
    remedy: "use the tool's password file, or name a variable in ..._ENV",
    isSecret: true,
  })
}

const SHELLS = /(?:^|\/)(?:ba|da|k|z)?sh$/

/** A pipe ends as its last command does: a dump that fails in front of gzip would look well. */
function refuseHiddenExit([program, ...args]: CommandLine['argv']): void {
  const script =
    SHELLS.test(program) && args.some((arg) => /^-[a-z]*c$/.test(arg)) ? args.at(-1) : ''
  const hasPipe = /[^|]\|[^|]/.test(script ?? '')
  if (!hasPipe || args.some((arg) => arg.includes('pipefail'))) return
  no(
    'has a pipe, which hides whether the commands before its last one did well',
    "write bash -o pipefail -c '...'",
  )
}
