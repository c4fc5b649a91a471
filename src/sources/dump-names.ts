// What the dump of a database is called in the archive: its name, as it is where that can be, so that people
// find it; what a path, a shell or a terminal would act on is escaped as in a URL. All lie in one folder,
// so that no name meets another member's, and the list of databases comes behind them all.

import { createHash } from 'node:crypto'

const FOLDER = 'databases/'

// A late header has room for so much (FORMAT.md).
const PATH_BYTES_MAX = 100
const HASH_CHARACTERS = 16

/** Two databases are never one file. */
export function dumpFileName(database: string, extension: string): string {
  const escaped = escapeName(database)
  const path = FOLDER + escaped + extension
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX) return path
  // Cut, and told apart by a hash behind a character that is escaped elsewhere: the list of databases in
  // the archive says which one it is.
  const hash = createHash('sha256').update(database).digest('hex').slice(0, HASH_CHARACTERS)
  const ending = `~${hash}${extension}`
  return FOLDER + cut(escaped, PATH_BYTES_MAX - FOLDER.length - ending.length) + ending
}

function escapeName(name: string): string {
  return name.replace(/^[.-]|[^\p{L}\p{N}._+=@-]/gu, (character) =>
    [...Buffer.from(character)].map(escapeByte).join(''),
  )
}

function escapeByte(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}

/** Neither a character nor an escape is cut through. */
function cut(escaped: string, bytesMax: number): string {
  let kept = ''
  for (const [piece] of escaped.matchAll(/%[0-9A-F]{2}|[^%]/gsu)) {
    if (Buffer.byteLength(kept) + Buffer.byteLength(piece) > bytesMax) break
    kept += piece
  }
  return kept
}
