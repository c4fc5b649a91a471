// Which machine a data folder was last used on. A cloned machine has the same SERVER_ID and the same catalog, and
// believes that all archives are its own; a run on another machine than the last one is what can be seen of it.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { readFileSync, writeFileSync } from 'node:fs'

const MACHINE_ID = '/etc/machine-id'

/** Why rules delete nothing then. */
export const LAST_RUN_ELSEWHERE = 'the last run with this DATA_DIR was on another machine'

/** Whether the last whole run in this folder was on another machine; not where either has no name. */
export function isOfAnotherMachine(dataDir: string): boolean {
  const [before, now] = [noted(dataDir), thisMachine()]
  return before !== '' && now !== '' && before !== now
}

/** Call it when a run has come to its end, and what it found out about the servers is told. */
export function noteMachine(dataDir: string): void {
  const now = thisMachine()
  if (now === '' || now === noted(dataDir)) return
  try {
    writeFileSync(pathIn(dataDir), `${now}\n`, { mode: 0o600 })
  } catch {
    // A full disk, say, of which the run has other news: the next run asks again.
  }
}

/** Nothing syncs the file: after a power cut it may hold anything, and is none then. */
function noted(dataDir: string): string {
  const text = readText(pathIn(dataDir))
  return /^[0-9a-f]{32}$/.test(text) ? text : ''
}

function pathIn(dataDir: string): string {
  return join(dataDir, 'machine')
}

/** machine-id(5) asks to show nobody the id itself: a hash of it and of a name of one's own will do. */
function thisMachine(): string {
  const id = readText(MACHINE_ID)
  return id === '' ? '' : createHash('sha256').update(`spillway ${id}`).digest('hex').slice(0, 32)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    // Not every system has one, and not every container.
    return ''
  }
}
