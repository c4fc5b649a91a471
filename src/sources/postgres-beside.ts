// The names of databases that a restore makes beside the one that it replaces. One that was cut off in the middle
// leaves them behind: by its name everybody knows it.

import { randomBytes } from 'node:crypto'

const BESIDE = /^spillway_restore_[0-9a-f]{8}(?:_old)?$/

export function nameBeside(): string {
  return `spillway_restore_${randomBytes(4).toString('hex')}`
}

/** What the database is called that such a one has replaced. */
export function replacedName(beside: string): string {
  return `${beside}_old`
}

export function isLeftByRestore(name: string): boolean {
  return BESIDE.test(name)
}
