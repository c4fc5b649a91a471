// Every switch of the model S3 server. Each way in which real servers differ or fail is one of them
// (who behaves so: see the comment), and all can be changed while the server runs.

import type { S3Operation } from './s3-operation.ts'

export type QuotaSwitch = {
  readonly bytes: number
  readonly status: number
  readonly code: string
  readonly message?: string
  /**
   * before-body: refused before the body is read, then the connection is closed (Ceph);
   * after-body: refused when the body was read (MinIO, B2); complete: parts are taken, the whole
   * is refused and the upload aborted (Garage).
   */
  readonly at: 'before-body' | 'after-body' | 'complete'
}

export type S3ModelSwitches = {
  readonly accessKey: string
  readonly secretKey: string
  readonly region: string
  /** Buckets are sub-domains of this host, too; undefined: path style only. */
  readonly virtualHost: string | undefined
  /** Sub-domains arrive, but signatures are checked for another host (a proxy that rewrites Host). */
  readonly refusesVirtualHost: boolean
  /** false: Content-MD5 and payload hashes are believed, not computed (speed tests). */
  readonly checksHashes: boolean
  /** Stores whatever arrives, and answers with the honest MD5 of that. */
  readonly ignoresHashes: boolean
  /** Bodies in chunks that are signed one by one; refused, since our client must not send such (rclone serve stores the framing). */
  readonly takesSignedChunks: boolean
  /** AWS lowers nothing; tests do, so that small files cross every boundary. */
  readonly partBytesMin: number
  readonly partsMax: number
  /** All parts but the last have one size (R2). */
  readonly hasEqualParts: boolean
  /** Completing a completed upload: fine (AWS, Ceph) or 404 (MinIO). */
  readonly secondComplete: 'result' | 'NoSuchUpload'
  /** error200: an <Error> in a 200 answer; whitespace: blanks for a while before the result (AWS). */
  readonly completeBody: 'result' | 'error200' | 'whitespace'
  /** How long `whitespace` takes. */
  readonly completeMs: number
  /**
   * opaque: no MD5 anywhere (SSE-KMS); empty-on-complete: Ceph's answer to Complete; odd-composite: parts
   * have MD5s, the whole has a formula of its own (SeaweedFS).
   */
  readonly etag: 'md5' | 'opaque' | 'empty-on-complete' | 'odd-composite'
  readonly quota: QuotaSwitch | undefined
  /** Parts of open uploads count in the quota (Ceph). */
  readonly countsParts: boolean
  /** Takes so many parts at once, each for so long; further ones are read and refused with SlowDown. */
  readonly crowd: { readonly parts: number; readonly ms: number } | undefined
  /** exact: the prefix must be the whole key (MinIO); missing: 501 (rclone serve s3). */
  readonly listUploads: 'prefix' | 'exact' | 'missing'
  readonly listParts: 'yes' | 'missing'
  readonly isVersioned: boolean
  /** If-None-Match: honoured, not by Complete (Ceph 16), ignored (GCS, Garage) or 501 (B2). */
  readonly conditional: 'yes' | 'put-only' | 'ignored' | '501'
  /** Storage classes: taken, or 501 (many). */
  readonly storageClass: 'yes' | '501'
  /** Operations answered with 403 AccessDenied: a key that may do only some things. */
  readonly denies: readonly S3Operation[]
  /** Entries of one page of a listing. */
  readonly pageEntries: number
  /**
   * no-token: a proxy drops the element that says how to ask for the next page; v1: a gateway answers all
   * listings as those of the first version, which go on from another parameter.
   */
  readonly listPages: 'token' | 'no-token' | 'v1'
  /** Shifts the server's clock. */
  readonly skewMs: number
  /** Answers carry `x-amz-request-id`, as most do. */
  readonly namesRequests: boolean
  /** What a proxy in front answers to everything, while the server behind it is down. */
  readonly frontPage: FrontPage | undefined
  /** Abort of an upload that is not there: refused (AWS), or 204 like any other (MinIO). */
  readonly abortOfNone: 'NoSuchUpload' | '204'
  /** What answers without a body say that they are: text/html (OpenStack Swift). */
  readonly emptyType: 'text/html' | undefined
  /** A bucket with a retention of its own for new objects: it wants an MD5 or a checksum of each. */
  readonly wantsMd5: boolean
}

export type FrontPage = { readonly status: number; readonly type: string; readonly body: string }

export const DEFAULT_SWITCHES: S3ModelSwitches = {
  accessKey: 'model-access-key',
  secretKey: 'model-secret-key',
  region: 'us-east-1',
  virtualHost: undefined,
  refusesVirtualHost: false,
  checksHashes: true,
  ignoresHashes: false,
  takesSignedChunks: false,
  partBytesMin: 5 * 1024 * 1024,
  partsMax: 10_000,
  hasEqualParts: false,
  secondComplete: 'result',
  completeBody: 'result',
  completeMs: 300,
  etag: 'md5',
  quota: undefined,
  countsParts: true,
  crowd: undefined,
  listUploads: 'prefix',
  listParts: 'yes',
  isVersioned: false,
  conditional: 'yes',
  storageClass: 'yes',
  denies: [],
  pageEntries: 1_000,
  listPages: 'token',
  skewMs: 0,
  namesRequests: true,
  frontPage: undefined,
  abortOfNone: 'NoSuchUpload',
  emptyType: undefined,
  wantsMd5: false,
}

/** Servers that differ from the default (AWS), as far as their differences are known. */
export const PERSONALITIES = {
  aws: {},
  // 16.2: If-None-Match is honoured for PutObject only.
  ceph: { etag: 'empty-on-complete', conditional: 'put-only' },
  minio: { secondComplete: 'NoSuchUpload', listUploads: 'exact', abortOfNone: '204' },
  r2: { hasEqualParts: true, storageClass: '501' },
  b2: { conditional: '501' },
  garage: { conditional: 'ignored', secondComplete: 'NoSuchUpload' },
  'rclone serve': { listUploads: 'missing', listParts: 'missing', conditional: 'ignored' },
  'encrypted by KMS': { etag: 'opaque' },
  versioned: { isVersioned: true },
  swift: { emptyType: 'text/html' },
  'locking objects': { isVersioned: true, wantsMd5: true },
  'without request ids': { namesRequests: false },
} as const satisfies Record<string, Partial<S3ModelSwitches>>
