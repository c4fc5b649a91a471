// Signature version 4 as a server checks it (header form): a request whose signature, clock, region or
// payload declaration is wrong gets the answer that AWS gives. So a client that signs other bytes than
// it sends cannot pass our tests.

import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { refusal } from './s3-model-answers.ts'
import { SIGNED_CHUNKS } from './s3-model-chunks.ts'
import type { ChunkSigning } from './s3-model-chunks.ts'

export type ModelKeys = {
  readonly accessKey: string
  readonly secretKey: string
  readonly region: string
}

/** What the client says of its body. Neither: it is not signed. */
export type DeclaredPayload = {
  readonly sha256: string | undefined
  readonly chunks: ChunkSigning | undefined
}

const SKEW_MS_MAX = 15 * 60 * 1000
const HEADER =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/

/** Throws the refusal, or returns what the client declared of its body. */
export function verifySignature(
  request: IncomingMessage,
  keys: ModelKeys & { readonly takesSignedChunks: boolean },
  nowMs: number,
): DeclaredPayload {
  const authorization = request.headers.authorization
  if (authorization === undefined) throw refusal('AccessDenied', 'anonymous access is denied')
  const match = HEADER.exec(authorization)
  if (match === null) throw refusal('AuthorizationHeaderMalformed', 'not a SigV4 header')
  const [, accessKey = '', day = '', region = '', signedHeaders = '', signature = ''] = match
  if (accessKey !== keys.accessKey)
    throw refusal('InvalidAccessKeyId', 'the access key id does not exist in our records')
  if (region !== keys.region)
    throw refusal(
      'AuthorizationHeaderMalformed',
      `the region '${region}' is wrong; expecting '${keys.region}'`,
      { Region: keys.region },
    )
  const date = headerOf(request, 'x-amz-date')
  if (Math.abs(timeOf(date) - nowMs) > SKEW_MS_MAX)
    throw refusal('RequestTimeTooSkewed', 'the difference to the current time is too large')
  const payload = headerOf(request, 'x-amz-content-sha256')
  const scope = `${day}/${region}/s3/aws4_request`
  const canonical = canonicalRequest(request, signedHeaders.split(';'), payload)
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256Hex(canonical)].join('\n')
  const key = [day, region, 's3', 'aws4_request'].reduce<Buffer>(
    (secret, text) => hmac(secret, text),
    Buffer.from(`AWS4${keys.secretKey}`),
  )
  if (hmac(key, toSign).toString('hex') !== signature)
    throw refusal('SignatureDoesNotMatch', 'the signature we calculated does not match')
  if (payload === SIGNED_CHUNKS && keys.takesSignedChunks)
    return { sha256: undefined, chunks: { key, date, scope, signature } }
  return { sha256: declaredHash(payload), chunks: undefined }
}

function declaredHash(payload: string): string | undefined {
  if (/^[0-9a-f]{64}$/.test(payload)) return payload
  if (payload === 'UNSIGNED-PAYLOAD') return undefined
  // Chunked signing changes the bytes on the wire; several servers store the framing (see
  // reference on rclone serve s3), so our client must never use it.
  throw refusal('NotImplemented', `x-amz-content-sha256 "${payload}" is not implemented`)
}

function canonicalRequest(
  request: IncomingMessage,
  signedHeaders: readonly string[],
  payload: string,
): string {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const query = [...new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const headers = signedHeaders.map(
    (name) => `${name}:${headerOf(request, name).trim().replace(/ +/g, ' ')}\n`,
  )
  return [
    request.method,
    path.split('/').map(decodeURIComponent).map(encode).join('/'),
    query,
    headers.join(''),
    signedHeaders.join(';'),
    payload,
  ].join('\n')
}

function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(',') : (value ?? '')
}

/** 20261107T120000Z */
function timeOf(date: string): number {
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
