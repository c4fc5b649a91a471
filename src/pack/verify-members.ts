// Members in the tar against members in the index: nothing more and nothing less.
//
// It may begin at any frame: the index says where the next member begins. What a damaged frame takes
// away is passed over, and the comparison goes on at the first member that begins behind it.

import { messageOf } from '../domain/errors.ts'
import type { FramePlace } from './frame-table.ts'
import type { IndexedMember } from './member-record.ts'
import { tarNameOf, TAR_RECORD_BYTES } from './tar-header.ts'
import { TarCrossReader } from './tar-cross-reader.ts'
import type { ReadMember } from './tar-reader.ts'
import type { MemberIndex } from './verify-member-index.ts'
import { corrupt, isDamage } from './verify-source.ts'

/** The two records of zeros at the end of every tar. */
const END_BYTES = 2 * TAR_RECORD_BYTES

export type Compared = {
  /** undefined: all members that begin in the frame are as the index says. */
  readonly what: string | undefined
  /** false: the index is damaged there, so nothing could be compared. */
  readonly isKnown: boolean
}

export class MemberCheck {
  readonly #index: MemberIndex
  readonly #tarBytes: number
  #reader: TarCrossReader | undefined
  /** Where in the tar stream the reader's own began. */
  #readerAt = 0

  constructor(index: MemberIndex, tarBytes: number) {
    this.#index = index
    this.#tarBytes = tarBytes
  }

  /** The next frame begins there in the tar stream; members that began in front of it are passed over. */
  async startAt(tarOffsetBytes: number): Promise<void> {
    this.#reader = undefined
    await this.#index.seek(tarOffsetBytes)
  }

  /** `bytes` are the tar of this frame; frames come in order. They may be given back afterwards. */
  async check(place: FramePlace, bytes: Buffer): Promise<Compared> {
    const end = place.tarOffsetBytes + place.rawBytes
    await this.#index.loadTo(end)
    const isKnown = this.#index.isKnown(place.tarOffsetBytes, end)
    if (!isKnown) {
      await this.startAt(end)
      return { what: undefined, isKnown }
    }
    try {
      await this.#read(place, bytes)
      const missed = this.#index.next
      if (missed !== undefined && headerEndOf(missed) <= end)
        throw corrupt(`the index has a member ${shown(missed.path)} that the tar does not have`)
      if (end === this.#tarBytes) await this.#reader?.finish()
    } catch (error) {
      if (!isDamage(error)) throw error
      return { what: messageOf(error), isKnown }
    }
    return { what: undefined, isKnown }
  }

  /** Whether no header lies on both sides of this place in the tar stream. */
  isBetweenHeaders(tarOffsetBytes: number): boolean {
    const { next } = this.#index
    return next === undefined || next.offsetBytes >= tarOffsetBytes
  }

  async #read(place: FramePlace, bytes: Buffer): Promise<void> {
    if (this.#reader === undefined) {
      const { next } = this.#index
      if (next === undefined) return this.#requireEnd(place, bytes)
      const from = next.offsetBytes - place.tarOffsetBytes
      // Content of a member that began before.
      if (from >= bytes.length) return
      this.#readerAt = next.offsetBytes
      this.#reader = new TarCrossReader({
        begin: (member) => this.#compare(member),
        content: () => {},
        hole: () => {},
        end: () => {},
      })
      await this.#reader.write(bytes.subarray(from))
      return
    }
    await this.#reader.write(bytes)
  }

  /** Behind the last member only the end is left, of which a frame may hold a part. */
  #requireEnd(place: FramePlace, bytes: Buffer): void {
    const from = Math.max(0, this.#tarBytes - END_BYTES - place.tarOffsetBytes)
    if (!bytes.subarray(from).every((byte) => byte === 0))
      throw corrupt('the tar goes on behind the last member of the index')
  }

  #compare(member: ReadMember): void {
    const offset = this.#readerAt + member.offsetBytes
    const expected = this.#index.next
    if (expected === undefined)
      throw corrupt(`the tar has a member ${shown(member.path)} that the index does not have`)
    const differs = differenceOf(expected, member, offset)
    if (differs !== undefined)
      throw corrupt(`member ${shown(expected.path)}: ${differs} is not what the index says`)
    this.#index.take()
  }
}

function differenceOf(
  expected: IndexedMember,
  member: ReadMember,
  offset: number,
): string | undefined {
  // An offset is where the spans of all members in front of it end, so spans are compared by it.
  if (expected.offsetBytes !== offset) return 'its place in the tar'
  if (tarNameOf(expected) !== member.path) return 'its path'
  if (expected.kind !== member.kind) return 'its type'
  if (expected.sizeBytes !== member.sizeBytes) return 'its size'
  if ((expected.storedBytes ?? expected.sizeBytes) !== member.storedBytes)
    return 'its size in the tar'
  if (expected.mode !== member.mode) return 'its mode'
  if (!isSameTime(expected, member)) return 'its mtime'
  return undefined
}

function isSameTime(expected: IndexedMember, { mtimeSeconds, mtimeNanos }: ReadMember): boolean {
  return expected.mtimeSeconds === mtimeSeconds && expected.mtimeNanos === mtimeNanos
}

/** Where a member's headers end, and its content begins. */
export function headerEndOf({ offsetBytes, spanBytes, ...of }: IndexedMember): number {
  const contentBytes = of.storedBytes ?? of.sizeBytes
  return offsetBytes + spanBytes - Math.ceil(contentBytes / TAR_RECORD_BYTES) * TAR_RECORD_BYTES
}

function shown(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}...` : path)
}
