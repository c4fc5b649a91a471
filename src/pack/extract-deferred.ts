// What is done last (symlinks, then the attributes of folders), kept until then in bounded memory: a
// tree may have millions of both. Beyond a few megabytes the list goes on in a file that has no name.
//
// It is read forwards for symlinks, backwards for folders: each record lies between two copies of its
// length.

import { closeSync, readSync, writeSync } from 'node:fs'
import { assert } from '../lib/assert.ts'
import type { ByteString } from './tar-header.ts'
import type { ReadAttribute } from './pax-records.ts'

export type Attributes = {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeSeconds: number
  readonly mtimeNanos: number
  readonly attributes: readonly ReadAttribute[]
}

export type Deferred = Attributes & {
  readonly path: ByteString
  /** The text of a symlink; '' for a folder. */
  readonly target: ByteString
}

/** Field by field: a member has many more, and a copy by "..." would have a shape of its own each time. */
export function deferredOf(
  { mode, uid, gid, mtimeSeconds, mtimeNanos, attributes: own }: Attributes,
  path: ByteString,
  target: ByteString,
  attributes = own,
): Deferred {
  return { mode, uid, gid, mtimeSeconds, mtimeNanos, attributes, path, target }
}

const CHUNK_BYTES = 1024 * 1024
// About 100 000 folders; most trees never touch the disk for this.
const CHUNKS_IN_MEMORY = 8
// Five numbers, and the lengths of path and target.
const HEAD_BYTES = 5 * 8 + 2 * 4
const LENGTH_BYTES = 4

type Chunk = { bytes: Buffer | undefined; readonly offsetBytes: number; readonly sizeBytes: number }

export class DeferredList {
  readonly #openSpill: () => number
  readonly #chunks: Chunk[] = []
  #spill: number | undefined
  #spilledBytes = 0
  #inMemory = 0
  #current = Buffer.allocUnsafe(CHUNK_BYTES)
  #used = 0

  /** `openSpill` gives a descriptor of an empty file without a name; it is called once at most. */
  constructor(openSpill: () => number) {
    this.#openSpill = openSpill
  }

  add(item: Deferred): void {
    const { path, target, attributes } = item
    const attributeBytes = attributes.reduce((sum, one) => sum + encodedBytes(one), 0)
    const bodyBytes = HEAD_BYTES + path.length + target.length + attributeBytes
    this.#makeRoom(bodyBytes + 2 * LENGTH_BYTES)
    let at = this.#current.writeUInt32LE(bodyBytes, this.#used)
    for (const value of [item.mode, item.uid, item.gid, item.mtimeSeconds, item.mtimeNanos])
      at = this.#current.writeDoubleLE(value, at)
    at = this.#current.writeUInt32LE(path.length, at)
    at = this.#current.writeUInt32LE(target.length, at)
    at += this.#current.write(path, at, 'latin1')
    at += this.#current.write(target, at, 'latin1')
    for (const { name, value } of attributes) {
      at = this.#current.writeUInt32LE(name.length, at)
      at = this.#current.writeUInt32LE(value.length, at)
      at += this.#current.write(name, at, 'latin1')
      at += value.copy(this.#current, at)
    }
    this.#used = this.#current.writeUInt32LE(bodyBytes, at)
  }

  *forwards(): Generator<Deferred> {
    this.#endChunk()
    for (const chunk of this.#chunks) {
      const bytes = this.#load(chunk)
      for (let at = 0; at < bytes.length;) {
        const bodyBytes = bytes.readUInt32LE(at)
        yield decode(bytes, at + LENGTH_BYTES, bodyBytes)
        at += bodyBytes + 2 * LENGTH_BYTES
      }
    }
  }

  *backwards(): Generator<Deferred> {
    this.#endChunk()
    for (const chunk of this.#chunks.toReversed()) {
      const bytes = this.#load(chunk)
      for (let end = bytes.length; end > 0;) {
        const bodyBytes = bytes.readUInt32LE(end - LENGTH_BYTES)
        yield decode(bytes, end - LENGTH_BYTES - bodyBytes, bodyBytes)
        end -= bodyBytes + 2 * LENGTH_BYTES
      }
    }
  }

  close(): void {
    if (this.#spill !== undefined) closeSync(this.#spill)
    this.#spill = undefined
    this.#chunks.length = 0
  }

  #makeRoom(bytes: number): void {
    if (this.#used + bytes <= this.#current.length) return
    this.#endChunk()
    if (bytes > this.#current.length) this.#current = Buffer.allocUnsafe(bytes)
  }

  #endChunk(): void {
    if (this.#used === 0) return
    const bytes = this.#current.subarray(0, this.#used)
    if (this.#inMemory < CHUNKS_IN_MEMORY) {
      this.#chunks.push({ bytes, offsetBytes: 0, sizeBytes: bytes.length })
      this.#inMemory += 1
      this.#current = Buffer.allocUnsafe(CHUNK_BYTES)
    } else {
      this.#spill ??= this.#openSpill()
      writeAll(this.#spill, bytes, this.#spilledBytes)
      this.#chunks.push({
        bytes: undefined,
        offsetBytes: this.#spilledBytes,
        sizeBytes: bytes.length,
      })
      this.#spilledBytes += bytes.length
    }
    this.#used = 0
  }

  #load(chunk: Chunk): Buffer {
    if (chunk.bytes !== undefined) return chunk.bytes
    assert(this.#spill !== undefined, 'a spilled chunk without its file')
    const bytes = Buffer.allocUnsafe(chunk.sizeBytes)
    for (let at = 0; at < bytes.length;) {
      const count = readSync(this.#spill, bytes, at, bytes.length - at, chunk.offsetBytes + at)
      assert(count > 0, 'a spilled chunk is shorter than it was')
      at += count
    }
    return bytes
  }
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length;)
    at += writeSync(fd, bytes, at, bytes.length - at, position + at)
}

function decode(bytes: Buffer, at: number, bodyBytes: number): Deferred {
  const number = (index: number) => bytes.readDoubleLE(at + 8 * index)
  const pathAt = at + HEAD_BYTES
  const targetAt = pathAt + bytes.readUInt32LE(pathAt - 8)
  const attributesAt = targetAt + bytes.readUInt32LE(pathAt - 4)
  return {
    mode: number(0),
    uid: number(1),
    gid: number(2),
    mtimeSeconds: number(3),
    mtimeNanos: number(4),
    path: bytes.toString('latin1', pathAt, targetAt),
    target: bytes.toString('latin1', targetAt, attributesAt),
    attributes: decodeAttributes(bytes.subarray(attributesAt, at + bodyBytes)),
  }
}

function encodedBytes({ name, value }: ReadAttribute): number {
  return 2 * LENGTH_BYTES + name.length + value.length
}

function decodeAttributes(bytes: Buffer): readonly ReadAttribute[] {
  const attributes: ReadAttribute[] = []
  for (let at = 0; at < bytes.length;) {
    const valueAt = at + 2 * LENGTH_BYTES + bytes.readUInt32LE(at)
    const end = valueAt + bytes.readUInt32LE(at + LENGTH_BYTES)
    const name = bytes.toString('latin1', at + 2 * LENGTH_BYTES, valueAt)
    // A copy: the chunk is written to again.
    attributes.push({ name, value: Buffer.from(bytes.subarray(valueAt, end)) })
    at = end
  }
  return attributes
}
