// The table of what servers, Node and TLS say, and what we make of it. Each row was seen in a server's
// source, its documentation, or a public report.

import { describe, expect, it } from 'vitest'
import { FAILURES, SpillwayError } from '../../src/domain/errors.ts'
import { ExchangeError, noteTrace } from '../../src/storage/exchange.ts'
import { FAILURE_OF_S3_CODE } from '../../src/storage/s3-error-codes.ts'
import { failureOfS3 } from '../../src/storage/s3-errors.ts'

const context = {
  place: 's3.example.com/archives',
  action: 'part 3 of KEY',
  keyTail: 'WXYZ',
  settings: 'S3_SERVER_3_',
  mayExpectTls: false,
}

describe('answers', () => {
  it.each([
    [403, 'QuotaExceeded', '', 'SERVER_FULL'],
    [400, 'XMinioAdminBucketQuotaExceeded', 'Bucket quota exceeded', 'SERVER_FULL'],
    [507, 'XMinioStorageFull', '', 'SERVER_FULL'],
    [507, 'Other', '', 'SERVER_FULL'],
    [403, 'StorageLimitExceeded', 'You have reached your project storage limit.', 'SERVER_FULL'],
    [403, 'AccessDenied', 'Cannot upload files, storage cap exceeded.', 'SERVER_FULL'],
    [
      403,
      'AccessDenied',
      'Forbidden: Bucket size quota is reached, maximum total size',
      'SERVER_FULL',
    ],
    [500, 'InternalError', 'no writable volumes', 'SERVER_FULL'],
    [403, 'AccessDenied', '', 'SERVER_DENIED'],
    [403, 'AccessDenied', 'Forbidden: No such key: GK123', 'SERVER_KEYS'],
    [403, 'AccessDenied', 'Forbidden: Invalid signature', 'SERVER_KEYS'],
    [403, 'InvalidAccessKeyId', '', 'SERVER_KEYS'],
    [403, 'SignatureDoesNotMatch', '', 'SERVER_KEYS'],
    [401, 'Unauthorized', '', 'SERVER_KEYS'],
    [401, undefined, '', 'SERVER_KEYS'],
    [403, 'RequestTimeTooSkewed', '', 'SERVER_CLOCK'],
    [400, 'InvalidRequest', 'Date is too old', 'SERVER_CLOCK'],
    [404, 'NoSuchBucket', '', 'SERVER_BUCKET'],
    [301, 'PermanentRedirect', '', 'SERVER_BUCKET'],
    [404, 'NoSuchUpload', '', 'UPLOAD_GONE'],
    [404, 'NoSuchKey', '', 'ARCHIVE_MISSING'],
    [412, 'PreconditionFailed', '', 'OBJECT_EXISTS'],
    [400, 'BadDigest', '', 'SERVER_DAMAGED_DATA'],
    [400, 'XAmzContentSHA256Mismatch', '', 'SERVER_DAMAGED_DATA'],
    [503, 'SlowDown', '', 'SERVER_BUSY'],
    [429, 'TooManyRequests', '', 'SERVER_BUSY'],
    [400, 'RequestTimeout', '', 'SERVER_BUSY'],
    [502, undefined, '', 'SERVER_BUSY'],
    [524, undefined, '', 'SERVER_BUSY'],
    [400, 'InvalidPart', '', 'SERVER_REJECTED'],
    [400, 'EntityTooSmall', '', 'SERVER_REJECTED'],
    [501, 'NotImplemented', '', 'SERVER_REJECTED'],
    [405, undefined, '', 'SERVER_NOT_S3'],
    [407, undefined, '', 'SERVER_NOT_S3'],
    [302, undefined, '', 'SERVER_NOT_S3'],
  ] as const)('%i %s "%s" is %s', (status, code, message, expected) => {
    const failure = made({ status, code, message })
    expect(failure.code).toBe(expected)
    expect(failure.message).toContain(context.place)
    expect(failure.facts).toMatchObject({ status, code: code ?? `HTTP ${status}` })
  })

  it('all name failures that say something about the server, or about the object', () => {
    for (const failure of FAILURE_OF_S3_CODE.values()) {
      const { server } = FAILURES[failure] as { server?: string }
      expect(server !== undefined || failure === 'ARCHIVE_MISSING').toBe(true)
    }
  })

  it('have words that people search for', () => {
    expect(made({ status: 403, code: 'QuotaExceeded' }).message).toContain('Not enough space')
    expect(made({ status: 403, code: 'InvalidAccessKeyId' }).message).toContain(
      'Invalid S3 credentials: the server does not know the access key ...WXYZ',
    )
    expect(made({ status: 403, code: 'SignatureDoesNotMatch' }).message).toContain(
      'Invalid S3 credentials: the secret key of ...WXYZ is wrong',
    )
  })

  it('cannot break our log: one line, printable, short', () => {
    const message = `quota \u001b[31m${'x'.repeat(5_000)}\nsecond line`
    const text = made({ status: 403, code: 'AccessDenied', message }).message
    expect(text.length).toBeLessThan(400)
    expect(text).not.toContain('\n')
    expect(text).not.toContain('\u001b')
  })
})

describe('connections', () => {
  it.each([
    ['ECONNREFUSED', 'SERVER_UNREACHABLE'],
    ['ENOTFOUND', 'SERVER_UNREACHABLE'],
    ['EAI_AGAIN', 'SERVER_UNREACHABLE'],
    ['EHOSTUNREACH', 'SERVER_UNREACHABLE'],
    ['ENETUNREACH', 'SERVER_UNREACHABLE'],
    ['ETIMEDOUT', 'SERVER_UNREACHABLE'],
    ['ECONNRESET', 'SERVER_CLOSED'],
    ['EPIPE', 'SERVER_CLOSED'],
    ['CERT_HAS_EXPIRED', 'SERVER_TLS'],
    ['INVALID_PURPOSE', 'SERVER_TLS'],
    ['UNSPECIFIED', 'SERVER_TLS'],
    ['EPERM', 'SERVER_UNREACHABLE'],
    ['EACCES', 'SERVER_UNREACHABLE'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SERVER_TLS'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'SERVER_TLS'],
    ['EPROTO', 'SERVER_NOT_S3'],
    ['HPE_INVALID_CONSTANT', 'SERVER_NOT_S3'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'SERVER_NOT_S3'],
  ])('%s is %s', (code, expected) => {
    const cause = Object.assign(new Error('low'), { code })
    expect(failureOfS3(new Error('high', { cause }), context)?.code).toBe(expected)
    expect(failureOfS3(cause, context)).toMatchObject({ code: expected, facts: { code } })
  })

  it.each(['DEPTH_ZERO_SELF_SIGNED_CERT', 'CERT_HAS_EXPIRED'])(
    '%s: what to set is named with the number of this server',
    (code) => {
      const { hint } = failureOfS3(Object.assign(new Error('low'), { code }), context)!
      expect(hint).toContain('S3_SERVER_3_CA_FILE')
    },
  )

  it.each([
    ['connect-timeout', 'SERVER_UNREACHABLE', 'TimeoutError'],
    ['silent', 'SERVER_SILENT', 'TimeoutError'],
    ['deadline', 'SERVER_SILENT', 'TimeoutError'],
    ['answer-cut', 'SERVER_CLOSED', 'SERVER_CLOSED'],
    ['answer-not-s3', 'SERVER_NOT_S3', 'SERVER_NOT_S3'],
    ['answer-too-large', 'SERVER_NOT_S3', 'SERVER_NOT_S3'],
  ] as const)('our own "%s" is %s', (failure, code, word) => {
    const made = failureOfS3(new ExchangeError(failure, 'why'), context)
    expect(made).toMatchObject({ code, facts: { code: word } })
  })
})

const UNCONNECTED = {
  isConnected: false,
  bodyBytesSent: 0,
  isReusedConnection: false,
  isAnswered: false,
}

describe('what is no failure of a server', () => {
  it('stays what it is: a bug', () => {
    expect(failureOfS3(new TypeError('x is not a function'), context)).toBeUndefined()
  })

  it('is none of ours, whatever it is, once a request was under way', () => {
    const error = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' })
    expect(failureOfS3(error, context)).toBeUndefined()
    noteTrace(error, UNCONNECTED)
    expect(failureOfS3(error, context)).toMatchObject({ code: 'SERVER_UNREACHABLE' })
    const bug = new TypeError('x is not a function')
    noteTrace(bug, UNCONNECTED)
    expect(failureOfS3(bug, context)).toBeUndefined()
  })

  it.each(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETDOWN', 'EUNHEARDOF'])(
    '%s of a connection that stood leaves open what became of the request',
    (code) => {
      const error = Object.assign(new Error(`read ${code}`), { code })
      noteTrace(error, { ...UNCONNECTED, isConnected: true })
      expect(failureOfS3(error, context)).toMatchObject({ code: 'SERVER_CLOSED' })
    },
  )

  it('stays what it is: a failure of our spool', () => {
    const failure = new SpillwayError('SPOOL_FAILED', 'cannot read it')
    expect(failureOfS3(failure, context)).toBe(failure)
  })
})

function made(answer: {
  status: number
  code?: string | undefined
  message?: string
}): SpillwayError {
  const { status, code, message } = answer
  const error = Object.assign(new Error(message || 'UnknownError'), {
    name: code ?? 'Unknown',
    ...(code === undefined ? {} : { Code: code }),
    $metadata: { httpStatusCode: status },
  })
  return failureOfS3(error, context)!
}
