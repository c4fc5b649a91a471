// Copies the files of a SQLite database while nobody writes them, and proves that: nothing about them has
// changed between two looks. Such files are what a crash at that moment would have left, which is what
// SQLite can recover from.

import { chmodSync, constants, copyFileSync, rmSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

// What belongs to the content. -shm does not: SQLite makes it anew from the log.
const SUFFIXES = ['', '-wal', '-journal']

/** The coarsest clock of a file system (FAT): a change within this time may leave the same time behind. */
const CLOCK_MS = 2_000

/** undefined: copied to `target`, `target`-wal and `target`-journal. Else the file that has changed. */
export async function copyStill(path: string, target: string): Promise<string | undefined> {
  let before = lookAt(path)
  if (isYoung(before)) {
    await sleep(CLOCK_MS)
    before = lookAt(path)
    if (isYoung(before)) return before.find((file) => isYoung([file]))?.path
  }
  for (const suffix of SUFFIXES) {
    const copy = target + suffix
    rmSync(copy, { force: true })
    if (before.find((file) => file.path === path + suffix)?.state === undefined) continue
    try {
      copyFileSync(path + suffix, copy, constants.COPYFILE_FICLONE)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path + suffix
      throw error
    }
    // It has the mode of the original, which may forbid us to write.
    chmodSync(copy, 0o600)
  }
  const after = lookAt(path)
  return before.find(({ state }, at) => state !== after[at]!.state)?.path
}

type Look = {
  readonly path: string
  /** undefined: it is not there. */
  readonly state: string | undefined
  readonly changedMs: number
}

function lookAt(path: string): Look[] {
  return SUFFIXES.map((suffix) => {
    const found = statSync(path + suffix, { bigint: true, throwIfNoEntry: false })
    const state = found && [found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ')
    return { path: path + suffix, state, changedMs: Number(found?.mtimeMs ?? 0n) }
  })
}

function isYoung(files: readonly Look[]): boolean {
  return files.some(({ changedMs }) => Math.abs(Date.now() - changedMs) < CLOCK_MS)
}
