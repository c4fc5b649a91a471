// Files with a password for a tool, as long as it runs: never an argument and never a variable, which others
// can see; and copies of databases that are read from there. In a folder of its own of mode 0700; what a killed process left is removed by the next one.

import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { messageOf, SpillwayError } from '../domain/errors.ts'

const PREFIX = '.spillway-secrets-'

export class SecretFolder {
  readonly path: string

  /** Throws SOURCE_DATABASE_FAILED. */
  constructor(parent: string) {
    try {
      // The process is in its name: whoever finds it can see whether it is still in use.
      const owner = `${process.pid}-${startOf(process.pid) ?? 0}`
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
  const found = startOf(Number(pid))
  return found === undefined ? isAlive(Number(pid)) : String(found) === start
}

/** When the process began, in ticks since the machine did: numbers of processes are used again. */
function startOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // Behind the name, which may hold anything: proc(5), field 22.
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19])
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function notWritten(path: string, cause: unknown): SpillwayError {
  const message = `nothing private can be written to ${path}: ${messageOf(cause)}`
  return new SpillwayError('SOURCE_DATABASE_FAILED', message, { cause })
}
