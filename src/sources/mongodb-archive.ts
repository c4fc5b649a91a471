// Reads what `mongodump --archive` writes as it passes: the list of collections at its beginning, their
// documents in whatever order, and behind those of each the checksum over all of them. The archive has no
// trailer: it is whole when every collection of the list has had its end. That alone does not make it good:
// the tool ends a collection, with a checksum of what it has, even when it could not read all of it, and says
// so by its exit code only.
//
// The format is 0.1, the only one there is, as its authors describe it (common/archive/spec.md of
// mongo-tools) and as their own reader takes it.

import { BSON_BYTES_MIN, bsonFields } from './bson-fields.ts'
import type { BsonValue } from './bson-fields.ts'
import { ByteWalk, shownBytes, wrong } from './byte-walk.ts'
import type { Waiting } from './byte-walk.ts'
import { Crc64, crcText } from './crc64.ts'
import { printable } from './database-dumps.ts'
import type { FoundInOutput, OutputReader } from './output-format.ts'

// 0x8199e26d, the lowest byte first.
const MAGIC = Buffer.from([0x6d, 0xe2, 0x99, 0x81])
/** Where a document may begin: there are no more. */
const TERMINATOR = -1
const FORMAT = '0.1'

// 16 MiB for what people store, and 16 KiB for what the server puts around it in its oplog.
const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024 + 16 * 1024

/** Before the name of a time series: there its documents are, unless the server is of 8.3 or newer. */
const BUCKETS = 'system.buckets.'

/** A list of more names tells nobody more. */
const NAMES_SHOWN = 3

type Collection = {
  /** For a person. */
  readonly name: string
  readonly crc: Crc64
  isOver: boolean
}

type Fields = ReadonlyMap<string, BsonValue>

export class MongodbArchiveReader implements OutputReader {
  readonly #bytes: ByteWalk
  #found: FoundInOutput = {}
  /** Where an archive may end. */
  #isBetweenBlocks = false
  /** By `database.collection`. */
  readonly #collections = new Map<string, Collection>()
  readonly #countByDatabase = new Map<string, number>()

  constructor() {
    this.#bytes = new ByteWalk(this.#archive())
  }

  see(piece: Buffer): void {
    this.#bytes.see(piece)
  }

  end(): FoundInOutput {
    const { problem, isAtEnd, totalBytes } = this.#bytes
    if (problem !== undefined) return { ...this.#found, problem }
    if (this.#found.unchecked !== undefined) return this.#found
    const missing = [...this.#collections.values()].filter(({ isOver }) => !isOver)
    const isCut = !this.#isBetweenBlocks || !isAtEnd
    if (!isCut && missing.length === 0)
      return { ...this.#found, collectionsByDatabase: this.#countByDatabase }
    const cut = isCut ? `ends in the middle, after ${totalBytes} bytes` : 'ends too early'
    const rest = missing.length === 0 ? '' : `, without the end of ${shownNames(missing)}`
    return { ...this.#found, problem: cut + rest }
  }

  *#archive(): Waiting<void> {
    const magic = yield* this.#bytes.take(MAGIC.length)
    if (!magic.equals(MAGIC))
      wrong(`does not begin like an archive of mongodump, but with ${shownBytes(magic)}`)
    if (!(yield* this.#head())) return
    yield* this.#list()
    for (;;) {
      this.#isBetweenBlocks = true
      const header = yield* this.#document()
      this.#isBetweenBlocks = false
      yield* this.#block(header ?? wrong('has an end where nothing has begun'))
    }
  }

  /** Returns whether it is of a format that is known. */
  *#head(): Waiting<boolean> {
    const head = (yield* this.#document()) ?? wrong('has no header')
    const version = text(head, 'version')
    const serverVersion = text(head, 'server_version')
    this.#found = { serverVersion, toolVersion: text(head, 'tool_version') }
    if (version === FORMAT) return true
    if (!/^\d+\.\d+$/.test(version) || Number(version) < Number(FORMAT))
      wrong(`is of the unknown format ${JSON.stringify(version)}`)
    const unchecked = `its format, ${version}, is newer than this program`
    this.#found = { ...this.#found, unchecked }
    return false
  }

  *#list(): Waiting<void> {
    for (;;) {
      const entry = yield* this.#document()
      if (entry === undefined) return
      const database = text(entry, 'db')
      const key = `${database}.${text(entry, 'collection')}`
      const name = printable(key)
      if (this.#collections.has(key)) wrong(`lists ${name} twice`)
      this.#collections.set(key, { name, crc: new Crc64('ecma'), isOver: false })
      this.#countByDatabase.set(database, (this.#countByDatabase.get(database) ?? 0) + 1)
    }
  }

  /** Documents of one collection, or the end of it. */
  *#block(header: Fields): Waiting<void> {
    const collection = this.#collectionOf(text(header, 'db'), text(header, 'collection'))
    const { name } = collection
    if (collection.isOver) wrong(`goes on with ${name} behind its end`)
    const isEnd = header.get('EOF')
    if (typeof isEnd !== 'boolean') wrong('has a header that cannot be read')
    if (!isEnd) return yield* this.#documentsOf(collection)
    const given = BigInt.asUintN(64, integer(header, 'CRC'))
    const computed = collection.crc.value()
    if (given !== computed)
      wrong(
        `has the checksum ${crcText(given)} for ${name}, and its documents have ${crcText(computed)}`,
      )
    if ((yield* this.#length()) !== TERMINATOR) wrong(`has documents of ${name} behind its end`)
    collection.isOver = true
  }

  #collectionOf(database: string, name: string): Collection {
    const alias = name.startsWith(BUCKETS) ? name.slice(BUCKETS.length) : name
    const found =
      this.#collections.get(`${database}.${name}`) ?? this.#collections.get(`${database}.${alias}`)
    return found ?? wrong(`has ${printable(`${database}.${name}`)}, which it does not list`)
  }

  *#documentsOf({ name, crc }: Collection): Waiting<void> {
    let last = 0
    const look = (bytes: Buffer): void => {
      crc.update(bytes)
      last = bytes.at(-1) ?? last
    }
    for (;;) {
      this.#passWholeDocuments(crc)
      const head = yield* this.#bytes.take(4)
      const length = lengthIn(head, 0)
      if (length === TERMINATOR) return
      requireLength(length, name)
      crc.update(head)
      yield* this.#bytes.skip(length - head.length, look)
      if (last !== 0) wrong(`has a document in ${name} that does not end as one`)
    }
  }

  /** Documents are small, so there are millions: those that are here at once are added up at once. */
  #passWholeDocuments(crc: Crc64): void {
    const { piece, at: begin } = this.#bytes
    let at = begin
    while (at + 4 <= piece.length) {
      const length = lengthIn(piece, at)
      const end = at + length
      // Whatever is odd about it is found by who reads it alone.
      if (length < BSON_BYTES_MIN || length > DOCUMENT_BYTES_MAX) break
      if (end > piece.length || piece[end - 1] !== 0) break
      at = end
    }
    crc.update(piece.subarray(begin, at))
    this.#bytes.at = at
  }

  /** One with plain fields; undefined: a terminator is there instead. */
  *#document(): Waiting<Fields | undefined> {
    const length = yield* this.#length()
    if (length === TERMINATOR) return undefined
    requireLength(length, 'its headers')
    // Its length is a part of it.
    this.#bytes.at -= 4
    const fields = bsonFields(yield* this.#bytes.take(length))
    return fields ?? wrong('has a header that cannot be read')
  }

  *#length(): Waiting<number> {
    return lengthIn(yield* this.#bytes.take(4), 0)
  }
}

function lengthIn(bytes: Buffer, at: number): number {
  return bytes.readInt32LE(at)
}

function requireLength(length: number, where: string): void {
  if (length < BSON_BYTES_MIN || length > DOCUMENT_BYTES_MAX)
    wrong(`has a document of ${length} bytes in ${where}`)
}

function text(fields: Fields, name: string): string {
  const value = fields.get(name)
  return typeof value === 'string' ? value : wrong(`has a header without "${name}"`)
}

function integer(fields: Fields, name: string): bigint {
  const value = fields.get(name)
  if (typeof value === 'bigint') return value
  return typeof value === 'number' ? BigInt(value) : wrong(`has a header without "${name}"`)
}

function shownNames(collections: readonly Collection[]): string {
  const names = collections.map(({ name }) => name)
  const rest = names.length - NAMES_SHOWN
  return names.slice(0, NAMES_SHOWN).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}
