// The header of a member whose size only its end tells: always as long as the place that was kept for it.

import { assert } from '../lib/assert.ts'
import {
  extensionsOf,
  TAR_RECORD_BYTES,
  tarNameOf,
  writeExtensionHeader,
  writeHeader,
} from './tar-header.ts'
import type { TarMember } from './tar-header.ts'

/** A pax header, its body and the header. */
export const LATE_HEADER_BYTES = 3 * TAR_RECORD_BYTES

/** Longer names would need a record of their own, whose length depends on them. */
export const LATE_NAME_BYTES_MAX = 100

// From here on the size is a pax record of its own accord.
const SIZE_IN_HEADER_MAX = 0o77777777777

/** `member` has no records of its own. */
export function encodeLateHeader(member: TarMember): Buffer {
  const name = tarNameOf(member)
  const size: readonly [string, string] = ['size', String(member.sizeBytes)]
  const records = member.sizeBytes > SIZE_IN_HEADER_MAX ? undefined : [size]
  const extensions = extensionsOf({ ...member, records }, name)
  const [extension] = extensions
  const fits =
    extensions.length === 1 &&
    extension?.type === 'x' &&
    extension.body.length <= TAR_RECORD_BYTES &&
    name.length <= LATE_NAME_BYTES_MAX
  assert(fits, `the header of ${name} is no late header`)

  const bytes = Buffer.alloc(LATE_HEADER_BYTES)
  writeExtensionHeader(bytes, 0, extension)
  bytes.write(extension.body, TAR_RECORD_BYTES, 'latin1')
  writeHeader(bytes, 2 * TAR_RECORD_BYTES, member, name)
  return bytes
}
