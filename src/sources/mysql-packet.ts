// How large a statement of a dump is, and whether a server takes it: each row stands in one, and a server takes
// none that is larger than its max_allowed_packet.

import { formatBytes } from '../domain/sizes.ts'
import type { DumpedDatabase } from './database-list.ts'

/** The default of the tools: rows come together in statements of that size; a larger one comes alone. */
export const STATEMENT_BYTES = 1_046_528
// The words before a row: the table, and sometimes its columns.
const WORDS_BYTES = 16 * 1024
// Servers count in these, and take no more than that.
const UNIT_BYTES = 1024
const PACKET_BYTES_MAX = 1024 ** 3

type Measured = Pick<DumpedDatabase, 'dumpBytes' | 'longestLineBytes'>

export type TooLarge = { readonly message: string; readonly hint: string }

/** undefined: a server that is set to `packetBytes` takes all of it, as far as anybody has measured. */
export function tooLargeFor(dumped: Measured, packetBytes: number): TooLarge | undefined {
  const { dumpBytes, longestLineBytes = 0 } = dumped
  const isRow = longestLineBytes + WORDS_BYTES > STATEMENT_BYTES
  const needed = isRow ? longestLineBytes + WORDS_BYTES : Math.min(dumpBytes, STATEMENT_BYTES)
  if (needed <= packetBytes) return undefined
  const what = isRow ? `a row of ${formatBytes(longestLineBytes)}` : 'a statement of the dump'
  const bytes = Math.ceil(needed / UNIT_BYTES) * UNIT_BYTES
  return {
    message: `${what} is larger than the server takes (max_allowed_packet, ${formatBytes(packetBytes)})`,
    hint:
      bytes > PACKET_BYTES_MAX
        ? `no server takes more than ${formatBytes(PACKET_BYTES_MAX)}: that table cannot be restored from statements`
        : `raise it on the server before a restore: SET GLOBAL max_allowed_packet = ${bytes}`,
  }
}
