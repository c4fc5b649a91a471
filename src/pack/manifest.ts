// The manifest: what an archive is, as JSON in a skippable frame, so that a catalog row can be made
// again from the last bytes of the object. In front of the JSON stands its SHA-256.

import { createHash } from 'node:crypto'
import type { ArchiveId, Warning } from '../domain/archive.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'

export const FORMAT_VERSION = 1

export type ManifestBlock = {
  /** In the archive. */
  readonly fileOffsetBytes: number
  readonly storedBytes: number
  readonly rawBytes: number
  /** Hex; of the stored bytes. */
  readonly sha256: string
}

export type Manifest = {
  readonly format: 'spillway'
  readonly version: typeof FORMAT_VERSION
  readonly archiveId: ArchiveId
  readonly host: string
  readonly source: { readonly name: string; readonly kind: string }
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly endedAt: string
  readonly encryption: 'none'
  readonly memberCount: number
  readonly sourceBytes: number
  readonly tarBytes: number
  /** Frames of the tar; the first ones of the seek table. */
  readonly frameCount: number
  /** Hex; over the SHA-256 of the tar frames, in order. */
  readonly sha256: string
  readonly warningCount: number
  /** The first of them, as many as fit. */
  readonly warnings: readonly Warning[]
  /** The pieces of the index's directory; decompressed and joined they are it. */
  readonly directory: readonly ManifestBlock[]
}

/** Whole frames with their header: what a reader asks for without knowing more. */
export const MANIFEST_PAYLOAD_MAX = 64 * 1024 - 8

const SHA256_BYTES = 32
/**
 * Pieces have 1 MiB. Ten million members take 0.1 MiB of directory, with names of 255 bytes in folders
 * deeper than 1 024 bytes 3 MiB, and whoever reads it holds all of it in memory.
 */
export const DIRECTORY_PIECES_MAX = 16

/** Leaves out the last warnings where they would not fit. */
export function encodeManifest(manifest: Manifest): Buffer {
  const warnings: Warning[] = []
  let room = MANIFEST_PAYLOAD_MAX - SHA256_BYTES - jsonOf({ ...manifest, warnings }).length
  for (const warning of manifest.warnings) {
    room -= jsonOf(warning).length + 1
    if (room < 0) break
    warnings.push(warning)
  }
  const json = jsonOf({ ...manifest, warnings })
  return Buffer.concat([sha256(json), json])
}

/**
 * Throws ARCHIVE_CORRUPT for what is damaged, ARCHIVE_REFUSED for what this version cannot read:
 * another format version, or encryption.
 */
export function parseManifest(payload: Buffer): Manifest {
  const json = payload.subarray(SHA256_BYTES)
  if (payload.length < SHA256_BYTES || !sha256(json).equals(payload.subarray(0, SHA256_BYTES)))
    throw corrupt('its checksum is another')
  let given: Readonly<Record<string, unknown>>
  try {
    given = JSON.parse(json.toString('utf8')) as typeof given
  } catch (cause) {
    throw corrupt(messageOf(cause), cause)
  }
  refuseForeign(given)
  checkShape(given)
  return given as unknown as Manifest
}

// Not damage: whoever meets it with an archive of our own does well to leave it alone.
const ANOTHER_VERSION = {
  facts: { isOfAnotherVersion: true },
  hint: 'use the version of Spillway that wrote it, or a newer one',
} as const

function refuseForeign(given: Readonly<Record<string, unknown>>): void {
  const { format, version, encryption } = given as Partial<Manifest>
  if (format !== 'spillway') throw corrupt('it is not of Spillway')
  if (version !== FORMAT_VERSION) {
    throw new SpillwayError(
      'ARCHIVE_REFUSED',
      `the archive has format version ${String(version)}; this Spillway reads version ${FORMAT_VERSION}`,
      ANOTHER_VERSION,
    )
  }
  if (encryption !== 'none') {
    throw new SpillwayError(
      'ARCHIVE_REFUSED',
      `the archive is encrypted (${String(encryption)}); this Spillway reads "none" only`,
      ANOTHER_VERSION,
    )
  }
}

// A hostile object may say anything in valid JSON with a valid checksum.
function checkShape(given: Readonly<Record<string, unknown>>): void {
  const { source, warnings, directory } = given as Partial<Manifest>
  const isWhole =
    TEXTS.every((key) => typeof given[key] === 'string') &&
    COUNTS.every((key) => isCount(given[key])) &&
    typeof source?.name === 'string' &&
    typeof source.kind === 'string' &&
    Array.isArray(warnings) &&
    warnings.every(isWarning) &&
    Array.isArray(directory) &&
    directory.length <= DIRECTORY_PIECES_MAX &&
    directory.every(isBlock)
  const areTimes = ['startedAt', 'endedAt'].every((key) => !isNaN(Date.parse(String(given[key]))))
  if (!isWhole || !areTimes) throw corrupt('a field is missing or has another type')
}

const TEXTS = ['archiveId', 'host', 'startedAt', 'endedAt', 'sha256'] as const
const COUNTS = ['memberCount', 'sourceBytes', 'tarBytes', 'frameCount', 'warningCount'] as const

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isWarning(value: unknown): boolean {
  const { path, reason } = (value ?? {}) as Partial<Warning>
  return typeof path === 'string' && typeof reason === 'string'
}

function isBlock(value: unknown): boolean {
  const block = (value ?? {}) as Partial<ManifestBlock>
  return (
    isCount(block.fileOffsetBytes) &&
    isCount(block.storedBytes) &&
    isCount(block.rawBytes) &&
    typeof block.sha256 === 'string'
  )
}

function jsonOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function corrupt(what: string, cause?: unknown): SpillwayError {
  return new SpillwayError(
    'ARCHIVE_CORRUPT',
    `the archive's manifest is damaged: ${what}`,
    cause === undefined ? {} : { cause },
  )
}
