// Everything that the SDK, Node or TLS can throw, made into one of our failures: the one place that
// knows error codes. Order of the questions: our own exchange, Node's code, the S3 code, the words of
// the message (quotas have no common code), the HTTP status.

import { LINK_LOCAL_CODE } from '../lib/link-local.ts'
import { FAILURES, SpillwayError } from '../domain/errors.ts'
import type { Failure, FailureCode, FailureFacts } from '../domain/errors.ts'
import { ExchangeError, traceOf } from './exchange.ts'
import type { ExchangeFailure } from './exchange.ts'
import { FAILURE_OF_S3_CODE, failureOfStatus, QUOTA_WORDS } from './s3-error-codes.ts'

/** What the SDK hangs on its errors, as far as we read it. */
type SdkError = Error & {
  readonly code?: unknown
  readonly Code?: unknown
  readonly Region?: unknown
  readonly $metadata?: {
    readonly httpStatusCode?: number
    readonly requestId?: string
    readonly clockSkewCorrected?: boolean
  }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

export type ErrorContext = {
  /** `host/bucket`, for messages. */
  readonly place: string
  /** "part 3 of KEY", "HEAD of KEY": what was being done. */
  readonly action: string
  /** The last characters of the access key: enough to tell keys apart, too little to use. */
  readonly keyTail: string
  /** What the names of its settings begin with, in hints: `S3_SERVER_3_`. */
  readonly settings: string
  /** Plain http, and the server has never answered anything: it may expect https. */
  readonly mayExpectTls: boolean
}

export type S3Facts = {
  readonly status: number | undefined
  readonly s3Code: string | undefined
  readonly nodeCode: string | undefined
  readonly requestId: string | undefined
  readonly retryAfterSeconds: number | undefined
  /** A region that the server named as the right one. */
  readonly region: string | undefined
  /** By the date of this answer our clock was far off; from now on requests are signed for the server's. */
  readonly isClockCorrected: boolean
  readonly message: string
}

export function factsOf(error: unknown): S3Facts {
  const sdk = error as SdkError
  const status = sdk.$metadata?.httpStatusCode
  const headers = sdk.$response?.headers ?? {}
  // Errors with an answer have the S3 code as their name; "Unknown..." means that there was none.
  const named = typeof sdk.Code === 'string' ? sdk.Code : status === undefined ? '' : sdk.name
  const s3Code = /^(Unknown(Error)?|Error|)$/.test(named) ? undefined : named
  const region = typeof sdk.Region === 'string' ? sdk.Region : headers['x-amz-bucket-region']
  const retryAfter = Number(headers['retry-after'])
  return {
    status,
    s3Code,
    nodeCode: nodeCodeOf(error),
    requestId: sdk.$metadata?.requestId,
    retryAfterSeconds: retryAfter > 0 ? retryAfter : undefined,
    region,
    isClockCorrected: sdk.$metadata?.clockSkewCorrected === true,
    message: sdk.message === 'UnknownError' ? '' : printable(sdk.message ?? ''),
  }
}

function nodeCodeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; depth += 1) {
    const { code } = at as SdkError
    if (typeof code === 'string') return code
    at = at.cause
  }
  return undefined
}

/** Undefined: not a failure of a server; the caller throws the original, which is a bug of ours. */
export function failureOfS3(error: unknown, context: ErrorContext): SpillwayError | undefined {
  if (error instanceof SpillwayError) return error
  const facts = factsOf(error)
  const made = (code: FailureCode, what: string, own?: string): SpillwayError => {
    const { hint: usual }: Failure = FAILURES[code]
    const hint = (own ?? usual)?.replaceAll('S3_SERVER_N_', context.settings)
    return new SpillwayError(code, `${context.place}: ${what}`, {
      cause: error,
      facts: journalFacts(code, error, facts),
      ...(hint === undefined ? {} : { hint }),
    })
  }
  if (error instanceof ExchangeError) return made(...ofExchange(error, context))
  // With an answer, whatever Node said about the connection afterwards is beside the point.
  if (facts.status === undefined) {
    const found = ofNode(facts, context) ?? ofConnection(error, facts, context)
    if (found === undefined) return undefined
    const [code, ...words] = found
    const isLost = code === 'SERVER_UNREACHABLE' && traceOf(error)?.isConnected === true
    return made(isLost ? 'SERVER_CLOSED' : code, ...words)
  }
  return made(...ofAnswer(facts, context))
}

type Verdict = [code: FailureCode, what: string, hint?: string]

function ofExchange(error: ExchangeError, { action }: ErrorContext): Verdict {
  const codes: Record<ExchangeFailure, FailureCode> = {
    'connect-timeout': 'SERVER_UNREACHABLE',
    silent: 'SERVER_SILENT',
    deadline: 'SERVER_SILENT',
    'answer-cut': 'SERVER_CLOSED',
    'answer-too-large': 'SERVER_NOT_S3',
    'answer-not-s3': 'SERVER_NOT_S3',
  }
  return [codes[error.failure], `${action}: ${error.message}`]
}

const CLOSED = /^(ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM_PREMATURE_CLOSE|ERR_STREAM_DESTROYED)$/
const UNREACHABLE =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EAI_FAIL|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL)$/
const UNTRUSTED =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|CERT_UNTRUSTED|INVALID_CA)$/
// What OpenSSL writes when both sides have no version in common; http where https is meant is "wrong version number".
const OLD_TLS = /alert protocol version|unsupported protocol/
// More that OpenSSL may have against a certificate; UNSPECIFIED is its word for what Node has no name for.
const REFUSED_CERTIFICATE =
  /^(CERT_|CRL_|UNABLE_TO_|ERROR_IN_C|INVALID_PURPOSE$|PATH_LENGTH_EXCEEDED$|UNSPECIFIED$)/
// A local firewall, or IPAddressDeny= of our own unit.
const FORBIDDEN_HERE = /^(EPERM|EACCES)$/
const NOT_HTTP = /^(EPROTO|HPE_|ERR_SSL_|ERR_TLS_|ERR_HTTP)/

function ofNode({ nodeCode, message }: S3Facts, context: ErrorContext): Verdict | undefined {
  const { action, mayExpectTls } = context
  if (nodeCode === undefined) return ofClientSide(message)
  if (CLOSED.test(nodeCode))
    return [
      'SERVER_CLOSED',
      `${action}: the server closed the connection (${nodeCode})`,
      ...(mayExpectTls ? ['does the server expect https instead of http?'] : []),
    ] as Verdict
  if (UNREACHABLE.test(nodeCode)) return ['SERVER_UNREACHABLE', unreachableText(nodeCode)]
  if (nodeCode === LINK_LOCAL_CODE) return ['SERVER_NOT_S3', message, 'correct the endpoint']
  if (UNTRUSTED.test(nodeCode))
    return [
      'SERVER_TLS',
      `its certificate is not signed by an authority that this machine trusts (${nodeCode})`,
      'if the server has its own authority, set S3_SERVER_N_CA_FILE to its certificate',
    ]
  if (nodeCode === 'CERT_HAS_EXPIRED' || nodeCode === 'CERT_NOT_YET_VALID')
    return ['SERVER_TLS', `its certificate is not valid today (${nodeCode})`]
  if (nodeCode === 'ERR_TLS_CERT_ALTNAME_INVALID' || nodeCode === 'HOSTNAME_MISMATCH')
    return [
      'SERVER_TLS',
      `its certificate is for another host name (${nodeCode})`,
      'use the name that the certificate has, or set S3_SERVER_N_PATH_STYLE=true',
    ]
  if (REFUSED_CERTIFICATE.test(nodeCode))
    return ['SERVER_TLS', `its certificate is refused: ${message} (${nodeCode})`]
  if (FORBIDDEN_HERE.test(nodeCode))
    return ['SERVER_UNREACHABLE', `this machine does not let us connect to it (${nodeCode})`]
  if (nodeCode === 'EPROTO' && OLD_TLS.test(message))
    return [
      'SERVER_TLS',
      `it speaks no version of TLS that is safe today (${nodeCode})`,
      'its operator must allow TLS 1.2 or newer',
    ]
  if (NOT_HTTP.test(nodeCode))
    return [
      'SERVER_NOT_S3',
      `what answers there does not speak the expected protocol (${nodeCode})`,
    ]
  return undefined
}

/**
 * Whatever else ended a request that was under way: a proxy that hangs up, or no descriptor left here. It is no
 * reason not to ask the next server. What JavaScript throws is a bug of ours.
 */
function ofConnection(
  error: unknown,
  { nodeCode, message }: S3Facts,
  { action }: ErrorContext,
): Verdict | undefined {
  const isBug =
    !(error instanceof Error) || /^(Type|Range|Reference|Syntax|Assertion)Error$/.test(error.name)
  if (isBug || traceOf(error) === undefined) return undefined
  const code = nodeCode === undefined ? '' : ` (${nodeCode})`
  return ['SERVER_UNREACHABLE', `${action}: ${message}${code}`]
}

function unreachableText(nodeCode: string): string {
  if (nodeCode === 'ECONNREFUSED') return 'the server refuses connections (ECONNREFUSED)'
  if (nodeCode === 'ENOTFOUND') return 'no such host name (ENOTFOUND)'
  if (nodeCode.startsWith('EAI_')) return `the host name cannot be looked up now (${nodeCode})`
  return `the server cannot be reached (${nodeCode})`
}

/** Errors of the SDK before any network: the entry itself cannot work. */
function ofClientSide(message: string): Verdict | undefined {
  if (/bucket/i.test(message)) return ['SERVER_BUCKET', message]
  if (/region/i.test(message)) return ['SERVER_REJECTED', message, 'correct S3_SERVER_N_REGION']
  return undefined
}

function ofAnswer(facts: S3Facts, context: ErrorContext): Verdict {
  const { status = 0, s3Code, message } = facts
  const words = [s3Code ?? `HTTP ${status}`, message].filter(Boolean).join(': ')
  const byCode = s3Code === undefined ? undefined : FAILURE_OF_S3_CODE.get(s3Code)
  const isQuota = status >= 400 && status < 600 && status !== 404 && QUOTA_WORDS.test(message)
  const code =
    byCode === 'SERVER_FULL' || isQuota || status === 507
      ? 'SERVER_FULL'
      : (ofWords(s3Code, message) ?? byCode ?? failureOfStatus(status))
  return [code, answerText(code, words, facts, context), ...hintOf(code, facts)]
}

/** Garage says everything with one code. */
function ofWords(s3Code: string | undefined, message: string): FailureCode | undefined {
  if (s3Code === 'AccessDenied' && /no such key|invalid signature/i.test(message))
    return 'SERVER_KEYS'
  if (s3Code === 'InvalidRequest' && /date is too old/i.test(message)) return 'SERVER_CLOCK'
  return undefined
}

function answerText(
  code: FailureCode,
  words: string,
  facts: S3Facts,
  { action, keyTail }: ErrorContext,
): string {
  switch (code) {
    case 'SERVER_KEYS':
      return `Invalid S3 credentials: ${keysText(facts, keyTail)} (${words})`
    case 'SERVER_FULL':
      return `Not enough space: ${words}`
    case 'SERVER_BUCKET':
      return facts.status === 301 || facts.status === 307
        ? `the bucket is elsewhere, and redirects are not followed (${words})`
        : `no such bucket (${words})`
    case 'SERVER_DENIED':
      return `${action}: the server denies it to the key ...${keyTail} (${words})`
    case 'SERVER_CLOCK':
      return `the clocks of this machine and of the server differ too much (${words})`
    case 'ARCHIVE_FROZEN':
      return `${action}: it lies in a cold storage class and must be thawed first (${words})`
    case 'SERVER_NOT_S3':
      return `${action}: not the answer of an S3 server (${words})`
    default:
      return `${action}: ${words}`
  }
}

function keysText({ s3Code }: S3Facts, keyTail: string): string {
  if (s3Code === 'SignatureDoesNotMatch') return `the secret key of ...${keyTail} is wrong`
  if (s3Code === 'InvalidAccessKeyId')
    return `the server does not know the access key ...${keyTail}`
  return `the server does not accept the access key ...${keyTail}`
}

function hintOf(code: FailureCode, { status, s3Code, region }: S3Facts): [hint?: string] {
  if (code === 'SERVER_REJECTED' && s3Code === 'AuthorizationHeaderMalformed')
    return [
      `correct S3_SERVER_N_REGION${region === undefined ? '' : `: the server says ${region}`}`,
    ]
  if (status === 407) return ['the proxy wants a user and a password: HTTPS_PROXY=http://user:...']
  if (s3Code === 'SignatureDoesNotMatch')
    return ['check the secret key; a proxy that changes headers has the same effect']
  return []
}

function journalFacts(code: FailureCode, error: unknown, facts: S3Facts): FailureFacts {
  const { status, s3Code, nodeCode, requestId, retryAfterSeconds } = facts
  const timeout = error instanceof ExchangeError && /SILENT|UNREACHABLE/.test(code)
  const sent = traceOf(error)?.bodyBytesSent
  const word =
    s3Code ?? (status === undefined ? (timeout ? 'TimeoutError' : nodeCode) : `HTTP ${status}`)
  return withoutUndefined({
    code: word ?? code,
    status,
    s3Code,
    nodeCode,
    requestId,
    retryAfterSeconds,
    bodyBytesSent: sent,
  })
}

function withoutUndefined(
  facts: Readonly<Record<string, string | number | undefined>>,
): FailureFacts {
  const kept: Record<string, string | number> = {}
  for (const [name, value] of Object.entries(facts)) if (value !== undefined) kept[name] = value
  return kept
}

/** A server's words go into one line of a log: no control characters, and not without end. */
function printable(text: string): string {
  const line = text.replace(/\s*\n[\s\S]*$/, '').replace(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ')
  return line.length > 200 ? `${line.slice(0, 200)}...` : line
}
