// The members of an archive as its index lists them: encoded into blocks of about 1 MiB, in the order
// of the archive, so that a path is found by the first paths of the blocks.
//
// The order is the walk's: names in byte order within a folder, a folder's members right after it.
// Compared as whole paths that is byte order with the slash below all other bytes.

import { SpillwayError } from '../domain/errors.ts'
import { writeLatin1 } from '../lib/latin1.ts'
import { PATH_BYTES_MAX, TYPE_FLAGS } from './tar-header.ts'
import type { ByteString, TarKind, TarMember } from './tar-header.ts'
import { VARINT_BYTES_MAX, VarintReader, writeVarint, zigzag } from './varint.ts'
import type { MemberPlace } from './tar-writer.ts'

export type IndexedMember = {
  /** Without a slash at its end; '' is the archived folder itself. */
  readonly path: ByteString
  readonly kind: TarKind
  readonly sizeBytes: number
  /** Of a file with holes: of its content in the tar, map and data. */
  readonly storedBytes?: number | undefined
  readonly mtimeSeconds: number
  readonly mtimeNanos: number
  readonly mode: number
  /** In the tar stream, from its first header to the end of its padding. */
  readonly offsetBytes: number
  readonly spanBytes: number
}

/** Members of one stretch of the archive, not yet compressed. */
export type RawIndexBlock = {
  readonly bytes: Buffer
  readonly memberCount: number
  readonly firstPath: ByteString
  readonly firstOffsetBytes: number
}

/** Large enough to compress well, small enough that finding one path reads little. */
export const INDEX_BLOCK_BYTES = 1024 * 1024

// A record without its path: eight numbers, and one for the kind.
const RECORD_BYTES_MAX = 9 * VARINT_BYTES_MAX

export class IndexEncoder {
  readonly #onBlock: (block: RawIndexBlock) => void
  readonly #blockBytes: number
  #bytes: Buffer
  #at = 0
  #memberCount = 0
  #firstPath = ''
  #firstOffsetBytes = 0
  #path = ''

  constructor(onBlock: (block: RawIndexBlock) => void, blockBytes = INDEX_BLOCK_BYTES) {
    this.#onBlock = onBlock
    this.#blockBytes = blockBytes
    this.#bytes = Buffer.allocUnsafeSlow(blockBytes)
  }

  add(member: TarMember, place: MemberPlace): void {
    const { path } = member
    const needed = RECORD_BYTES_MAX + path.length
    if (this.#at + needed > this.#bytes.length) this.flush()
    if (needed > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(needed)
    if (this.#memberCount === 0) {
      this.#firstPath = path
      this.#firstOffsetBytes = place.offsetBytes
    }
    const shared = sharedLength(this.#path, path)
    const suffix = path.slice(shared)
    const bytes = this.#bytes
    let at = writeVarint(bytes, this.#at, shared)
    at = writeVarint(bytes, at, suffix.length)
    at += writeLatin1(bytes, suffix, at)
    const isSparse = member.sparse !== undefined
    at = writeVarint(bytes, at, isSparse ? SPARSE_CODE : TYPE_FLAGS[member.kind].charCodeAt(0))
    at = writeVarint(bytes, at, member.mode)
    at = writeVarint(bytes, at, member.sizeBytes)
    at = writeVarint(bytes, at, zigzag(member.mtimeSeconds))
    at = writeVarint(bytes, at, member.mtimeNanos)
    // Members follow each other without gaps, so the length says where the next one begins.
    at = writeVarint(bytes, at, place.spanBytes / 512)
    if (isSparse) at = writeVarint(bytes, at, place.storedBytes ?? member.sizeBytes)
    this.#at = at
    this.#path = path
    this.#memberCount += 1
  }

  flush(): void {
    if (this.#memberCount === 0) return
    this.#onBlock({
      bytes: this.#bytes.subarray(0, this.#at),
      memberCount: this.#memberCount,
      firstPath: this.#firstPath,
      firstOffsetBytes: this.#firstOffsetBytes,
    })
    // The receiver keeps the old one.
    this.#bytes = Buffer.allocUnsafeSlow(this.#blockBytes)
    this.#at = 0
    this.#memberCount = 0
    this.#path = ''
  }
}

export function* decodeMembers(block: {
  readonly bytes: Buffer
  readonly firstOffsetBytes: number
}): Generator<IndexedMember> {
  const reader = new VarintReader(block.bytes)
  let path = ''
  let offsetBytes = block.firstOffsetBytes
  while (!reader.isAtEnd) {
    const shared = reader.number()
    if (shared > path.length) throw damaged('a path is longer than the one before it')
    path = path.slice(0, shared) + reader.text(reader.number())
    if (path.length > PATH_BYTES_MAX) throw damaged('a path is too long')
    const code = reader.number()
    const kind = code === SPARSE_CODE ? 'file' : KINDS.get(code)
    if (kind === undefined) throw damaged('a member is of an unknown kind')
    const mode = reader.number()
    const sizeBytes = reader.number()
    const mtimeSeconds = reader.signed()
    const mtimeNanos = reader.number()
    const spanBytes = reader.number() * 512
    const storedBytes = code === SPARSE_CODE ? reader.number() : undefined
    yield {
      path,
      kind,
      sizeBytes,
      storedBytes,
      mtimeSeconds,
      mtimeNanos,
      mode,
      offsetBytes,
      spanBytes,
    }
    offsetBytes += spanBytes
  }
}

/** The order of members: below 0 when `a` comes first. */
export function comparePaths(a: ByteString, b: ByteString): number {
  const shared = sharedLength(a, b)
  return rankAt(a, shared) - rankAt(b, shared)
}

function rankAt(path: ByteString, at: number): number {
  if (at === path.length) return -1
  const byte = path.charCodeAt(at)
  return byte === SLASH ? 0 : byte
}

const SLASH = 0x2f

/** "S": a file with holes, whose record ends with its stored size. */
const SPARSE_CODE = 0x53

const KINDS = new Map(
  Object.entries(TYPE_FLAGS).map(([kind, flag]) => [flag.charCodeAt(0), kind as TarKind]),
)

function sharedLength(a: ByteString, b: ByteString): number {
  const end = Math.min(a.length, b.length)
  let at = 0
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at += 1
  return at
}

function damaged(what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', `the archive's index is damaged: ${what}`)
}
