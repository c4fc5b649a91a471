// The content of one file of an archive, for `cat`: by position, or from the first byte on where the index
// is damaged. A hard link has the content of the file that it is a link to.

import { OwnRooms } from './block-rooms.ts'
import { feedParts, framesOf } from './extract-parts.ts'
import { readTarBlocks } from './frame-reader.ts'
import { shownPath } from './extract-paths.ts'
import { SpillwayError } from '../domain/errors.ts'
import { TarCrossReader } from './tar-cross-reader.ts'
import type { ArchiveTail } from './archive-tail.ts'
import type { ByteString, TarKind } from './tar-header.ts'
import type { IndexedMember } from './member-record.ts'
import type { MemberHandler, ReadMember } from './tar-reader.ts'

/** Resolves when more may come. */
export type WriteContent = (bytes: Buffer) => Promise<void>

/** Rejects with MEMBER_MISSING when it is there and no file. */
export async function copyContent(
  tail: ArchiveTail,
  member: IndexedMember,
  write: WriteContent,
): Promise<void> {
  checkKind(member.path, member.kind)
  const one = new OneFile(member)
  await feedOne(tail, member, one, write)
  if (one.linkTarget === undefined) return
  const target = await tail.findMember(one.linkTarget)
  if (target?.kind !== 'file') throw noContent(member.path, one.linkTarget)
  await feedOne(tail, target, new OneFile(target), write)
}

/** The same without an index; `open` gives the archive from its first byte. */
export async function copyContentOfStream(
  open: () => AsyncIterable<Uint8Array>,
  path: ByteString,
  write: WriteContent,
): Promise<void> {
  const one = await copyFromStream(open(), { path }, write)
  checkKind(path, one.kind)
  const target = one.linkTarget
  if (target === undefined) return
  const linked = await copyFromStream(open(), { path: target }, write)
  if (linked.kind !== 'file') throw noContent(path, target)
}

async function feedOne(
  tail: ArchiveTail,
  member: IndexedMember,
  one: OneFile,
  write: WriteContent,
): Promise<void> {
  const reader = new TarCrossReader(one)
  const place = { frames: await tail.frames(), tarBytes: tail.manifest.tarBytes }
  async function* alone(): AsyncGenerator<IndexedMember> {
    yield member
  }
  const rooms = new OwnRooms()
  await feedParts(tail, framesOf(alone(), place), {
    room: async () => rooms.room(),
    leave: (block) => rooms.leave(block),
    write: async (block) => {
      await reader.write(block)
      if (rooms.has(block)) rooms.leave(block)
      for (const piece of one.take()) await write(piece)
    },
    lose: async () => {
      throw new SpillwayError(
        'ARCHIVE_CORRUPT',
        `"${shownPath(member.path)}" is damaged in the archive`,
      )
    },
  })
  await reader.finish()
}

async function copyFromStream(
  bytes: AsyncIterable<Uint8Array>,
  wanted: Wanted,
  write: WriteContent,
): Promise<OneFile> {
  const one = new OneFile(wanted)
  const reader = new TarCrossReader(one)
  for await (const block of readTarBlocks(bytes, { isTailDamaged: true }).blocks) {
    await reader.write(block.bytes)
    for (const piece of one.take()) await write(piece)
    if (one.isOver) return one
  }
  if (one.kind === undefined)
    throw new SpillwayError('MEMBER_MISSING', `the archive has no "${shownPath(wanted.path)}"`)
  await reader.finish()
  return one
}

/** What a hole is read as, piece by piece: it may have a terabyte. */
const ZEROS = Buffer.alloc(1024 * 1024)

type Wanted = { readonly path: ByteString; readonly kind?: TarKind; readonly sizeBytes?: number }

/** Takes the content of the first member of that path, and refuses one that the index has otherwise. */
class OneFile implements MemberHandler {
  kind: TarKind | undefined
  isOver = false
  linkTarget: ByteString | undefined
  readonly #wanted: Wanted
  #isUnderWay = false
  /** Bytes, and lengths of holes. */
  #pieces: (Buffer | number)[] = []

  constructor(wanted: Wanted) {
    this.#wanted = wanted
  }

  begin(member: ReadMember): void {
    const { path, kind, sizeBytes } = this.#wanted
    this.#isUnderWay = this.kind === undefined && plain(member.path) === path
    const isOther =
      kind !== undefined &&
      (!this.#isUnderWay || member.kind !== kind || member.sizeBytes !== sizeBytes)
    if (isOther)
      throw new SpillwayError(
        'ARCHIVE_REFUSED',
        `the archive's index and its tar do not agree about "${shownPath(path)}"`,
      )
    if (!this.#isUnderWay) return
    this.kind = member.kind
    if (member.kind === 'hard-link') this.linkTarget = plain(member.linkTarget)
  }

  content(bytes: Buffer): void {
    // Copied: the block that they lie in is used again.
    if (this.#isUnderWay) this.#pieces.push(Buffer.from(bytes))
  }

  hole(sizeBytes: number): void {
    if (this.#isUnderWay) this.#pieces.push(sizeBytes)
  }

  end(): void {
    if (this.#isUnderWay) this.isOver = true
    this.#isUnderWay = false
  }

  *take(): Generator<Buffer> {
    for (const piece of this.#pieces.splice(0)) {
      if (typeof piece !== 'number') yield piece
      else
        for (let left = piece; left > 0; left -= ZEROS.length)
          yield ZEROS.subarray(0, Math.min(left, ZEROS.length))
    }
  }
}

function plain(path: ByteString): ByteString {
  return path.replace(/^\.\//, '').replace(/\/$/, '')
}

function checkKind(path: ByteString, kind: TarKind | undefined): void {
  if (kind === 'file' || kind === 'hard-link') return
  const what = kind === 'directory' ? 'a folder' : `a ${kind}`
  throw new SpillwayError(
    'MEMBER_MISSING',
    `"${shownPath(path)}" is ${what} and has no content of its own`,
    { hint: 'restore it into a folder: spillway restore' },
  )
}

function noContent(path: ByteString, target: ByteString): SpillwayError {
  return new SpillwayError(
    'ARCHIVE_REFUSED',
    `"${shownPath(path)}" is a hard link to "${shownPath(target)}", which is no file of the archive`,
  )
}
