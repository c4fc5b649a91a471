// Which S3 operation a request is: method and query are enough. The model server and the fault proxy
// both ask, so that a rule of the proxy and a line of the model's log mean the same thing.

export type S3Operation =
  | 'ListBuckets'
  | 'CreateBucket'
  | 'HeadBucket'
  | 'DeleteBucket'
  | 'List'
  | 'ListUploads'
  | 'Create'
  | 'UploadPart'
  | 'Complete'
  | 'Abort'
  | 'ListParts'
  | 'Head'
  | 'Get'
  | 'Put'
  | 'Delete'
  | 'Other'

export type S3Request = {
  readonly operation: S3Operation
  readonly bucket: string
  readonly key: string
  readonly query: URLSearchParams
  readonly uploadId: string
  /** 0 where there is none. */
  readonly partNumber: number
}

/**
 * `virtualHost` is the name under which buckets are sub-domains ("BUCKET.virtualHost"); without it,
 * and for every other host, the first segment of the path is the bucket.
 */
export function parseS3Request(
  method: string,
  rawUrl: string,
  host: string,
  virtualHost?: string,
): S3Request {
  const mark = rawUrl.indexOf('?')
  const path = mark < 0 ? rawUrl : rawUrl.slice(0, mark)
  const query = new URLSearchParams(mark < 0 ? '' : rawUrl.slice(mark + 1))
  const hostName = host.replace(/:\d+$/, '')
  const isVirtual = virtualHost !== undefined && hostName.endsWith(`.${virtualHost}`)
  const segments = path.split('/').slice(1)
  const bucket = isVirtual
    ? hostName.slice(0, -virtualHost.length - 1)
    : decodeURIComponent(segments.shift() ?? '')
  const key = decodeURIComponent(segments.join('/'))
  return {
    operation: operationOf(method, bucket, key, query),
    bucket,
    key,
    query,
    uploadId: query.get('uploadId') ?? '',
    partNumber: Number(query.get('partNumber') ?? 0),
  }
}

function operationOf(
  method: string,
  bucket: string,
  key: string,
  query: URLSearchParams,
): S3Operation {
  if (bucket === '') return 'ListBuckets'
  if (query.has('uploads')) return method === 'POST' ? 'Create' : 'ListUploads'
  if (query.has('uploadId')) {
    const byMethod: Record<string, S3Operation> = {
      PUT: 'UploadPart',
      POST: 'Complete',
      DELETE: 'Abort',
      GET: 'ListParts',
    }
    return byMethod[method] ?? 'Other'
  }
  const byMethod: Record<string, S3Operation> =
    key === ''
      ? { GET: 'List', HEAD: 'HeadBucket', PUT: 'CreateBucket', DELETE: 'DeleteBucket' }
      : { GET: 'Get', HEAD: 'Head', PUT: 'Put', DELETE: 'Delete' }
  return byMethod[method] ?? 'Other'
}
