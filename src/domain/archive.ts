// An archive: one .tar.zst of one source at one moment. Its id, its names, its states.

import { randomBytes } from 'node:crypto'
import { copiesOn } from './copies.ts'
import type { CopiesWanted } from './copies.ts'
import type { ServerIdentity } from './server.ts'

export type ArchiveId = string

/** States of the row in `archives`. */
export type ArchiveState = 'packing' | 'ready' | 'gone' | 'failed'

/** What users see as an archive's state; derived from the row and its copies. */
export type ShownState = 'packing' | 'waiting' | 'stored' | 'failed' | 'deleted'

/** States of a copy: one row in `s3_archives`. */
export type CopyState =
  'uploading' | 'uncertain' | 'stored' | 'missing' | 'deleting' | 'deleted' | 'failed'

export type Warning = { readonly path: string; readonly reason: string }

/** How the reason ends of an archive whose only file is gone. */
export const LOST = ', and no server has it'

/** What the row of a copy says that retention deletes; it deletes whole archives, all others single copies. */
export const RETENTION_REASON = 'retention: '

/** Retention deletes it, or has. */
export function isByRetention({ reason, state }: ReasonedCopy): boolean {
  const isGoing = state === 'deleting' || state === 'deleted'
  return isGoing && reason?.startsWith(RETENTION_REASON) === true
}

type ReasonedCopy = { readonly state: CopyState; readonly reason: string | undefined }

/** UUIDv7 (RFC 9562): sorts by time, and is never given twice. */
export function newArchiveId(nowMs: number): ArchiveId {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(nowMs, 0, 6)
  bytes[6] = (bytes[6]! & 0x0f) | 0x70
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}

/** Any text as a part of a key: every character outside [A-Za-z0-9._-] becomes "-". */
export function safeName(text: string): string {
  const safe = text.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[-.]+|-+$/g, '')
  return safe.slice(0, NAME_CHARACTERS_MAX) || 'source'
}

// A key segment may have 255 bytes (MinIO); the time, the counter and the suffix take 32 of them.
const NAME_CHARACTERS_MAX = 120

/** `NAME-YYYYMMDD-HHMMSS.tar.zst`; `repeat` from 2 on tells archives of the same second apart. */
export function archiveFileName(source: string, startedAt: Date, repeat = 1): string {
  const iso = startedAt.toISOString()
  const stamp = `${iso.slice(0, 10).replaceAll('-', '')}-${iso.slice(11, 19).replaceAll(':', '')}`
  return `${safeName(source)}-${stamp}${repeat > 1 ? `-${repeat}` : ''}.tar.zst`
}

/** The key without a server's prefix: `HOST/YYYY/MM/DD/FILE`, in UTC. */
export function archiveKey(host: string, startedAt: Date, fileName: string): string {
  return `${host}/${startedAt.toISOString().slice(0, 10).replaceAll('-', '/')}/${fileName}`
}

/**
 * The key of the N-th copy that a server is given of one archive, after the ones before it were damaged or
 * left it: a key is never written twice. No archive's own name ends like that.
 */
export function copyKey(key: string, number: number): string {
  return number === 1 ? key : key.replace(/\.tar\.zst$/, `.copy-${number}.tar.zst`)
}

/** Of a key or a file name: that of the archive itself. */
export function withoutCopyNumber(name: string): string {
  return name.replace(/\.copy-\d{1,6}(?=\.tar\.zst$)/, '')
}

/** The key on one server. */
export function keyOnServer(prefix: string, key: string): string {
  return prefix === '' ? key : `${prefix}/${key}`
}

/**
 * Whether a key looks like an archive's, and which host's: `HOST/YYYY/MM/DD/FILE.tar.zst`. The names are the
 * archive's own, also where that server was given another copy of it before.
 */
export function archiveNameIn(
  server: { readonly prefix: string },
  keyThere: string,
): { readonly host: string; readonly key: string; readonly file: string } | undefined {
  const front = keyOnServer(server.prefix, '')
  if (!keyThere.startsWith(front)) return undefined
  const key = keyThere.slice(front.length)
  const parts = /^([A-Za-z0-9._-]{1,64})\/\d{4}\/\d\d\/\d\d\/([A-Za-z0-9._-]+\.tar\.zst)$/.exec(key)
  const [, host, file] = parts ?? []
  if (host === undefined || file === undefined) return undefined
  return { host, key: withoutCopyNumber(key), file: withoutCopyNumber(file) }
}

/** What a user calls the state of an archive with these copies. */
export function shownState(
  state: ArchiveState,
  copies: readonly { readonly state: CopyState; readonly identity: ServerIdentity }[],
  wanted: CopiesWanted,
): ShownState {
  if (state === 'packing') return 'packing'
  if (state === 'ready' && copiesOn({ copies }, wanted.servers) < wanted.copies) return 'waiting'
  if (copies.some((copy) => copy.state === 'stored')) return 'stored'
  if (state === 'ready') return 'waiting'
  return copies.some((copy) => copy.state === 'deleted') ? 'deleted' : 'failed'
}
