// What the thread that reads an output looks for while the bytes pass: whether a dump is one and is whole,
// which the exit code alone does not prove. The judgement is the source's, on the main thread.

import { LongestLine } from './longest-line.ts'
import { MongodbArchiveReader } from './mongodb-archive.ts'
import { CustomDumpReader } from './postgres-custom-dump.ts'
import { RdbReader } from './rdb-reader.ts'

/**
 * `text`: its beginning, its end, and how long its lines are. `postgres-custom`: the whole structure of `pg_dump --format=custom`.
 * `mongodb-archive`: that of `mongodump --archive`, and its checksums. `redis-rdb`: ends and checksum.
 */
export type OutputFormat = 'text' | 'postgres-custom' | 'mongodb-archive' | 'redis-rdb'

export type FoundInOutput = {
  /** What is wrong with it: follows on "what it wrote". */
  readonly problem?: string
  /** What could not be checked. */
  readonly unchecked?: string
  /** Of a text. */
  readonly begin?: string
  readonly end?: string
  /** undefined: all are short. */
  readonly longestLineBytes?: number
  /** As the dump itself has it. */
  readonly database?: string
  readonly serverVersion?: string
  readonly toolVersion?: string
  /** How many the dump has of each database. */
  readonly collectionsByDatabase?: ReadonlyMap<string, number>
}

export interface OutputReader {
  see(piece: Buffer): void
  end(): FoundInOutput
}

export function outputReader(format: OutputFormat | undefined): OutputReader {
  if (format === 'postgres-custom') return new CustomDumpReader()
  if (format === 'mongodb-archive') return new MongodbArchiveReader()
  if (format === 'redis-rdb') return new RdbReader()
  return format === 'text' ? new TextReader() : { see: () => undefined, end: () => ({}) }
}

// The comments in which a dump says whose it is, and that it is over.
const BEGIN_BYTES = 4 * 1024
const END_BYTES = 1024

class TextReader implements OutputReader {
  #begin = Buffer.alloc(0)
  #end = Buffer.alloc(0)
  readonly #line = new LongestLine()

  see(piece: Buffer): void {
    this.#line.see(piece)
    const missing = BEGIN_BYTES - this.#begin.length
    if (missing > 0) this.#begin = Buffer.concat([this.#begin, piece.subarray(0, missing)])
    this.#end = Buffer.concat([this.#end, piece.subarray(-END_BYTES)]).subarray(-END_BYTES)
  }

  end(): FoundInOutput {
    const { bytes } = this.#line
    return {
      ...{ begin: this.#begin.toString('utf8'), end: this.#end.toString('utf8') },
      ...(bytes === undefined ? {} : { longestLineBytes: bytes }),
    }
  }
}
