// Reads what an object or a file says of itself, with a HEAD and one ranged read of its tail, and decides
// whether it may become a row of the catalog.
//
// Servers are not trusted: an object becomes a row only when it carries a write token, its manifest is
// whole and of the host whose folder it lies in, and its name is the one that Spillway would have given it.

import { openArchiveTail } from '../pack/archive-tail.ts'
import { archiveFileName, archiveKey, archiveNameIn } from '../domain/archive.ts'
import { isFailure, messageOf } from '../domain/errors.ts'
import type { FoundCopy, RebuiltArchive } from '../catalog/rebuild-calls.ts'
import type { HeadResult, Storage } from '../storage/storage.ts'
import type { Manifest } from '../pack/manifest.ts'
import type { ReadRange } from '../pack/archive-tail.ts'
import type { Server } from '../domain/server.ts'

/** How many objects are looked at together: enough for a slow line, and 1 MiB of memory. */
export const READ_AT_ONCE = 8

export type ReadObject =
  { readonly archive: RebuiltArchive; readonly copy: FoundCopy } | { readonly refused: string }

// Of a whole archive: one frame, index, manifest and seek table. Less cannot be one.
const ARCHIVE_BYTES_MIN = 64

/**
 * Rejects with the failure of a server that does not answer; what is wrong with one object is a result.
 * Reads less than 256 KiB.
 */
export async function readObject(
  { server, storage }: { readonly server: Server; readonly storage: Storage },
  keyThere: string,
  signal: AbortSignal,
): Promise<ReadObject> {
  const name = archiveNameIn(server, keyThere)
  if (name === undefined) return { refused: 'its name is not that of an archive' }
  try {
    const head = await storage.head(keyThere, signal)
    if (head === undefined) return { refused: 'it is listed, and is not there' }
    const { token } = head
    if (token === undefined)
      return {
        refused:
          'it has no write token: another program put it there, or copied it without its metadata',
      }
    if (head.sizeBytes < ARCHIVE_BYTES_MIN) return { refused: 'it is too small for an archive' }
    const readRange: ReadRange = async (offsetBytes, sizeBytes) =>
      collect(storage.read(keyThere, { offsetBytes, sizeBytes }, signal))
    const { manifest } = await openArchiveTail(readRange, head.sizeBytes)
    const archive = rebuiltFrom(manifest, name, head.sizeBytes)
    if (typeof archive === 'string') return { refused: archive }
    return { archive, copy: copyFrom(server, head, token, archive) }
  } catch (error) {
    // One that is thawed first, or may not be read, says nothing about the others.
    const isItsOwn = isFailure(
      error,
      ...(['ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED', 'ARCHIVE_MISSING', 'ARCHIVE_FROZEN'] as const),
      ...(['SERVER_DENIED', 'SERVER_REJECTED', 'SERVER_DAMAGED_DATA'] as const),
    )
    if (!isItsOwn) throw error
    return { refused: messageOf(error) }
  }
}

function copyFrom(
  { identity }: Server,
  head: HeadResult,
  token: string,
  archive: RebuiltArchive,
): FoundCopy {
  const { key, sizeBytes, etag, versionId, modifiedAt } = head
  return {
    identity,
    key,
    token,
    sizeBytes,
    etag,
    versionId,
    storedAt: modifiedAt ?? archive.endedAt,
  }
}

/** What is wrong with it, as a text, when it is not to be believed. */
export function rebuiltFrom(
  manifest: Manifest,
  name: { readonly host: string; readonly key: string; readonly file: string },
  sizeBytes: number,
): RebuiltArchive | string {
  const { archiveId, host, source, memberCount, sourceBytes, sha256 } = manifest
  const { warningCount, warnings } = manifest
  const [startedAt, endedAt] = [new Date(manifest.startedAt), new Date(manifest.endedAt)]
  if (host !== name.host) return `its manifest says that it is of host ${host}`
  if (!UUID.test(archiveId)) return 'its manifest has no archive id'
  if (!SHA256.test(sha256)) return 'its manifest has no SHA-256'
  if (![startedAt, endedAt].every(isTime)) return 'its manifest has no times'
  const repeat = Number(/-(\d{1,6})\.tar\.zst$/.exec(name.file)?.[1] ?? 1)
  const isItsName = [1, repeat].some((each) => {
    const file = archiveFileName(source.name, startedAt, each)
    return file === name.file && archiveKey(host, startedAt, file) === name.key
  })
  if (!isItsName) return `its manifest says that it is of ${source.name}, ${manifest.startedAt}`
  return {
    ...{ id: archiveId, host, source: source.name, sourceKind: source.kind },
    ...{ file: name.file, key: name.key, sizeBytes, sourceBytes, memberCount, sha256 },
    ...{ startedAt, endedAt, warningCount, warnings },
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const SHA256 = /^[0-9a-f]{64}$/

// Years of four digits: what the catalog can sort.
function isTime(at: Date): boolean {
  return at.getTime() >= 0 && at.getTime() < Date.UTC(10_000, 0)
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = []
  // Copied: the memory of a chunk may be used again for a later one.
  for await (const chunk of chunks) all.push(Buffer.from(chunk))
  return Buffer.concat(all)
}
