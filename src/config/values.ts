// The kinds of values that settings have: text in, value out, or a sentence that says what was
// expected. None of them knows a variable's name.

import { homedir } from 'node:os'
import { basename, resolve } from 'node:path'
import { ValueProblem } from './problem.ts'

/** What a value may depend on besides its own text. */
export type ValueContext = {
  /** Relative paths start here: the folder of the env file. */
  readonly envFileDir: string
}

export type ParseValue<T> = (text: string, context: ValueContext) => T

/** Stops the parsing of this value: `reason` follows on the variable's name. */
export function no(reason: string, remedy?: string): never {
  throw new ValueProblem(reason, { remedy })
}

const WORDS: Readonly<Record<string, boolean>> = {
  ...{ true: true, yes: true, on: true, 1: true },
  ...{ false: false, no: false, off: false, 0: false },
}

export function boolean(text: string): boolean {
  return WORDS[text.toLowerCase()] ?? no('must be true or false')
}

export function booleanOrAuto(text: string): boolean | undefined {
  if (text.toLowerCase() === 'auto') return undefined
  return WORDS[text.toLowerCase()] ?? no('must be true, false or auto')
}

export function wholeNumber(min: number, max: number): ParseValue<number> {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    return no(`must be a whole number from ${min} to ${max}`)
  }
}

/** A decimal number times 10^`exponent`, exact to the last digit: 0.1 is no binary fraction. */
function scaled(text: string, exponent: number, unit: string): number {
  const [, whole, fraction = ''] = /^(\d+)(?:\.(\d+))?$/.exec(text) ?? []
  if (whole === undefined) {
    const [, amount] = /^(\d+(?:\.\d+)?)\s*[a-z]+$/i.exec(text) ?? []
    const remedy = /^\d+,\d+$/.test(text) ? 'write a point instead of the comma' : undefined
    return no(
      `must be a number of ${unit}, as in 250 or 0.5`,
      amount === undefined ? remedy : `write the number alone: the unit is always ${unit}`,
    )
  }
  if (fraction.length > exponent) no(`must have at most ${exponent} decimals`)
  const value = BigInt(whole + fraction.padEnd(exponent, '0'))
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    no(`must be at most ${Math.floor(Number.MAX_SAFE_INTEGER / 10 ** exponent)}`)
  return Number(value)
}

/** Bytes; 1 GB = 10^9 bytes, as providers bill. */
export function gigabytes(text: string): number {
  const bytes = scaled(text, 9, 'GB')
  return bytes > 0 ? bytes : no('must be more than 0')
}

/** Bits per second. */
export function megabits(text: string): number {
  const bits = scaled(text, 6, 'Mbit/s')
  // Below that a part of 5 MiB takes longer than most servers keep a request open.
  const bitsMin = 100_000
  return bits >= bitsMin ? bits : no('must be at least 0.1', 'leave it out for no limit')
}

/** Absolute, whatever folder the command was started in. */
export function path(text: string, { envFileDir }: ValueContext): string {
  if (/^~(?:\/|$)/.test(text))
    no('must not begin with ~, which only a shell knows', `write ${homedir()}${text.slice(1)}`)
  if (text.startsWith('~')) no('must not begin with ~, which only a shell knows')
  if (/^\$[{\w]/.test(text))
    no('must not begin with a variable, which only a shell knows', 'write the whole path')
  if (hasControls(text)) no('must not contain control characters')
  return resolve(envFileDir, text)
}

/** Anything that can be shown on one line. */
export function line(charactersMax: number): ParseValue<string> {
  return (text) => {
    if (hasControls(text)) no('must not contain control characters')
    return text.length <= charactersMax ? text : no(`must have at most ${charactersMax} characters`)
  }
}

/** An access key or a secret: what a header can carry. */
export function credential(text: string): string {
  if (/\s/.test(text)) no('must not contain spaces or line breaks', 'was it copied with its label?')
  return /^[\x21-\x7e]+$/.test(text) ? text : no('must consist of plain ASCII characters')
}

/** The last folder of a path; `root` for `/`. */
export function lastFolder(absolutePath: string): string {
  return basename(absolutePath) || 'root'
}

function hasControls(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return /[\x00-\x1f\x7f]/.test(text)
}
