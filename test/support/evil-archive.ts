// Whole archives by hand: a tar, an index, a manifest and a seek table, each of which may lie. Everything
// that has a checksum has the right one, as a hostile writer would see to.

import { createHash } from 'node:crypto'
import { compressFrame } from '../../src/pack/zstd.ts'
import { encodeDirectory } from '../../src/pack/index-directory.ts'
import { encodeManifest } from '../../src/pack/manifest.ts'
import { IndexEncoder } from '../../src/pack/member-record.ts'
import {
  checksumOf,
  encodeSeekEntry,
  SEEK_ENTRY_BYTES,
  seekTableFooter,
  seekTableHeader,
} from '../../src/pack/seek-table.ts'
import { INDEX_MAGIC, MANIFEST_MAGIC, skippableHeader } from '../../src/pack/skippable-frame.ts'
import { END, hardLinkMember, member, symlinkMember } from './evil-tar.ts'
import { folderMember } from './evil-tar.ts'
import type { IndexDirectory, StoredBlock } from '../../src/pack/index-directory.ts'
import type { IndexedMember, RawIndexBlock } from '../../src/pack/member-record.ts'
import type { Manifest } from '../../src/pack/manifest.ts'
import type { SeekEntry } from '../../src/pack/seek-table.ts'

/** A member of the tar, and what the index says of it: the truth but for what is given. */
export type EvilMember = {
  readonly tar: Buffer
  readonly index: Partial<IndexedMember> & Pick<IndexedMember, 'path'>
}

export type EvilArchive = {
  readonly members: readonly EvilMember[]
  /** Of tar; 1 024 unless given. */
  readonly frameBytes?: number
  /** Each may change what would be written. */
  readonly frame?: (bytes: Buffer, number: number) => Buffer | Promise<Buffer>
  readonly indexBlock?: (block: RawIndexBlock) => RawIndexBlock
  readonly directory?: (directory: IndexDirectory) => IndexDirectory
  readonly storedBlock?: (bytes: Buffer) => Buffer
  readonly manifest?: (manifest: Manifest) => Manifest
  readonly entries?: (entries: SeekEntry[]) => SeekEntry[]
}

export const evil = (tar: Buffer, index: EvilMember['index']): EvilMember => ({ tar, index })
export const file = (path: string, content = 'written by the archive'): EvilMember =>
  evil(member({ name: path, content }), { path, sizeBytes: content.length })
export const folder = (path: string): EvilMember =>
  evil(folderMember(path === '' ? './' : `${path}/`), { path, kind: 'directory' })
export const symlink = (path: string, target: string): EvilMember =>
  evil(symlinkMember(path, target), { path, kind: 'symlink' })
export const hardLink = (path: string, target: string): EvilMember =>
  evil(hardLinkMember(path, target), { path, kind: 'hard-link' })

export async function evilArchive(input: EvilArchive): Promise<Buffer> {
  const tar = Buffer.concat([...input.members.map((each) => each.tar), END])
  const { frames, entries } = await framesOf(tar, input)
  const tarStored = frames.reduce((sum, frame) => sum + frame.length, 0)

  const raw = indexBlocksOf(input)
  const pieces: Buffer[] = []
  let at = tarStored + 8
  const place = async (bytes: Buffer): Promise<StoredBlock> => {
    const frame = await compressFrame(bytes, 3)
    const stored = input.storedBlock?.(frame) ?? frame
    const block = { ...factsOf(stored), fileOffsetBytes: at, rawBytes: bytes.length }
    pieces.push(stored)
    at += stored.length
    return block
  }
  const members = []
  for (const { bytes, ...facts } of raw) members.push({ ...(await place(bytes)), ...facts })
  const hashes = Buffer.concat(frames.map((frame) => sha256(frame)))
  const hashBlock = { ...(await place(hashes)), frameCount: frames.length }
  const honest: IndexDirectory = { members, hashes: [hashBlock] }
  const piece = await place(encodeDirectory(input.directory?.(honest) ?? honest))

  const indexBytes = Buffer.concat(pieces)
  const index = Buffer.concat([skippableHeader(INDEX_MAGIC, indexBytes.length), indexBytes])
  const manifest = {
    ...manifestOf(tar, frames, { ...piece, sha256: piece.sha256.toString('hex') }),
    memberCount: members.reduce((sum, { memberCount }) => sum + memberCount, 0),
  }
  const json = encodeManifest(input.manifest?.(manifest) ?? manifest)
  const tail = Buffer.concat([skippableHeader(MANIFEST_MAGIC, json.length), json])
  entries.push(nothing(index.length), nothing(tail.length))
  return Buffer.concat([...frames, index, tail, seekTableOf(input.entries?.(entries) ?? entries)])
}

async function framesOf(
  tar: Buffer,
  { frameBytes = 1_024, frame = (bytes) => compressFrame(bytes, 3) }: EvilArchive,
): Promise<{ frames: Buffer[]; entries: SeekEntry[] }> {
  const frames: Buffer[] = []
  const entries: SeekEntry[] = []
  for (let at = 0; at < tar.length; at += frameBytes) {
    const bytes = tar.subarray(at, at + frameBytes)
    const stored = await frame(bytes, frames.length)
    frames.push(stored)
    entries.push({
      storedBytes: stored.length,
      rawBytes: bytes.length,
      checksum: checksumOf(bytes),
    })
  }
  return { frames, entries }
}

function indexBlocksOf({ members, indexBlock = (block) => block }: EvilArchive): RawIndexBlock[] {
  const blocks: RawIndexBlock[] = []
  const encoder = new IndexEncoder((block) => blocks.push(indexBlock(block)))
  let offsetBytes = 0
  for (const { tar, index } of members) {
    const { path, kind = 'file', sizeBytes = 0, spanBytes = tar.length } = index
    const attributes = { mode: 0o755, mtimeSeconds: 1_700_000_000, mtimeNanos: 0 }
    const owner = { uid: 0, gid: 0, userName: '', groupName: '', linkTarget: '' }
    const device = { deviceMajor: 0, deviceMinor: 0, records: undefined }
    const given = { ...attributes, ...owner, ...device, path, kind, sizeBytes }
    encoder.add(given, { offsetBytes: index.offsetBytes ?? offsetBytes, spanBytes })
    offsetBytes += tar.length
  }
  encoder.flush()
  return blocks
}

function manifestOf(
  tar: Buffer,
  frames: readonly Buffer[],
  piece: Manifest['directory'][number],
): Omit<Manifest, 'memberCount'> {
  return {
    format: 'spillway',
    version: 1,
    archiveId: '01234567-89ab-7def-8123-456789abcdef',
    host: 'evil',
    source: { name: 'evil', kind: 'folder' },
    startedAt: '2026-03-01T02:30:00Z',
    endedAt: '2026-03-01T02:30:00Z',
    encryption: 'none',
    sourceBytes: 0,
    tarBytes: tar.length,
    frameCount: frames.length,
    sha256: sha256(Buffer.concat(frames.map((frame) => sha256(frame)))).toString('hex'),
    warningCount: 0,
    warnings: [],
    directory: [piece],
  }
}

function seekTableOf(entries: readonly SeekEntry[]): Buffer {
  const table = Buffer.alloc(entries.length * SEEK_ENTRY_BYTES)
  for (const [at, entry] of entries.entries()) encodeSeekEntry(table, at * SEEK_ENTRY_BYTES, entry)
  return Buffer.concat([seekTableHeader(entries.length), table, seekTableFooter(entries.length)])
}

function factsOf(stored: Buffer): { readonly storedBytes: number; readonly sha256: Buffer } {
  return { storedBytes: stored.length, sha256: sha256(stored) }
}

function nothing(storedBytes: number): SeekEntry {
  return { storedBytes, rawBytes: 0, checksum: checksumOf(Buffer.alloc(0)) }
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** Frames that say: `count` blocks of 128 KiB, all zero. Eight bytes for a megabyte. */
export function zeroFrame(count: number): Buffer {
  const blocks = Array.from({ length: count }, (_, at) => {
    const word = (131_072 << 3) | (1 << 1) | (at === count - 1 ? 1 : 0)
    return Buffer.from([word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff, 0])
  })
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 11 << 3]), ...blocks])
}
