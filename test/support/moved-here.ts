// A data folder that came from another machine.

import { join } from 'node:path'
import { readFileSync, writeFileSync } from 'node:fs'
import type { World } from './world.ts'

/** Without a name (containers often have none) no machine can be another one. */
export function hasMachineName(): boolean {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() !== ''
  } catch {
    return false
  }
}

/** The last run with the world's data folder was on another machine than this one. */
export function moveHere(world: World): void {
  writeFileSync(join(world.folder, 'data/machine'), `${'0'.repeat(32)}\n`)
}
