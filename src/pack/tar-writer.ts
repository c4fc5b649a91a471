// Members become a tar stream in blocks of 4 MiB, without a copy: headers are written into the block
// where they belong, content is read there by the caller.
//
// Everything in a tar stream is a multiple of 512 bytes, and so is a block: a header never lies in
// two blocks, but what belongs to it (extension, header, content) may.

import { assert } from '../lib/assert.ts'
import { writeLatin1 } from '../lib/latin1.ts'
import { encodeLateHeader, LATE_HEADER_BYTES } from './late-header.ts'
import {
  extensionsOf,
  TAR_RECORD_BYTES,
  tarNameOf,
  writeExtensionHeader,
  writeHeader,
} from './tar-header.ts'
import { encodeSparseMap } from './tar-sparse.ts'
import type { TarExtension, TarMember } from './tar-header.ts'

/** Uncompressed bytes of a frame. Smaller compresses worse, larger makes a restored file dearer. */
export const BLOCK_BYTES = 4 * 1024 * 1024

export interface BlockSupply {
  /** A block of BLOCK_BYTES to fill, whatever is in it; waits until one is free. */
  take(): Buffer
  /** Hands over the block that was taken last. */
  give(lengthBytes: number): void
}

/** The headers of members whose size only their end tells. */
export interface LateHeaders {
  /** Keeps a place of LATE_HEADER_BYTES behind the blocks given so far. One at a time. */
  keep(): void
  /** What stands in it. */
  fill(header: Buffer): void
}

/** Where a member lies in the tar stream: from its first extension to the end of its padding. */
export type MemberPlace = {
  readonly offsetBytes: number
  readonly spanBytes: number
  /** Of a file with holes: of its content, map and data. */
  readonly storedBytes?: number | undefined
}

export class TarWriter {
  readonly #blocks: BlockSupply
  readonly #onMember: (member: TarMember, place: MemberPlace) => void
  readonly #lateHeaders: LateHeaders | undefined
  #block: Buffer | undefined
  #position = 0
  #givenBytes = 0
  #contentLeft = 0
  #padding = 0
  #contentBytes = 0
  #memberCount = 0
  #late: { readonly offsetBytes: number; readonly contentBytes: number } | undefined

  constructor(
    blocks: BlockSupply,
    onMember: (member: TarMember, place: MemberPlace) => void = () => {},
    lateHeaders?: LateHeaders,
  ) {
    this.#blocks = blocks
    this.#onMember = onMember
    this.#lateHeaders = lateHeaders
  }

  /** Content of members so far. */
  get contentBytes(): number {
    return this.#contentBytes
  }

  get memberCount(): number {
    return this.#memberCount
  }

  /** Bytes of the stream so far. */
  get offsetBytes(): number {
    return this.#givenBytes + this.#position
  }

  begin(member: TarMember): void {
    assert(this.#contentLeft === 0, `a member's content lacks ${this.#contentLeft} bytes`)
    const offsetBytes = this.offsetBytes
    const name = tarNameOf(member)
    const { sizeBytes, sparse } = member
    const map = sparse === undefined ? undefined : encodeSparseMap(sparse, sizeBytes)
    const dataBytes = sparse === undefined ? sizeBytes : sparse.dataBytes
    const contentBytes = dataBytes + (map?.length ?? 0)
    for (const extension of extensionsOf(member, name, contentBytes))
      this.#writeExtension(extension)
    writeHeader(this.#room(), this.#position, member, name, contentBytes)
    this.#position += TAR_RECORD_BYTES
    const headerBytes = this.offsetBytes - offsetBytes
    if (map !== undefined) this.#writeBytes(map)

    this.#memberCount += 1
    this.#contentLeft = dataBytes
    this.#padding = paddingOf(dataBytes)
    const spanBytes = headerBytes + contentBytes + this.#padding
    const storedBytes = map === undefined ? undefined : contentBytes
    this.#onMember(member, { offsetBytes, spanBytes, storedBytes })
  }

  /** A member whose content follows, however much it is, until `endLate`. */
  beginLate(): void {
    assert(this.#contentLeft === 0, `a member's content lacks ${this.#contentLeft} bytes`)
    assert(this.#lateHeaders !== undefined, 'nobody keeps places for headers')
    // Its place is a block of its own.
    this.#give()
    this.#late = { offsetBytes: this.#givenBytes, contentBytes: this.#contentBytes }
    this.#lateHeaders.keep()
    this.#givenBytes += LATE_HEADER_BYTES
    this.#contentLeft = Number.POSITIVE_INFINITY
  }

  /** Returns its size. */
  endLate(unsized: Omit<TarMember, 'sizeBytes'>): number {
    const late = this.#late
    assert(late !== undefined, 'no member of unknown size was begun')
    const sizeBytes = this.#contentBytes - late.contentBytes
    const member: TarMember = { ...unsized, sizeBytes }
    this.#late = undefined
    this.#contentLeft = 0
    this.#memberCount += 1
    this.#writeZeros(paddingOf(sizeBytes))
    this.#lateHeaders?.fill(encodeLateHeader(member))
    const { offsetBytes } = late
    this.#onMember(member, { offsetBytes, spanBytes: this.offsetBytes - offsetBytes })
    return sizeBytes
  }

  get buffer(): Buffer {
    return this.#room()
  }

  get position(): number {
    this.#room()
    return this.#position
  }

  get room(): number {
    this.#room()
    return BLOCK_BYTES - this.#position
  }

  advance(bytes: number): void {
    assert(bytes <= this.#contentLeft, 'more content than the header promised')
    this.#position += bytes
    this.#contentLeft -= bytes
    this.#contentBytes += bytes
    if (this.#contentLeft === 0) {
      this.#writeZeros(this.#padding)
      this.#padding = 0
    }
  }

  padContent(bytes: number): void {
    for (let left = bytes; left > 0;) {
      const block = this.#room()
      const length = Math.min(left, BLOCK_BYTES - this.#position)
      block.fill(0, this.#position, this.#position + length)
      this.advance(length)
      left -= length
    }
  }

  /** Two records of zeros end a tar stream. The last block may be short. */
  end(): void {
    assert(this.#contentLeft === 0, 'the last member is not whole')
    this.#writeZeros(TAR_RECORD_BYTES)
    this.#writeZeros(TAR_RECORD_BYTES)
    this.#give()
  }

  #writeBytes(bytes: Buffer): void {
    for (let from = 0; from < bytes.length;) {
      const copied = bytes.copy(this.#room(), this.#position, from)
      this.#position += copied
      from += copied
    }
  }

  #writeExtension(extension: TarExtension): void {
    writeExtensionHeader(this.#room(), this.#position, extension)
    this.#position += TAR_RECORD_BYTES
    const { body } = extension
    let from = 0
    while (from < body.length) {
      const block = this.#room()
      const piece = body.slice(from, from + BLOCK_BYTES - this.#position)
      writeLatin1(block, piece, this.#position)
      this.#position += piece.length
      from += piece.length
    }
    this.#writeZeros(paddingOf(body.length))
  }

  /** `count` is less than a record, or a whole one at a record's place: never crosses a block. */
  #writeZeros(count: number): void {
    if (count === 0) return
    fillZeros(this.#room(), this.#position, count)
    this.#position += count
  }

  /** The block, with room at `#position`: for a byte, and so at a record's place for a record. */
  #room(): Buffer {
    if (this.#block !== undefined && this.#position === BLOCK_BYTES) this.#give()
    this.#block ??= this.#blocks.take()
    return this.#block
  }

  #give(): void {
    if (this.#block === undefined) return
    this.#blocks.give(this.#position)
    this.#givenBytes += this.#position
    this.#block = undefined
    this.#position = 0
  }
}

/** A record or less. To copy costs half of what `fill` does, and these views of zeros are made once. */
function fillZeros(out: Buffer, at: number, count: number): void {
  const end = at + count
  let from = at
  // Shared memory is copied by words where both sides begin at one, by bytes elsewhere.
  while (from < end && from % WORD_BYTES !== 0) out[from++] = 0
  const left = end - from
  if (left > 0) out.set((zeros[left] ??= ZERO_RECORD.subarray(0, left)), from)
}

const WORD_BYTES = 8

const ZERO_RECORD = new Uint8Array(TAR_RECORD_BYTES)
const zeros: (Uint8Array | undefined)[] = []

function paddingOf(bytes: number): number {
  return (TAR_RECORD_BYTES - (bytes % TAR_RECORD_BYTES)) % TAR_RECORD_BYTES
}
