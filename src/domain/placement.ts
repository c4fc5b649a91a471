// Placement decides which servers may receive the next archive, and in which order.
//
// The order is the operator's own numbering (S3_SERVER_1 first). It is deliberately not re-sorted by
// free space: the numbers state a preference (price, distance, trust), and an archive that lands
// somewhere unexpected costs more than an unbalanced fleet.

import type { Server, ServerIdentity } from './server.ts'

export type ServerUsage = {
  readonly usedBytes: number
  readonly reservedBytes: number
  readonly catalogBytes: number
  readonly otherBytes: number
}

export type Placement = {
  /** Servers to try, in this order. May be empty. */
  readonly candidates: readonly Server[]
  /** Servers left out for want of room, for the journal and for the error message. */
  readonly withoutRoom: readonly { readonly server: Server; readonly spareBytes: number }[]
}

export function placeArchive(input: {
  readonly servers: readonly Server[]
  readonly usageByIdentity: ReadonlyMap<ServerIdentity, ServerUsage>
  readonly neededBytes: number
}): Placement {
  const candidates: Server[] = []
  const withoutRoom: { server: Server; spareBytes: number }[] = []
  for (const server of input.servers.toSorted((a, b) => a.number - b.number)) {
    if (!server.isEnabled) continue
    const spareBytes = spareBytesOf(server.limitBytes, input.usageByIdentity.get(server.identity))
    if (spareBytes >= input.neededBytes) candidates.push(server)
    else withoutRoom.push({ server, spareBytes })
  }
  return { candidates, withoutRoom }
}

/** Never negative: a limit may have been lowered below what lies there. */
export function spareBytesOf(limitBytes: number, usage: ServerUsage | undefined): number {
  if (usage === undefined) return limitBytes
  const taken = usage.usedBytes + usage.reservedBytes + usage.catalogBytes + usage.otherBytes
  return Math.max(0, limitBytes - taken)
}

// 5 %: what a source grows by overnight without anybody noticing. More would pass by servers that
// have room; less would begin uploads that must be given up near their end.
const GROWTH_MARGIN = 1.05

/** What an archive is expected to take, from the last one of its source; undefined: no last one. */
export function expectedBytes(lastSizeBytes: number | undefined): number | undefined {
  return lastSizeBytes === undefined ? undefined : Math.ceil(lastSizeBytes * GROWTH_MARGIN)
}

/**
 * One part size for a whole upload (R2 wants equal parts): the server's default, or as much more as
 * it takes to stay under its number of parts with room for the archive to be twice as large as
 * expected. In whole MiB.
 */
export function choosePartBytes(
  limits: { readonly partsMax: number; readonly partBytesDefault: number },
  expected: { readonly sizeBytes: number; readonly isExact: boolean },
): number {
  const mib = 1024 * 1024
  const roomFor = expected.isExact ? expected.sizeBytes : expected.sizeBytes * 2
  const needed = Math.ceil(roomFor / limits.partsMax / mib) * mib
  return Math.max(limits.partBytesDefault, needed)
}
