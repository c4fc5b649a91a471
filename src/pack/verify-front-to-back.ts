// An archive whose end is damaged, read from its first byte to its last, to tell what exactly is wrong:
// manifest, index or seek table, and whether all of the tar is there.
//
// Without the seek table frames are found by their own headers; what the table ought to be is known
// afterwards, so a single wrong byte of it is found. That the tar is whole is proven by the SHA-256 in
// the catalog; its members are then those that were packed.

import { createHash } from 'node:crypto'
import type { Finding } from '../domain/proof.ts'
import { sha256Of } from '../lib/sha256.ts'
import { ArchiveTail } from './archive-tail.ts'
import { FRAME_BYTES_MAX } from './frame-bounds.ts'
import { readFrames } from './frame-reader.ts'
import { giveBack } from './give-back.ts'
import { MANIFEST_PAYLOAD_MAX, parseManifest } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import {
  checksumOf,
  encodeSeekEntry,
  SEEK_ENTRY_BYTES,
  seekTableBytes,
  seekTableFooter,
  seekTableHeader,
} from './seek-table.ts'
import type { SeekEntry } from './seek-table.ts'
import {
  INDEX_MAGIC,
  MANIFEST_MAGIC,
  SKIPPABLE_HEADER_BYTES,
  skippablePayload,
} from './skippable-frame.ts'
import { compareManifest, ofTail } from './verify-layout.ts'
import type { ExpectedArchive } from './verify-layout.ts'
import { asBuffer, isDamage, readIndexBlock } from './verify-source.ts'
import type { VerifySource } from './verify-source.ts'
import { decompressFrame } from './zstd.ts'

/** At least one: it is asked only when something is wrong. `first` is what was met first. */
export async function findTailDamage(
  source: VerifySource,
  expected: ExpectedArchive,
  first: string,
): Promise<readonly Finding[]> {
  const tar = await readTar(source)
  const findings: Finding[] = []
  if (tar.damaged !== undefined || (expected.sha256 ?? tar.sha256) !== tar.sha256)
    findings.push(tarDamage(tar))
  if (tar.sha256 === (expected.sha256 ?? tar.sha256))
    findings.push(...(await checkTail(source, expected, tar)))
  if (findings.length > 0) return findings
  // The index alone is wrong about something: its directory was refused, and by its hash it is whole.
  return [{ ...ofTail({ fromByte: tar.endBytes, toByte: source.fileBytes }), what: first }]
}

type WalkedTar = {
  readonly entries: readonly SeekEntry[]
  /** Where the first frame begins that is no tar. */
  readonly endBytes: number
  readonly sha256: string
  /** What ended the reading, and where; undefined: nothing did. */
  readonly damaged: { readonly what: string; readonly frame: number } | undefined
}

async function readTar(source: VerifySource): Promise<WalkedTar> {
  const entries: SeekEntry[] = []
  const hash = createHash('sha256')
  let endBytes = 0
  let damaged: WalkedTar['damaged']
  try {
    for await (const { offsetBytes, bytes } of readFrames(source.read(0, source.fileBytes))) {
      hash.update(await sha256Of(bytes))
      endBytes = offsetBytes + bytes.length
      const raw = await decompressed(bytes)
      damaged ??= raw === undefined ? { what: 'it is damaged', frame: entries.length } : undefined
      const checksum = raw === undefined ? 0 : checksumOf(raw)
      const rawBytes = raw?.length ?? FRAME_BYTES_MAX
      entries.push({ storedBytes: bytes.length, rawBytes, checksum })
      if (raw !== undefined) giveBack(raw)
    }
  } catch (error) {
    // Damage behind the tar ends the walk, too; the SHA-256 says whether the tar was whole.
    if (!isDamage(error)) throw error
  }
  return { entries, endBytes, sha256: hash.digest('hex'), damaged }
}

async function decompressed(frame: Buffer): Promise<Buffer | undefined> {
  try {
    return await decompressFrame(frame)
  } catch (error) {
    if (!isDamage(error)) throw error
    return undefined
  }
}

/** Two things are wrong at once, the end and the tar: without the end, members cannot be told. */
function tarDamage({ entries, damaged, endBytes }: WalkedTar): Finding {
  const frame = damaged?.frame ?? null
  const before = entries.slice(0, frame ?? 0)
  const fromByte = before.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
  const toByte = frame === null ? endBytes : fromByte + entries[frame]!.storedBytes
  const what =
    frame === null
      ? `the tar does not have the SHA-256 that the catalog says, as far as it can be read (${entries.length} frames)`
      : 'a frame of the tar is damaged, and so is the end of the archive'
  return { place: 'tail', frame, fromByte, toByte, what, memberCount: null, members: [] }
}

/** Index frames, manifest and seek table, where the tar says that they must lie. */
async function checkTail(
  source: VerifySource,
  expected: ExpectedArchive,
  tar: WalkedTar,
): Promise<readonly Finding[]> {
  const skippable: SeekEntry[] = []
  const nothing = checksumOf(new Uint8Array(0))
  const entry = (storedBytes: number) => ({ storedBytes, rawBytes: 0, checksum: nothing })
  let at = tar.endBytes
  for (;;) {
    const storedBytes = await indexFrameAt(source, at)
    if (storedBytes === undefined) break
    skippable.push(entry(storedBytes))
    at += storedBytes
  }
  const tableAt = source.fileBytes - seekTableBytes(tar.entries.length + skippable.length + 1)
  const manifestBytes = tableAt - at
  if (manifestBytes <= 0 || manifestBytes > MANIFEST_PAYLOAD_MAX + SKIPPABLE_HEADER_BYTES) {
    const what = 'index and manifest cannot be told apart: a header between them is damaged'
    return [{ ...ofTail({ fromByte: at, toByte: source.fileBytes }), what }]
  }
  skippable.push(entry(manifestBytes))
  return [
    ...(await checkManifest(source, expected, { fromByte: at, toByte: tableAt })),
    ...(await checkSeekTable(source, tableAt, [...tar.entries, ...skippable])),
  ]
}

/** Its length; undefined: no frame of the index begins there. */
async function indexFrameAt(source: VerifySource, at: number): Promise<number | undefined> {
  if (at + SKIPPABLE_HEADER_BYTES > source.fileBytes) return undefined
  const header = asBuffer(await source.readRange(at, SKIPPABLE_HEADER_BYTES))
  const storedBytes = SKIPPABLE_HEADER_BYTES + header.readUInt32LE(4)
  const isIndex = header.readUInt32LE(0) === INDEX_MAGIC && at + storedBytes < source.fileBytes
  return isIndex ? storedBytes : undefined
}

async function checkManifest(
  source: VerifySource,
  expected: ExpectedArchive,
  range: { readonly fromByte: number; readonly toByte: number },
): Promise<readonly Finding[]> {
  const { fromByte, toByte } = range
  const bytes = asBuffer(await source.readRange(fromByte, toByte - fromByte))
  const payload = skippablePayload(MANIFEST_MAGIC, bytes)
  if (payload === undefined)
    return [{ ...ofTail(range), what: 'manifest: the header of its frame is damaged' }]
  let manifest: Manifest
  try {
    manifest = parseManifest(payload)
  } catch (error) {
    if (!isDamage(error)) throw error
    return [{ ...ofTail(range), what: `manifest: ${error.message}` }]
  }
  const wrong = compareManifest({ manifest }, expected)
  if (wrong.length > 0) return wrong.map((what) => ({ ...ofTail(range), what }))
  return checkDirectory(source, manifest)
}

async function checkDirectory(
  source: VerifySource,
  manifest: Manifest,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const { sha256, ...piece } of manifest.directory) {
    try {
      await readIndexBlock(source, { ...piece, sha256: Buffer.from(sha256, 'hex') })
    } catch (error) {
      if (!isDamage(error)) throw error
      const fromByte = piece.fileOffsetBytes
      const range = { fromByte, toByte: fromByte + piece.storedBytes }
      findings.push({ ...ofTail(range), what: `index: ${error.message} (its directory)` })
    }
  }
  if (findings.length > 0) return findings
  try {
    await new ArchiveTail(source.readRange, source.fileBytes, manifest).directory()
    return []
  } catch (error) {
    if (!isDamage(error)) throw error
    const [piece] = manifest.directory
    const fromByte = piece?.fileOffsetBytes ?? 0
    const range = { fromByte, toByte: fromByte + (piece?.storedBytes ?? 0) }
    return [{ ...ofTail(range), what: `index: ${error.message}` }]
  }
}

/** Every byte of it is known from the frames. */
async function checkSeekTable(
  source: VerifySource,
  tableAt: number,
  entries: readonly SeekEntry[],
): Promise<readonly Finding[]> {
  const body = Buffer.alloc(entries.length * SEEK_ENTRY_BYTES)
  for (const [number, entry] of entries.entries())
    encodeSeekEntry(body, number * SEEK_ENTRY_BYTES, entry)
  const wanted = Buffer.concat([
    seekTableHeader(entries.length),
    body,
    seekTableFooter(entries.length),
  ])
  const table = asBuffer(await source.readRange(tableAt, wanted.length))
  if (table.equals(wanted)) return []
  const first = wanted.findIndex((byte, at) => byte !== table[at])
  const last = wanted.findLastIndex((byte, at) => byte !== table[at])
  const range = { fromByte: tableAt + first, toByte: tableAt + last + 1 }
  const number = Math.floor((first - SKIPPABLE_HEADER_BYTES) / SEEK_ENTRY_BYTES)
  const isEntry = number >= 0 && number < entries.length
  const where = isEntry ? `its entry of frame ${number} is damaged` : 'it is damaged'
  const what = `seek table: ${where}; all of the tar is whole`
  return [{ ...ofTail(range), frame: isEntry ? number : null, what }]
}
