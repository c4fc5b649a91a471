// Files with a password for a tool, as long as it runs: never an argument and never a variable, which others
// can see; and copies of databases that are read from there. In a folder of its own of mode 0700; what a killed process left is removed by the next one.

import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, SpillwayError } from '../domain/errors.ts'

const PREFIX = '.spillway-secrets-'

export class SecretFolder {
  readonly path: string

  /** Throws SOURCE_DATABASE_FAILED. */
  constructor(parent: string) {
    try {
      // The process is in its name: whoever finds it can see whether it is still in use.
      this.path = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`))
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
    const pid = Number(/^\d+/.exec(name.slice(PREFIX.length))?.[0])
    if (!isAlone && isAlive(pid)) continue
    try {
      rmSync(join(parent, name), { recursive: true, force: true })
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      // Another user's.
      if (code !== 'EACCES' && code !== 'EPERM') throw cause
    }
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
