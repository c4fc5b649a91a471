// Files with a password for a tool, as long as it runs: never an argument and never a variable, which others
// can see; and copies of databases that are read from there. In a folder of its own of mode 0700; what a killed process left is removed by the next one.

import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { isAlive, startTicksOf } from '../lib/process-identity.ts'

const PREFIX = '.spillway-secrets-'
// Where there is no /proc.
const NO_TICKS = '0'

export class SecretFolder {
  readonly path: string

  /** Throws SOURCE_DATABASE_FAILED. */
  constructor(parent: string) {
    try {
      // The process is in its name: whoever finds it can see whether it is still in use.
      const owner = `${process.pid}-${startTicksOf(process.pid) ?? NO_TICKS}`
      this.path = mkdtempSync(join(parent, `${PREFIX}${owner}-`))
    } catch (cause) {
      throw notWritten(parent, cause)
    }
  }

  /** Returns its path. */
  write(name: string, text: string): string {
    const path = join(this.path, name)
    try {
      writeFileSync(path, text, { mode: 0o600, flag: 'wx' })
    } catch (cause) {
      throw notWritten(path, cause)
    }
    return path
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/**
 * What processes that were killed have left in `parent`; also what seems to be in use, where the caller knows
 * that nobody else works there (in a container every process may have the same number).
 */
export function removeLeftSecrets(parent: string, isAlone: boolean): void {
  if (!existsSync(parent)) return
  for (const name of readdirSync(parent).filter((each) => each.startsWith(PREFIX))) {
    if (!isAlone && isInUse(name)) continue
    const path = join(parent, name)
    if (isOurs(path)) rmSync(path, { recursive: true, force: true })
  }
}

/**
 * In a folder for everybody (/tmp) the name alone says nothing: what is removed with all that it holds must be
 * a folder that nobody else could have made, or could change meanwhile.
 */
function isOurs(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isDirectory()) return false
  return stats.uid === process.geteuid?.() && (stats.mode & 0o077) === 0
}

function isInUse(name: string): boolean {
  const [, pid, start] = /^(\d+)-(\d+)-/.exec(name.slice(PREFIX.length)) ?? []
  if (pid === undefined) return false
  const startTicks = start === NO_TICKS ? undefined : start
  return isAlive({ pid: Number(pid), startTicks }) === true
}

function notWritten(path: string, cause: unknown): SpillwayError {
  const message = `nothing private can be written to ${path}: ${messageOf(cause)}`
  return new SpillwayError('SOURCE_DATABASE_FAILED', message, { cause })
}
