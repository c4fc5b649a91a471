// A server: a place that takes archives, an S3 bucket or a local directory.
//
// In the catalog a server is known by what it is (its identity), never by its number: renumbering
// the entries of .env must not move its usage, and http that became https is the same server.

type ServerCommon = {
  /** N of S3_SERVER_N_*: the order of preference, smallest first. */
  readonly number: number
  readonly identity: ServerIdentity
  /** `N: host/bucket`, or what the operator called it. */
  readonly label: string
  /** The URL as used: `https://host`, `http://host:port` or `file:///path`. */
  readonly endpoint: string
  /** Without slashes at its ends; '' for none. */
  readonly prefix: string
  readonly limitBytes: number
  readonly isEnabled: boolean
}

export type S3Server = ServerCommon & {
  readonly kind: 's3'
  readonly bucket: string
  readonly region: string
  readonly accessKey: string
  readonly secretKey: string
  /** PEM text of certificate authorities to trust besides the system's. */
  readonly caPem: string | undefined
  /** undefined: decided by the endpoint (virtual host for AWS, path style for everybody else). */
  readonly isPathStyle: boolean | undefined
  readonly storageClass: string | undefined
}

export type FileServer = ServerCommon & { readonly kind: 'file'; readonly directory: string }

export type Server = S3Server | FileServer

export type ServerIdentity = string

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/**
 * What a server is: endpoint without scheme, in lower case, default port dropped; bucket; prefix.
 * `endpoint` must be a URL. Paths and buckets keep their case: servers tell them apart.
 */
export function identityOf(
  endpoint: string,
  bucket: string | undefined,
  prefix: string,
): ServerIdentity {
  const url = new URL(endpoint)
  if (url.protocol === 'file:')
    return ['file:' + url.pathname.replace(/\/+$/, ''), prefix].join('|')
  const port = url.port === DEFAULT_PORTS[url.protocol] ? '' : url.port
  const host = url.hostname.toLowerCase() + (port === '' ? '' : `:${port}`)
  const path = url.pathname.replace(/\/+$/, '')
  return [host + path, bucket ?? '', prefix].join('|')
}

/** The bucket, or null for a local directory: as `--json` shows it. */
export function bucketOf(server: Server): string | null {
  return server.kind === 's3' ? server.bucket : null
}
