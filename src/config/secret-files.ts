// A secret that stands in the settings, or in a file which they name: a systemd credential, or a file of
// one's own.

import { closeSync, constants, openSync, readSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import type { Problem } from './problem.ts'
import { textOf, tryParse } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { no } from './values.ts'
import type { ValueContext } from './values.ts'

type Place = {
  readonly variablePrefix: string
  readonly env: EnvRecord
  readonly context: ValueContext
  readonly problems: Problem[]
}

/** `value`: what the setting itself says. undefined: neither says anything, or a problem was told. */
export function readSecret(
  place: Place & {
    readonly name: string
    readonly value: string | undefined
    readonly parse: (text: string) => string
  },
): string | undefined {
  const { env, problems, name, value, parse } = place
  const variable = place.variablePrefix + name
  const fileVariable = `${variable}_FILE`
  const file = textOf(env, fileVariable)
  if (file === undefined) return value
  if (textOf(env, variable) !== undefined) {
    problems.push({
      variable: fileVariable,
      value: file,
      reason: `is set, and ${variable} as well`,
      remedy: 'remove one of the two',
    })
    return undefined
  }
  return tryParse(problems, fileVariable, file, false, () => {
    const text = readText(secretPath(file, place), 'the key').replace(/\r?\n$/, '')
    return text === '' ? no('names an empty file') : parse(text)
  })
}

/** A bare name is a systemd credential where the unit has them, else it lies beside the env file. */
function secretPath(file: string, { env, context }: Place): string {
  const credentials = textOf(env, 'CREDENTIALS_DIRECTORY')
  return resolve(
    context.envFileDir,
    credentials === undefined || isAbsolute(file) ? file : join(credentials, file),
  )
}

// Keys have under 200 bytes, the largest bundles of authorities about 500 kB.
const FILE_BYTES_MAX = 4_000_000

export function readText(file: string, what: string): string {
  try {
    return readBounded(file) ?? no(`names a file too large for ${what}`)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    // Below what is a file there is no other one.
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return no(`names a file that does not exist: ${file}`)
    if (code === 'EISDIR') return no(`names a folder, not a file: ${file}`)
    if (code === 'EACCES') return no(`names a file that may not be read: ${file}`)
    // Those of the system; others are ours.
    if (/^E[A-Z0-9]+$/.test(code)) return no(`names a file that cannot be read (${code}): ${file}`)
    throw error
  }
}

// Most are read at once; as much as Node takes for a stream.
const READ_BYTES = 65_536

/** undefined: it is larger. What has no end (a device) is not read to it. */
function readBounded(file: string): string | undefined {
  const fd = openSync(file, constants.O_RDONLY)
  try {
    const pieces: Buffer[] = []
    for (let bytes = 0; bytes <= FILE_BYTES_MAX;) {
      const piece = Buffer.allocUnsafe(READ_BYTES)
      const count = readSync(fd, piece)
      if (count === 0) return Buffer.concat(pieces).toString('utf8')
      pieces.push(piece.subarray(0, count))
      bytes += count
    }
    return undefined
  } finally {
    closeSync(fd)
  }
}
