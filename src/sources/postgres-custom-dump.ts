// Reads a dump of `pg_dump --format=custom` as it passes: its header, its table of contents, and that every
// block of data which that table promises is there and has its end. The format has no trailer: a dump that
// was cut looks like one to whoever reads its beginning, and so to `pg_restore --list`.
//
// The layout is that of pg_backup_archiver.c and pg_backup_custom.c, versions 1.12 (PostgreSQL 9) to 1.16 (18).

import { ByteWalk, shownBytes, WalkProblem, wrong } from './byte-walk.ts'
import type { Waiting } from './byte-walk.ts'
import type { FoundInOutput, OutputReader } from './output-format.ts'

const MAGIC = 'PGDMP'
const CUSTOM = 1
const BLOCK_DATA = 1
const BLOCK_LARGE_OBJECTS = 3
const NO_DATA = 3

/** Of the format, as MAJOR * 100 + MINOR. */
const OLDEST = 112
const TABLE_ACCESS_METHOD = 114
const COMPRESSION_BYTE = 115
const RELATION_KIND = 116
const NEWEST = 116

// Names of databases and versions; what is longer is none.
const KEPT_STRING_MAX = 4_096
// Any number of a real header fits.
const INT_BYTES_MAX = 8

/** A line of the table of contents, as far as a restore must know it before it begins. */
export type DumpEntry = {
  readonly kind: string
  readonly tag: string
  readonly schema: string
  readonly tablespace: string
  readonly owner: string
  /** The statements themselves, of KINDS_WITH_TEXT only. */
  readonly text: string
}

// What names roles, or belongs to or creates the database itself.
const KINDS_WITH_TEXT = [
  ...['ACL', 'DEFAULT ACL', 'POLICY', 'USER MAPPING'],
  ...['DATABASE', 'DATABASE PROPERTIES', 'COMMENT', 'SECURITY LABEL'],
]
// Statements of one object; a comment is as long as somebody liked.
const KEPT_TEXT_MAX = 4 * 1024 * 1024

export class CustomDumpReader implements OutputReader {
  readonly #bytes: ByteWalk
  #intBytes = 4
  #offsetBytes = 8
  #found: FoundInOutput = {}
  /** Where a dump may end. */
  #isBetweenBlocks = false
  /** Entries of the table whose data has not come yet. */
  readonly #expected = new Set<number>()

  readonly #entries: DumpEntry[] | undefined
  /** Whether its table of contents has been read. */
  isListed = false

  /** `entries` receives its table of contents. */
  constructor(entries?: DumpEntry[]) {
    this.#entries = entries
    this.#bytes = new ByteWalk(this.#dump())
  }

  see(piece: Buffer): void {
    this.#bytes.see(piece)
  }

  end(): FoundInOutput {
    const { problem, isAtEnd, totalBytes } = this.#bytes
    if (problem !== undefined) return this.#wrong(problem)
    if (this.#found.unchecked !== undefined) return this.#found
    if (!this.#isBetweenBlocks || !isAtEnd)
      return this.#wrong(`ends in the middle, after ${totalBytes} bytes`)
    if (this.#expected.size > 0)
      return this.#wrong(
        `ends without the data of ${this.#expected.size} of its tables or large objects`,
      )
    return this.#found
  }

  #wrong(problem: string): FoundInOutput {
    return { ...this.#found, problem }
  }

  *#dump(): Waiting<void> {
    const version = yield* this.#header()
    if (version > NEWEST) {
      const shown = `${Math.floor(version / 100)}.${version % 100}`
      this.#found = {
        ...this.#found,
        unchecked: `its format, ${shown}, is newer than this program`,
      }
      return
    }
    const entries = yield* this.#count()
    for (let entry = 0; entry < entries; entry += 1) yield* this.#entry(version)
    this.isListed = true
    for (;;) {
      this.#isBetweenBlocks = true
      const kind = yield* this.#byte()
      this.#isBetweenBlocks = false
      const id = yield* this.#int()
      if (kind === BLOCK_DATA) yield* this.#chunks()
      else if (kind === BLOCK_LARGE_OBJECTS)
        while ((yield* this.#int()) !== 0) yield* this.#chunks()
      else throw new WalkProblem(`has a block of unknown kind ${kind}`)
      if (!this.#expected.delete(id))
        throw new WalkProblem(`has data of an entry ${id} that it does not list`)
    }
  }

  /** Returns the version of the format. */
  *#header(): Waiting<number> {
    const magic = yield* this.#bytes.take(MAGIC.length)
    if (magic.toString('latin1') !== MAGIC)
      throw new WalkProblem(`does not begin like a dump of pg_dump, but with ${shownBytes(magic)}`)
    const version = (yield* this.#byte()) * 100 + (yield* this.#byte())
    yield* this.#byte()
    if (version < OLDEST) throw new WalkProblem(`is of a format older than 1.12`)
    this.#intBytes = yield* this.#byte()
    if (this.#intBytes < 1 || this.#intBytes > INT_BYTES_MAX)
      throw new WalkProblem(`has numbers of ${this.#intBytes} bytes`)
    const offsetBytes = yield* this.#byte()
    const format = yield* this.#byte()
    if (format !== CUSTOM) throw new WalkProblem('is not of the custom format')
    this.#offsetBytes = offsetBytes
    yield* version >= COMPRESSION_BYTE ? this.#byte() : this.#int()
    // The time: seconds, minutes, hours, day, month, year, daylight saving.
    for (let field = 0; field < 7; field += 1) yield* this.#int()
    const database = yield* this.#string()
    const serverVersion = yield* this.#string()
    const toolVersion = yield* this.#string()
    this.#found = { database, serverVersion, toolVersion }
    return version
  }

  *#entry(version: number): Waiting<void> {
    const id = yield* this.#int()
    // Whether something dumps it; then two numbers of the catalog, tag, description.
    yield* this.#int()
    for (let text = 0; text < 2; text += 1) yield* this.#passString()
    const tag = yield* this.#listed()
    const kind = yield* this.#listed()
    // The section.
    yield* this.#int()
    // Definition, drop, copy, schema, tablespace.
    const text = yield* this.#listed(KINDS_WITH_TEXT.includes(kind))
    for (let text = 0; text < 2; text += 1) yield* this.#passString()
    const schema = yield* this.#listed()
    const tablespace = yield* this.#listed()
    if (version >= TABLE_ACCESS_METHOD) yield* this.#passString()
    if (version >= RELATION_KIND) yield* this.#int()
    // Owner, and a word that once told of row numbers.
    const owner = yield* this.#listed()
    yield* this.#passString()
    this.#entries?.push({ kind, tag, schema, tablespace, owner, text })
    // What it depends on, until a string that is none.
    while (yield* this.#passString());
    const dataState = yield* this.#byte()
    yield* this.#bytes.skip(this.#offsetBytes)
    if (dataState !== NO_DATA) this.#expected.add(id)
  }

  /** Pieces of data, each with its length in front, until one of none. */
  *#chunks(): Waiting<void> {
    for (;;) {
      this.#passWholeChunks()
      const length = yield* this.#count()
      if (length === 0) return
      yield* this.#bytes.skip(length)
    }
  }

  /** A row of a table is a chunk, so there are millions: those that are here at once are not worth a wait. */
  #passWholeChunks(): void {
    const { piece } = this.#bytes
    const headBytes = 1 + this.#intBytes
    if (this.#intBytes !== 4) return
    let { at } = this.#bytes
    while (at + headBytes <= piece.length) {
      const length = piece.readUInt32LE(at + 1)
      if (length === 0 || piece[at] !== 0 || at + headBytes + length > piece.length) break
      at += headBytes + length
    }
    this.#bytes.at = at
  }

  *#count(): Waiting<number> {
    const value = yield* this.#int()
    return value >= 0 ? value : wrong(`has the length ${value}`)
  }

  *#int(): Waiting<number> {
    const bytes = yield* this.#bytes.take(1 + this.#intBytes)
    let value = 0
    for (let at = this.#intBytes; at >= 1; at -= 1) value = value * 256 + bytes[at]!
    return bytes[0] === 0 ? value : -value
  }

  *#byte(): Waiting<number> {
    return (yield* this.#bytes.take(1))[0]!
  }

  *#string(lengthMax = KEPT_STRING_MAX): Waiting<string> {
    const length = yield* this.#int()
    if (length > lengthMax) throw new WalkProblem(`has a name of ${length} bytes`)
    return length <= 0 ? '' : (yield* this.#bytes.take(length)).toString('utf8')
  }

  /** Of the table of contents: read where somebody wants it. */
  *#listed(isWanted = true): Waiting<string> {
    if (this.#entries !== undefined && isWanted) return yield* this.#string(KEPT_TEXT_MAX)
    yield* this.#passString()
    return ''
  }

  /** Whether it was one: a length below 0 is none at all. */
  *#passString(): Waiting<boolean> {
    const length = yield* this.#int()
    if (length > 0) yield* this.#bytes.skip(length)
    return length >= 0
  }
}
