// S3_SERVER_N_ENDPOINT: what people write, and what is meant.
//
// Endpoints are copied out of web pages, so the usual slips are mended (a scheme twice, slashes at
// the end, the bucket as path or in front of the host) and what could mean two things is refused.

import { fileURLToPath, pathToFileURL } from 'node:url'
import { isLinkLocal } from '../lib/link-local.ts'
import { PLACEHOLDER, providerOfHost } from '../domain/providers.ts'
import { ValueProblem } from './problem.ts'
import { no } from './values.ts'

export type Endpoint =
  | { readonly kind: 's3'; readonly url: string; readonly hostName: string }
  | { readonly kind: 'file'; readonly url: string; readonly directory: string }

const LOCAL_REMEDY = 'a local directory is written file:///absolute/path'

/** `bucket` helps to see what a path or a longer host name means; it may be unknown yet. */
export function parseEndpoint(text: string, bucket: string | undefined): Endpoint {
  // First of all: nothing below may show such a value.
  if (text.includes('@') && !/^file:/i.test(text))
    throw new ValueProblem('must not contain credentials', {
      remedy: 'put them into ..._ACCESS_KEY and ..._SECRET_KEY',
      isSecret: true,
    })
  if (/\s/.test(text) && !/^file:/i.test(text)) no('must not contain spaces')
  const placeholder = PLACEHOLDER.exec(text)?.[0]
  if (placeholder !== undefined && !/^file:/i.test(text))
    no(`still has the placeholder ${placeholder}`, 'put what stands for it in its place')
  if (/^(?:\/(?!\/)|[.~])/.test(text)) no('is a path, not an endpoint', LOCAL_REMEDY)
  if (/^file:/i.test(text)) return fileEndpoint(text)
  const url = webUrl(text)
  if (url.search !== '' || url.hash !== '') no('must not contain "?" or "#"')
  if (isLinkLocal(url.hostname)) no('is a link-local address, which no S3 server has')
  const hostName = withoutBucket(url.hostname, bucket)
  const port = url.port === '' ? '' : `:${url.port}`
  const path = mendedPath(url.pathname, bucket)
  return { kind: 's3', url: `${url.protocol}//${hostName}${port}${path}`, hostName }
}

function fileEndpoint(text: string): Endpoint {
  const url = tryUrl(text)
  if (url === undefined || url.host !== '')
    return no('must name a directory of this machine', LOCAL_REMEDY)
  if (url.search !== '' || url.hash !== '')
    no('must not contain "?" or "#"', 'write %3F for "?" and %23 for "#"')
  if (/^file:(?!\/)/i.test(text)) no('must have an absolute path', LOCAL_REMEDY)
  let directory: string
  try {
    directory = fileURLToPath(url).replace(/\/+/g, '/').replace(/\/$/, '')
  } catch {
    return no('is not a path that this machine can have', 'write % as %25, and no %2F')
  }
  if (directory === '') no('must not be the root of the file system')
  return { kind: 'file', url: pathToFileURL(directory).href, directory }
}

function webUrl(text: string): URL {
  const schemes = new Set<string>()
  let rest = text
  // `https://https://host`, `https:/host`, `https//host`; but `host:9000` has no scheme.
  for (;;) {
    const found = /^(?:([a-z][a-z0-9+.-]*):(?:\/+|(?!\d))|(https?)\/\/)/i.exec(rest)
    const scheme = found?.[1] ?? found?.[2]
    if (found === null || scheme === undefined) break
    schemes.add(scheme.toLowerCase())
    rest = rest.slice(found[0].length)
  }
  const [scheme = 'https', ...others] = schemes
  if (scheme === 's3')
    no("must be the server's address", 'the bucket has a variable of its own, ..._BUCKET')
  if (others.length > 0) no(`has two schemes, ${[...schemes].join(' and ')}`)
  if (scheme !== 'https' && scheme !== 'http')
    no(`must begin with https://, http:// or file://, not with ${scheme}:`)
  const url = tryUrl(`${scheme}://${rest.replace(/^\/+/, '')}`)
  if (url === undefined || !/^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])$/.test(url.hostname))
    return no('is not an address', 'write a host name, host:port, or a URL')
  return url
}

/** The bucket's own address, as some consoles show it, without the bucket. */
function withoutBucket(hostName: string, bucket: string | undefined): string {
  const prefix = `${bucket?.toLowerCase()}.`
  if (bucket === undefined || !hostName.startsWith(prefix)) return hostName
  const rest = hostName.slice(prefix.length)
  return providerOfHost(rest) === undefined ? hostName : rest
}

/** Paths are rare but exist (a gateway below a path); a bucket in the path is a slip. */
function mendedPath(pathname: string, bucket: string | undefined): string {
  const [first, ...more] = pathname.split('/').filter((segment) => segment !== '')
  if (first === undefined) return ''
  if (more.length === 0) {
    if (first === bucket) return ''
    return no(
      `must not have the path /${first}`,
      'if that is the bucket, it belongs into ..._BUCKET',
    )
  }
  if (first === bucket)
    no('must not have a path', `the folder ${more.join('/')} belongs into ..._PREFIX`)
  const segments = more.at(-1) === bucket ? [first, ...more.slice(0, -1)] : [first, ...more]
  return `/${segments.join('/')}`
}

function tryUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}
