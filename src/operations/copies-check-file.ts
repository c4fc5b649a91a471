// Proves that a file holds exactly the archive of a row, before a single byte of it is sent anywhere: a
// damaged copy must never become two.
//
// The catalog's SHA-256 covers the frames of the tar; what follows them (index, manifest, seek table) is
// checked against the hashes that the archive has of its own parts, and these against the tar.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { checksumOf } from '../pack/seek-table.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { openArchiveTail } from '../pack/archive-tail.ts'
import { readTarBlocks } from '../pack/frame-reader.ts'
import type { ArchiveRow } from '../catalog/catalog.ts'
import type { ArchiveTail, ReadRange } from '../pack/archive-tail.ts'
import type { FileHandle } from 'node:fs/promises'

// Reads of a disk: larger ones are no faster.
const CHUNK_BYTES = 1024 * 1024

/** Rejects with ARCHIVE_CORRUPT, ARCHIVE_REFUSED, SPOOL_FAILED or INTERRUPTED. */
export async function checkArchiveFile(
  path: string,
  archive: Pick<ArchiveRow, 'id' | 'sizeBytes' | 'sha256'>,
  signal: AbortSignal,
): Promise<void> {
  const file = await openForReading(path)
  try {
    const size = await sizeOf(file, path)
    if (size !== archive.sizeBytes)
      throw corrupt(`it has ${size} bytes, the catalog says ${archive.sizeBytes}`)
    const tail = await openArchiveTail(rangesOf(file, path), size)
    const { manifest } = tail
    if (manifest.archiveId !== archive.id)
      throw corrupt(`it is another archive, ${manifest.archiveId}`)
    const sha256 = await checkTar(path, tail, signal)
    if (sha256 !== archive.sha256)
      throw corrupt(`its SHA-256 is ${sha256}, the catalog says ${archive.sha256}`)
    if (sha256 !== manifest.sha256) throw corrupt('its manifest names another SHA-256')
    await checkIndex(tail, sha256)
  } finally {
    await file.close()
  }
}

/** Every frame decompressed, and compared with its entry in the seek table. */
async function checkTar(path: string, tail: ArchiveTail, signal: AbortSignal): Promise<string> {
  const frames = await tail.frames()
  const { blocks, sha256 } = readTarBlocks(chunksOf(path, signal))
  let tarBytes = 0
  for await (const { offsetBytes, bytes } of blocks) {
    if (tarBytes >= tail.manifest.tarBytes) throw corrupt('it has more frames than it says')
    const place = frames.frameAt(tarBytes)
    const isAsListed =
      place.fileOffsetBytes === offsetBytes &&
      place.rawBytes === bytes.length &&
      place.checksum === checksumOf(bytes)
    if (!isAsListed) throw corrupt(`frame ${place.number} is not what its seek table says`)
    tarBytes += bytes.length
  }
  if (tarBytes !== tail.manifest.tarBytes) throw corrupt('it has fewer frames than it says')
  return sha256()
}

async function checkIndex(tail: ArchiveTail, sha256: string): Promise<void> {
  const hash = createHash('sha256')
  for await (const frameHash of tail.frameHashes()) hash.update(frameHash)
  if (hash.digest('hex') !== sha256) throw corrupt('the frame hashes in its index are others')
  const members = tail.membersFrom('')
  let memberCount = 0
  while ((await members.next()).done !== true) memberCount += 1
  if (memberCount !== tail.manifest.memberCount)
    throw corrupt(`its index lists ${memberCount} members of ${tail.manifest.memberCount}`)
}

async function* chunksOf(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: CHUNK_BYTES, signal }) as AsyncIterable<Buffer>
  } catch (cause) {
    if (signal.aborted)
      throw new SpillwayError('INTERRUPTED', `interrupted while checking ${path}`, { cause })
    throw unreadable(path, cause)
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

async function sizeOf(file: FileHandle, path: string): Promise<number> {
  try {
    return (await file.stat()).size
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

function rangesOf(file: FileHandle, path: string): ReadRange {
  return async (offsetBytes, sizeBytes) => {
    const bytes = Buffer.alloc(sizeBytes)
    let at = 0
    try {
      while (at < sizeBytes) {
        const { bytesRead } = await file.read(bytes, at, sizeBytes - at, offsetBytes + at)
        if (bytesRead === 0) break
        at += bytesRead
      }
    } catch (cause) {
      throw unreadable(path, cause)
    }
    return bytes.subarray(0, at)
  }
}

function unreadable(path: string, cause: unknown): SpillwayError {
  return new SpillwayError('SPOOL_FAILED', `cannot read ${path}: ${messageOf(cause)}`, { cause })
}

function corrupt(what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', `the archive is damaged: ${what}`)
}
