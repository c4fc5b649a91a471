// The ETag that most servers give to a multipart object: MD5 over the MD5s of its parts, and their
// number. Where it can be computed, it proves without reading back that all parts are there, in order.

import { createHash } from 'node:crypto'
import type { PartReceipt } from './storage.ts'

/** What the ETags of one server have shown so far; undefined: nothing. */
export type EtagHabits = {
  /** Those of parts are the MD5s of what arrived; false: it encrypts, and they are something else. */
  areMd5: boolean | undefined
  /** Those of objects are computed as here; false: by a formula of its own. */
  areComposite: boolean | undefined
}

/** What the ETag of a part says of the bytes that arrived. `other`: they are damaged, or were encrypted. */
export function partEtagSays({
  etag,
  md5,
}: Pick<PartReceipt, 'etag' | 'md5'>): 'as sent' | 'other' | 'nothing' {
  const seen = etag.toLowerCase()
  if (seen === Buffer.from(md5).toString('hex')) return 'as sent'
  return /^[0-9a-f]{32}$/.test(seen) ? 'other' : 'nothing'
}

/** In lower case, without quotes. */
export function compositeEtag(parts: readonly Pick<PartReceipt, 'md5'>[]): string {
  const hash = createHash('md5')
  for (const { md5 } of parts) hash.update(md5)
  return `${hash.digest('hex')}-${parts.length}`
}

/**
 * `unknown` where the parts are not known, the ETag has another form, or the server's part ETags are no MD5s (encrypted by KMS):
 * then the composite is made of something that we cannot know.
 */
export function compareEtag(
  etag: string | undefined,
  parts: readonly PartReceipt[],
): 'equal' | 'differs' | 'unknown' {
  const seen = etag?.toLowerCase()
  if (seen === undefined || parts.length === 0 || !isComposite(seen)) return 'unknown'
  if (!parts.every((part) => partEtagSays(part) === 'as sent')) return 'unknown'
  return seen === compositeEtag(parts) ? 'equal' : 'differs'
}

/**
 * Of one object, at two times. Only two composites tell it: Complete of some servers answers with something else than
 * HEAD (Riak CS with the upload's id, rclone with a composite where HEAD has the MD5 of the whole).
 */
export function hasChanged(before: string | undefined, now: string | undefined): boolean {
  const [old, seen] = [before?.toLowerCase(), now?.toLowerCase()]
  return isComposite(old) && isComposite(seen) && old !== seen
}

function isComposite(etag: string | undefined): boolean {
  return etag !== undefined && /^[0-9a-f]{32}-\d+$/.test(etag)
}

/** Without the quotes that belong to the header, not to the value; '' (Ceph) means none. */
export function bareEtag(etag: string | undefined): string | undefined {
  return etag?.replace(/^(W\/)?"|"$/g, '') || undefined
}
