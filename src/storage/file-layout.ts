// Where a local directory keeps what: objects under their keys, and beside them, in folders that begin
// with a dot, what a file system has no place for.
//
//   ROOT/.spillway-server          the marker: this is the disk, not the empty folder under its mount
//   ROOT/.uploads/HASH.TOKEN.ID    an unfinished upload; HASH is made of the key
//   ROOT/.tokens/HASH              { key, token, sizeBytes }: the proof for `head`
//   ROOT/HOST/2026/11/07/...       the objects
//
// A token file counts only while the object has its size, and is written before the object appears, so
// that an object never stands there unproven after a crash.

import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { SpillwayError } from '../domain/errors.ts'

export const MARKER = '.spillway-server'
export const UPLOADS = '.uploads'
export const TOKENS = '.tokens'

export type TokenRecord = {
  readonly key: string
  readonly token: string
  readonly sizeBytes: number
}

/** The path of an object. Rejects every key that could lead out of the directory, or into ours. */
export function objectPath(root: string, key: string): string {
  const segments = key.split('/')
  const isPlain =
    /^[A-Za-z0-9._/-]+$/.test(key) &&
    segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..') &&
    !key.startsWith('.')
  if (!isPlain)
    throw new SpillwayError(
      'SERVER_REJECTED',
      `${root}: "${key}" cannot be the name of a file here`,
    )
  return join(root, ...segments)
}

export function tokenPath(root: string, key: string): string {
  return join(root, TOKENS, keyHash(key))
}

export function uploadsFolder(root: string): string {
  return join(root, UPLOADS)
}

/** The name of a new temporary file; it is the upload id. */
export function newUploadId(key: string, token: string): string {
  return `${keyHash(key)}.${safeToken(token)}.${randomBytes(4).toString('hex')}`
}

export function isUploadOf(uploadId: string, key: string): boolean {
  return uploadId.startsWith(`${keyHash(key)}.`)
}

export function uploadPath(root: string, uploadId: string): string {
  // It comes from the catalog, where it was written by us; a slash in it would be somebody else's.
  if (!/^[A-Za-z0-9._-]+$/.test(uploadId) || uploadId.startsWith('.'))
    throw new SpillwayError('SERVER_REJECTED', `${root}: "${uploadId}" is no upload of this server`)
  return join(root, UPLOADS, uploadId)
}

function safeToken(token: string): string {
  return token.replace(/[^A-Za-z0-9-]/g, '').slice(0, 64)
}

/** 128 bits: no two keys meet. */
function keyHash(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32)
}
