import { mkdirSync } from 'node:fs'

/** Folders named d in each other, more than any path could name: one step at a time. */
export function makeDeepFolders(folder: string, count: number): void {
  let at = folder
  const top = process.cwd()
  try {
    for (let depth = 0; depth < count; depth += 1) {
      process.chdir(at)
      mkdirSync('d')
      at = 'd'
    }
  } finally {
    process.chdir(top)
  }
}
