// What a client may cost: slow senders, slow readers and floods of connections end before they hold up
// anybody. Tests take smaller ones.

import { problem } from './problem.ts'

export const HTTP_LIMITS = {
  /** From the connection, or the answer before it, to the last header. */
  headersMs: 10_000,
  /** To the last byte of the body: 64 KiB pass on any line. */
  requestMs: 30_000,
  keepAliveMs: 5_000,
  /** How often the three above are looked at. */
  checkMs: 2_000,
  headerBytes: 16 * 1024,
  /** A browser sends about 20. */
  headers: 100,
  /** Some KB each. More of them leave more time to show a token before others drive one out. */
  connections: 256,
  requestsPerSocket: 100,
  /** Answers that go on for long: followers of jobs, downloads. A page has one or two. */
  streams: 32,
  /** No byte of an answer was taken for so long: nobody reads it. */
  unreadMs: 30_000,
  /** The same of a download: a laptop that is shut for a moment comes back; an archive is held meanwhile. */
  downloadUnreadMs: 300_000,
  /** How soon a revoked token ends what it was following. */
  revokedMs: 5_000,
}

export type HttpLimits = typeof HTTP_LIMITS

const UNREADABLE: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request took too long'],
  HPE_HEADER_OVERFLOW: [431, 'the headers are larger than 16 KiB'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'the extensions of a chunk are too large'],
}

/** What is sent, as bytes, where nothing could be parsed; the connection closes. `code` is that of Node's error. */
export function unreadableAnswer(code: string | undefined): string {
  const [status, detail] = UNREADABLE[code ?? ''] ?? [400, 'this is no request of HTTP/1.1']
  const told = problem(status, detail)
  const body = JSON.stringify({ type: 'about:blank', ...told })
  return [
    `HTTP/1.1 ${status} ${told.title}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${body.length}`,
    'X-Content-Type-Options: nosniff',
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}
