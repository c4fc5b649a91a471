// Flushes a folder to the disk: only then a name that was put into it is there for good, also after a power
// cut.

import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

// Some network and FAT file systems cannot do that; there is nothing better to do there.
const UNABLE: readonly unknown[] = ['EINVAL', 'ENOTSUP', 'EBADF']

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch (error) {
    if (!UNABLE.includes((error as NodeJS.ErrnoException).code)) throw error
  } finally {
    await folder.close()
  }
}

/**
 * Makes a folder and those above it that are missing, mode 0700, and syncs the folder of each new one: what is synced
 * in a folder is lost together with its name. Says whether anything was made.
 */
export function makeFolderOnDisk(path: string): boolean {
  const made = mkdirSync(path, { recursive: true, mode: 0o700 })
  if (made === undefined) return false
  const first = dirname(resolve(made))
  for (let at = resolve(path); at !== first; at = dirname(at)) syncAtOnce(dirname(at))
  return true
}

function syncAtOnce(path: string): void {
  let folder: number
  try {
    folder = openSync(path, 'r')
  } catch (error) {
    // Who may write there and not read has no way to sync it.
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return
    throw error
  }
  try {
    fsyncSync(folder)
  } catch (error) {
    if (!UNABLE.includes((error as NodeJS.ErrnoException).code)) throw error
  } finally {
    closeSync(folder)
  }
}
