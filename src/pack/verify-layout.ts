// The end of an archive, read and checked: where its frames lie, what each must be, and whether all of
// it is the archive that the catalog knows. Everything else is then proven frame by frame against it.
//
// Frames are counted as the seek table counts them: those of the tar, those of the index, the manifest.

import { createHash } from 'node:crypto'
import type { Finding } from '../domain/proof.ts'
import { openArchiveTail } from './archive-tail.ts'
import type { ArchiveTail } from './archive-tail.ts'
import { FRAME_COMPRESSED_MAX } from './frame-bounds.ts'
import type { FrameTable } from './frame-table.ts'
import { giveBack } from './give-back.ts'
import type { IndexDirectory } from './index-directory.ts'
import {
  checksumOf,
  parseSeekFooter,
  SEEK_ENTRY_BYTES,
  SEEK_FOOTER_BYTES,
  seekTableBytes,
} from './seek-table.ts'
import { SKIPPABLE_HEADER_BYTES } from './skippable-frame.ts'
import { asBuffer, corrupt, isDamage, readIndexBlock } from './verify-source.ts'
import type { VerifySource } from './verify-source.ts'

/** What the catalog says; undefined where it does not know. */
export type ExpectedArchive = {
  readonly archiveId: string
  readonly sha256: string | undefined
  readonly memberCount: number | undefined
  readonly sourceBytes: number | undefined
}

export type ArchiveLayout = {
  readonly tail: ArchiveTail
  readonly frames: FrameTable
  readonly directory: IndexDirectory
  /** Entries of the seek table. */
  readonly frameCount: number
  readonly tarFrameCount: number
  /** The SHA-256 of a tar frame; undefined: its block of the index is damaged. */
  readonly hashOf: (frame: number) => Buffer | undefined
  /** Of the entry in the seek table. */
  readonly entryRange: (frame: number) => { readonly fromByte: number; readonly toByte: number }
  /** What is wrong and does not keep the frames from being found. */
  readonly findings: readonly Finding[]
}

const SHA256_BYTES = 32
const NOTHING = new Uint8Array(0)

/** Rejects with ARCHIVE_CORRUPT or ARCHIVE_REFUSED when the frames cannot be found by it. */
export async function readLayout(
  source: VerifySource,
  expected: ExpectedArchive,
): Promise<ArchiveLayout> {
  const { fileBytes } = source
  const tail = await openArchiveTail(source.readRange, fileBytes)
  const frames = await tail.frames()
  const footer = await source.readRange(fileBytes - SEEK_FOOTER_BYTES, SEEK_FOOTER_BYTES)
  const frameCount = parseSeekFooter(asBuffer(footer))
  const { tarFrameCount } = frames
  for (let number = 0; number < tarFrameCount; number += 1)
    if (frames.frame(number).storedBytes > FRAME_COMPRESSED_MAX)
      throw corrupt(`frame ${number} is larger than any of Spillway's`)
  const directory = await tail.directory()
  const tableAt = fileBytes - seekTableBytes(frameCount)
  const entryRange = (frame: number) => {
    const fromByte = tableAt + SKIPPABLE_HEADER_BYTES + frame * SEEK_ENTRY_BYTES
    return { fromByte, toByte: fromByte + SEEK_ENTRY_BYTES }
  }
  const manifestRange = rangeOf(frames, frameCount - 1)
  const said = (what: string): Finding => ({ ...ofTail(manifestRange), what })
  const findings: Finding[] = compareManifest(tail, expected).map(said)
  const nothing = checksumOf(NOTHING)
  for (let number = tarFrameCount; number < frameCount; number += 1) {
    if (frames.frame(number).checksum === nothing) continue
    const what = `seek table: the checksum of frame ${number}, which holds no tar, is damaged`
    findings.push({ ...ofTail(entryRange(number)), frame: number, what })
  }
  const hashes = await readHashes(source, directory, tarFrameCount)
  findings.push(...hashes.findings, ...compareHashes(tail, hashes, expected).map(said))
  const { hashOf } = hashes
  return { tail, frames, directory, frameCount, tarFrameCount, hashOf, entryRange, findings }
}

/** A finding at the end of the archive, where no member lies. */
export function ofTail(range: { readonly fromByte: number; readonly toByte: number }) {
  return { place: 'tail' as const, frame: null, ...range, memberCount: 0, members: [] }
}

export function rangeOf(frames: FrameTable, number: number) {
  const { fileOffsetBytes, storedBytes } = frames.frame(number)
  return { fromByte: fileOffsetBytes, toByte: fileOffsetBytes + storedBytes }
}

export function compareManifest(
  { manifest }: Pick<ArchiveTail, 'manifest'>,
  expected: ExpectedArchive,
): readonly string[] {
  const facts = ['archiveId', 'sha256', 'memberCount', 'sourceBytes'] as const
  return facts.flatMap((fact) => {
    const wanted = expected[fact]
    if (wanted === undefined || wanted === manifest[fact]) return []
    return [`manifest: ${NAMES[fact]} is ${manifest[fact]}, the catalog says ${wanted}`]
  })
}

const NAMES = {
  archiveId: 'the archive id',
  sha256: 'the SHA-256',
  memberCount: 'the number of members',
  sourceBytes: 'the content in bytes',
} as const

type Hashes = {
  readonly hashOf: (frame: number) => Buffer | undefined
  /** Over all of them; undefined: not all are known. */
  readonly sha256: string | undefined
  readonly findings: readonly Finding[]
}

async function readHashes(
  source: VerifySource,
  directory: IndexDirectory,
  tarFrameCount: number,
): Promise<Hashes> {
  const counted = directory.hashes.reduce((sum, { frameCount }) => sum + frameCount, 0)
  if (counted !== tarFrameCount)
    throw corrupt(`the index has the SHA-256 of ${counted} frames, and there are ${tarFrameCount}`)
  // A terabyte has 250 000 frames: 8 MB.
  const all = Buffer.alloc(tarFrameCount * SHA256_BYTES)
  const findings: Finding[] = []
  const unknown: { first: number; end: number }[] = []
  let first = 0
  for (const block of directory.hashes) {
    const end = first + block.frameCount
    try {
      const bytes = await readIndexBlock(source, block)
      if (bytes.length !== block.frameCount * SHA256_BYTES) throw corrupt('it has another length')
      bytes.copy(all, first * SHA256_BYTES)
      giveBack(bytes)
    } catch (error) {
      if (!isDamage(error)) throw error
      unknown.push({ first, end })
      const fromByte = block.fileOffsetBytes
      const what = `index: ${error.message} (the SHA-256 of frames ${first} to ${end - 1})`
      findings.push({ ...ofTail({ fromByte, toByte: fromByte + block.storedBytes }), what })
    }
    first = end
  }
  const sha256 = unknown.length > 0 ? undefined : createHash('sha256').update(all).digest('hex')
  const hashOf = (frame: number) =>
    unknown.some((range) => frame >= range.first && frame < range.end)
      ? undefined
      : all.subarray(frame * SHA256_BYTES, (frame + 1) * SHA256_BYTES)
  return { hashOf, sha256, findings }
}

/** Frames are compared with the index, so the index must be that of this archive. */
function compareHashes(
  { manifest }: ArchiveTail,
  { sha256 }: Hashes,
  expected: ExpectedArchive,
): readonly string[] {
  if (sha256 === undefined) return []
  const wrong: string[] = []
  if (sha256 !== manifest.sha256)
    wrong.push(`index: its frames have the SHA-256 ${sha256}, the manifest says ${manifest.sha256}`)
  if (expected.sha256 !== undefined && sha256 !== expected.sha256)
    wrong.push(`index: its frames have the SHA-256 ${sha256}, the catalog says ${expected.sha256}`)
  return wrong
}
