// What a client may cost: slow senders, slow readers and floods of connections end before they hold up
// anybody. Tests take smaller ones.

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
  /** How soon a revoked token ends what it was following. */
  revokedMs: 5_000,
}

export type HttpLimits = typeof HTTP_LIMITS

/** What cannot be parsed gets one line and is closed. `code` is that of Node's error. */
export function unreadableLine(code: string | undefined): string {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout'
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large'
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return '413 Content Too Large'
  return '400 Bad Request'
}
