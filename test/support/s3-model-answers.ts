// What the model server says: errors with their status, and XML text.

export class S3Refusal extends Error {
  readonly status: number
  readonly code: string
  /** More elements of the <Error> document, such as Region. */
  readonly fields: Readonly<Record<string, string>>

  constructor(
    code: string,
    status: number,
    message = '',
    fields: Readonly<Record<string, string>> = {},
  ) {
    super(message)
    this.code = code
    this.status = status
    this.fields = fields
  }
}

/** The refusals that AWS documents, by code. */
const STATUSES = {
  SlowDown: 503,
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  BadDigest: 400,
  BucketAlreadyOwnedByYou: 409,
  EntityTooSmall: 400,
  IncompleteBody: 400,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidDigest: 400,
  InvalidPart: 400,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  MalformedXML: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NotImplemented: 501,
  PreconditionFailed: 412,
  RequestTimeTooSkewed: 403,
  SignatureDoesNotMatch: 403,
  XAmzContentSHA256Mismatch: 400,
} as const

export function refusal(
  code: keyof typeof STATUSES,
  message = '',
  fields: Readonly<Record<string, string>> = {},
): S3Refusal {
  return new S3Refusal(code, STATUSES[code], message, fields)
}

export type XmlValue = string | number | boolean | readonly XmlTree[] | XmlTree
export type XmlTree = { readonly [name: string]: XmlValue }

/** An array means one element per entry. */
export function xml(root: string, tree: XmlTree): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element(root, tree)}`
}

function element(name: string, value: XmlValue): string {
  if (Array.isArray(value)) return value.map((entry: XmlTree) => element(name, entry)).join('')
  const inner =
    typeof value === 'object'
      ? Object.entries(value)
          .map(([child, of]) => element(child, of))
          .join('')
      : escapeXml(String(value))
  return `<${name}>${inner}</${name}>`
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}

export function errorXml(error: S3Refusal): string {
  const message = error.message === '' ? {} : { Message: error.message }
  return xml('Error', { Code: error.code, ...message, ...error.fields, RequestId: 'model' })
}
