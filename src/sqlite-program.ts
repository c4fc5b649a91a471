// The program that a SQLite source runs: `copy DATABASE FOLDER BUSY_MS` writes a consistent, checked copy of
// a database to its standard output, by way of a folder of the spool; `version` tells SQLite's.

import { closeSync, openSync, readSync, rmSync } from 'node:fs'
import { assert } from './lib/assert.ts'
import { runOwnProgram, say, writeOutput } from './sources/own-program.ts'
import { copySqlite, sqliteVersion } from './sources/sqlite-copy.ts'

// The reader takes 64 KiB at a time; fewer calls on this side.
const PIECE_BYTES = 1024 * 1024

await runOwnProgram(async ([what, path = '', folder = '', busyMs = '']) => {
  if (what === 'version') {
    writeOutput(Buffer.from(`${sqliteVersion()}\n`))
    return
  }
  assert(what === 'copy', 'sqlite-program copies or tells its version')
  const copy = await copySqlite({ path, folder, busyMs: Number(busyMs) })
  if (copy.unchecked !== undefined) say(copy.unchecked)
  if (copy.path !== undefined) writeFile(copy.path)
})

function writeFile(path: string): void {
  const fd = openSync(path, 'r')
  // Nobody needs its name any more: it goes when this process does.
  rmSync(path)
  try {
    const piece = Buffer.allocUnsafe(PIECE_BYTES)
    for (;;) {
      const bytes = readSync(fd, piece, 0, piece.length, null)
      if (bytes === 0) return
      writeOutput(piece.subarray(0, bytes))
    }
  } finally {
    closeSync(fd)
  }
}
