// The operations of the model server: a checked request in, an answer out. Multipart rules as AWS
// documents them, with the switches of s3-model-options.ts where other servers differ.

import { setTimeout as sleep } from 'node:timers/promises'
import type { IncomingMessage } from 'node:http'
import { refusal, S3Refusal, xml } from './s3-model-answers.ts'
import type { XmlTree } from './s3-model-answers.ts'
import { readPieces, receivePiece } from './s3-model-bytes.ts'
import type { S3ModelSwitches } from './s3-model-options.ts'
import type { DeclaredPayload } from './s3-model-signature.ts'
import type { ModelObject, ModelStore, NamedPart } from './s3-model-store.ts'
import type { S3Request } from './s3-operation.ts'

export type Answer = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Iterable<Buffer>
  /** Blanks for so long before the body (Complete on AWS). */
  readonly blanksMs?: number
}

export type Call = {
  readonly request: IncomingMessage
  readonly s3: S3Request
  readonly store: ModelStore
  readonly switches: S3ModelSwitches
  readonly declared: DeclaredPayload
  readonly folder: string | undefined
}

/** A Complete of 10 000 parts has about 1.5 MB. */
const XML_BYTES_MAX = 4 * 1024 * 1024

export async function answerTo(call: Call): Promise<Answer> {
  const { s3, switches, store } = call
  if (switches.denies.includes(s3.operation)) throw refusal('AccessDenied', 'access denied')
  if (s3.operation === 'ListBuckets') return listBuckets(store)
  if (s3.operation === 'CreateBucket') {
    store.buckets.add(s3.bucket)
    return { status: 200 }
  }
  if (!store.buckets.has(s3.bucket))
    throw refusal('NoSuchBucket', 'the bucket does not exist', { BucketName: s3.bucket })
  switch (s3.operation) {
    case 'HeadBucket':
      return { status: 200 }
    case 'List':
      return list(call)
    case 'ListUploads':
      return listUploads(call)
    case 'Create':
      return create(call)
    case 'UploadPart':
      return inCrowd(call)
    case 'Complete':
      return complete(call)
    case 'Abort':
      if (switches.abortOfNone !== '204' || store.uploads.has(s3.uploadId ?? ''))
        store.drop(store.upload(s3.bucket, s3.key, s3.uploadId))
      return { status: 204 }
    case 'ListParts':
      return listParts(call)
    case 'Head':
    case 'Get':
      return get(call)
    case 'Put':
      return put(call)
    case 'Delete':
      store.remove(s3.bucket, s3.key, s3.query.get('versionId') ?? undefined)
      return { status: 204 }
    default:
      throw refusal('NotImplemented', 'the model does not know this operation')
  }
}

function listBuckets(store: ModelStore): Answer {
  const buckets = [...store.buckets].map((Name) => ({ Name, CreationDate: '2026-01-01T00:00:00Z' }))
  return xmlAnswer('ListAllMyBucketsResult', { Buckets: { Bucket: buckets } })
}

function create({ s3, store, request, switches }: Call): Answer {
  checkOptionalHeaders(request, switches)
  const upload = store.begin(s3.bucket, s3.key, metadataOf(request))
  return xmlAnswer('InitiateMultipartUploadResult', {
    Bucket: s3.bucket,
    Key: s3.key,
    UploadId: upload.uploadId,
  })
}

async function inCrowd(call: Call): Promise<Answer> {
  const { crowd } = call.switches
  call.store.partsUnderWay += 1
  try {
    if (crowd !== undefined && call.store.partsUnderWay > crowd.parts) {
      const piece = await receive(call)
      piece.drop()
      throw refusal('SlowDown', 'please reduce your request rate')
    }
    if (crowd !== undefined) await sleep(crowd.ms)
    return await uploadPart(call)
  } finally {
    call.store.partsUnderWay -= 1
  }
}

async function uploadPart(call: Call): Promise<Answer> {
  const { s3, store, switches } = call
  const upload = store.upload(s3.bucket, s3.key, s3.uploadId)
  checkMd5(call)
  if (!(s3.partNumber >= 1 && s3.partNumber <= switches.partsMax))
    throw refusal('InvalidArgument', `part number must be 1 to ${switches.partsMax}`)
  const declaredBytes = Number(call.request.headers['content-length'] ?? 0)
  const replacedBytes = upload.parts.get(s3.partNumber)?.sizeBytes ?? 0
  if (switches.quota?.at === 'before-body') store.checkQuota(declaredBytes - replacedBytes)
  const piece = await receive(call)
  try {
    if (switches.quota?.at === 'after-body') store.checkQuota(piece.sizeBytes - replacedBytes)
  } catch (error) {
    piece.drop()
    throw error
  }
  return { status: 200, headers: { etag: `"${store.putPart(upload, s3.partNumber, piece)}"` } }
}

async function complete(call: Call): Promise<Answer> {
  const { s3, store, switches } = call
  const named = namedParts(await readText(call.request))
  if (switches.completeBody === 'error200')
    return errorIn200('InternalError', 'we encountered an internal error')
  const before = store.completed.get(s3.uploadId)
  if (before !== undefined && switches.secondComplete === 'result')
    return completeResult(before, switches)
  const upload = store.upload(s3.bucket, s3.key, s3.uploadId)
  if (switches.conditional === '501' && call.request.headers['if-none-match'] !== undefined)
    throw refusal('NotImplemented')
  if (isConditionBroken(call)) throw refusal('PreconditionFailed')
  if (switches.quota?.at === 'complete') {
    try {
      store.checkQuota(
        switches.countsParts ? 0 : [...upload.parts.values()].reduce((n, p) => n + p.sizeBytes, 0),
      )
    } catch (error) {
      store.drop(upload)
      throw error
    }
  }
  return completeResult(store.complete(upload, named), switches)
}

function completeResult(object: ModelObject, switches: S3ModelSwitches): Answer {
  const answer = xmlAnswer('CompleteMultipartUploadResult', {
    Bucket: object.bucket,
    Key: object.key,
    ETag: switches.etag === 'empty-on-complete' ? '' : `"${object.etag}"`,
  })
  const version = object.versionId === undefined ? {} : { 'x-amz-version-id': object.versionId }
  const headers = { ...answer.headers, ...version }
  return switches.completeBody === 'whitespace'
    ? { ...answer, headers, blanksMs: switches.completeMs }
    : { ...answer, headers }
}

function errorIn200(code: string, message: string): Answer {
  return xmlAnswer('Error', { Code: code, Message: message })
}

function listParts({ s3, store, switches }: Call): Answer {
  if (switches.listParts === 'missing') throw refusal('NotImplemented')
  const upload = store.upload(s3.bucket, s3.key, s3.uploadId)
  const parts = [...upload.parts].sort(([a], [b]) => a - b)
  return xmlAnswer('ListPartsResult', {
    Bucket: s3.bucket,
    Key: s3.key,
    UploadId: s3.uploadId,
    IsTruncated: false,
    Part: parts.map(([PartNumber, piece]) => ({
      PartNumber,
      ETag: `"${store.partEtag(piece)}"`,
      Size: piece.sizeBytes,
    })),
  })
}

function listUploads({ s3, store, switches }: Call): Answer {
  if (switches.listUploads === 'missing') throw refusal('NotImplemented')
  const prefix = s3.query.get('prefix') ?? ''
  const found = [...store.uploads.values()].filter(
    ({ bucket, key }) =>
      bucket === s3.bucket &&
      (switches.listUploads === 'exact' ? key === prefix : key.startsWith(prefix)),
  )
  return xmlAnswer('ListMultipartUploadsResult', {
    Bucket: s3.bucket,
    IsTruncated: false,
    Upload: found.map(({ key, uploadId, startedAt }) => ({
      Key: key,
      UploadId: uploadId,
      Initiated: startedAt.toISOString(),
    })),
  })
}

function list({ s3, store, switches }: Call): Answer {
  if (s3.query.has('location')) return xmlAnswer('LocationConstraint', {})
  if (s3.query.has('versioning')) return xmlAnswer('VersioningConfiguration', {})
  const prefix = s3.query.get('prefix') ?? ''
  const isV1 = switches.listPages === 'v1'
  const after = isV1
    ? (s3.query.get('marker') ?? '')
    : (s3.query.get('continuation-token') ?? s3.query.get('start-after') ?? '')
  const keys = [...store.versions.keys()]
    .filter((path) => path.startsWith(`${s3.bucket}/`))
    .map((path) => path.slice(s3.bucket.length + 1))
    .filter((key) => key.startsWith(prefix) && key > after)
    .filter((key) => store.current(s3.bucket, key) !== undefined)
    .sort()
  const asked = Number(s3.query.get('max-keys') ?? switches.pageEntries)
  const page = keys.slice(0, Math.min(asked, switches.pageEntries))
  const isTruncated = page.length < keys.length
  return xmlAnswer('ListBucketResult', {
    Name: s3.bucket,
    Prefix: prefix,
    KeyCount: page.length,
    IsTruncated: isTruncated,
    ...(isTruncated && switches.listPages === 'token'
      ? { NextContinuationToken: page.at(-1)! }
      : {}),
    Contents: page.map((key) => {
      const object = store.current(s3.bucket, key)!
      return {
        Key: key,
        LastModified: object.modifiedAt.toISOString(),
        ETag: `"${object.etag}"`,
        Size: object.sizeBytes,
      }
    }),
  })
}

function get({ s3, store, request }: Call): Answer {
  const wanted = s3.query.get('versionId')
  const object =
    wanted === null
      ? store.current(s3.bucket, s3.key)
      : store.objects().find(({ versionId }) => versionId === wanted)
  if (object === undefined) throw refusal('NoSuchKey', 'the key does not exist')
  const headers: Record<string, string> = {
    etag: `"${object.etag}"`,
    'last-modified': object.modifiedAt.toUTCString(),
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    ...(object.versionId === undefined ? {} : { 'x-amz-version-id': object.versionId }),
  }
  for (const [name, value] of Object.entries(object.metadata)) headers[`x-amz-meta-${name}`] = value
  const range = /^bytes=(\d+)-(\d*)$/.exec(String(request.headers.range ?? ''))
  const start = range === null ? 0 : Number(range[1])
  const last = range?.[2] ? Number(range[2]) : object.sizeBytes - 1
  const end = Math.min(last + 1, object.sizeBytes)
  if (range !== null && start >= object.sizeBytes) throw refusal('InvalidRange')
  if (range !== null) headers['content-range'] = `bytes ${start}-${end - 1}/${object.sizeBytes}`
  headers['content-length'] = String(end - start)
  const status = range === null ? 200 : 206
  if (s3.operation === 'Head') return { status, headers }
  return { status, headers, body: readPieces(object.pieces, start, end) }
}

async function put(call: Call): Promise<Answer> {
  const { s3, store, request, switches } = call
  checkOptionalHeaders(request, switches)
  checkMd5(call)
  if (isConditionBroken(call)) throw refusal('PreconditionFailed')
  if (switches.quota?.at === 'before-body')
    store.checkQuota(Number(request.headers['content-length'] ?? 0))
  const piece = await receive(call)
  try {
    if (switches.quota !== undefined) store.checkQuota(piece.sizeBytes)
  } catch (error) {
    piece.drop()
    throw error
  }
  const etag = store.partEtag(piece)
  const object = store.put(s3.bucket, s3.key, [piece], { etag, metadata: metadataOf(request) })
  const version = object.versionId === undefined ? {} : { 'x-amz-version-id': object.versionId }
  return { status: 200, headers: { etag: `"${etag}"`, ...version } }
}

function checkOptionalHeaders(request: IncomingMessage, switches: S3ModelSwitches): void {
  const { headers } = request
  if (switches.storageClass === '501' && headers['x-amz-storage-class'] !== undefined)
    throw refusal('NotImplemented', 'a header you provided implies functionality that is missing')
  if (switches.conditional === '501' && headers['if-none-match'] !== undefined)
    throw refusal('NotImplemented', 'a header you provided implies functionality that is missing')
}

function checkMd5({ request, switches }: Call): void {
  const hasSum = Object.keys(request.headers).some((name) =>
    /^(content-md5$|x-amz-checksum-)/.test(name),
  )
  if (!switches.wantsMd5 || hasSum) return
  const message =
    'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters'
  throw new S3Refusal('InvalidRequest', 400, message)
}

function isConditionBroken({ request, s3, store, switches }: Call): boolean {
  const honoured = s3.operation === 'Put' ? ['yes', 'put-only'] : ['yes']
  if (!honoured.includes(switches.conditional)) return false
  if (request.headers['if-none-match'] !== '*') return false
  return store.current(s3.bucket, s3.key) !== undefined
}

function metadataOf(request: IncomingMessage): Record<string, string> {
  const metadata: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers))
    if (name.startsWith('x-amz-meta-')) metadata[name.slice('x-amz-meta-'.length)] = String(value)
  return metadata
}

function receive({ request, folder, declared, switches }: Call) {
  const { checksHashes, ignoresHashes } = switches
  return receivePiece({ request, folder, declared, checksHashes, ignoresHashes })
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > XML_BYTES_MAX) throw new S3Refusal('EntityTooLarge', 400)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function namedParts(text: string): NamedPart[] {
  if (!text.includes('<CompleteMultipartUpload')) throw refusal('MalformedXML')
  return [...text.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => ({
    number: Number(/<PartNumber>(\d+)<\/PartNumber>/.exec(part)?.[1] ?? 0),
    etag: (/<ETag>(.*?)<\/ETag>/s.exec(part)?.[1] ?? '').replaceAll(/"|&quot;|&#34;/g, ''),
  }))
}

function xmlAnswer(root: string, tree: XmlTree): Answer {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: xml(root, tree) }
}
