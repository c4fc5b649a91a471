// How far the copies on each server are proven, and what is wrong with any of them: for `status`.

import type { Catalog, ServerRow } from '../catalog/catalog.ts'
import type { CopyProof } from '../catalog/proof-calls.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { Config } from '../domain/config.ts'
import type { ServerIdentity } from '../domain/server.ts'
import { printablePath } from '../lib/printable-path.ts'

export type ServerTrust = {
  /** Stored there. */
  readonly copies: number
  /** Whose token and size the server showed since they were stored, and the oldest date of that. */
  readonly headedCopies: number
  readonly headedAt: string | null
  /** Copies of which every frame was read back. */
  readonly deepCopies: number
  /** Of all bytes of copies there, from 0 to 1; null: there are none. */
  readonly deepShare: number | null
  /** The oldest date of what was read back; older frames there are none. */
  readonly deepOldestAt: string | null
}

export const NO_TRUST: ServerTrust = {
  copies: 0,
  headedCopies: 0,
  headedAt: null,
  deepCopies: 0,
  deepShare: null,
  deepOldestAt: null,
}

export type StatusProblem = {
  readonly archive: ArchiveId
  readonly file: string
  readonly server: number | null
  readonly label: string
  readonly frame: number | null
  readonly fromByte: number
  readonly toByte: number
  readonly what: string
  readonly memberCount: number | null
  /** The first of them. */
  readonly members: readonly string[]
  readonly foundAt: string
  /** When it was last met. */
  readonly seenAt: string
}

type Sum = {
  copies: number
  bytes: number
  provenBytes: number
  deepCopies: number
  headed: Date[]
  oldest: Date[]
}

export async function trustOf(
  catalog: Catalog | undefined,
): Promise<ReadonlyMap<ServerIdentity, ServerTrust>> {
  if (catalog === undefined) return new Map()
  const proofs = await catalog.copyProofs()
  const problems = await catalog.problems()
  const wrong = new Set(problems.filter(({ place }) => place === 'object').map((p) => p.copyId))
  const sums = new Map<ServerIdentity, Sum>()
  for (const { copies } of await catalog.archives({ states: ['ready', 'gone'] })) {
    for (const { id, identity, state, sizeBytes } of copies) {
      if (state !== 'stored') continue
      const sum = sums.get(identity) ?? emptySum()
      sums.set(identity, sum)
      add(sum, sizeBytes, proofs.get(id), wrong.has(id))
    }
  }
  return new Map([...sums].map(([identity, sum]) => [identity, trustFrom(sum)]))
}

function emptySum(): Sum {
  return { copies: 0, bytes: 0, provenBytes: 0, deepCopies: 0, headed: [], oldest: [] }
}

/** `isWrong`: the server was asked again since, and showed something else. */
function add(sum: Sum, sizeBytes: number, proof: CopyProof | undefined, isWrong: boolean): void {
  sum.copies += 1
  sum.bytes += sizeBytes
  if (proof?.headedAt !== undefined && !isWrong) sum.headed.push(proof.headedAt)
  if (proof?.oldestAt !== undefined) sum.oldest.push(proof.oldestAt)
  if (proof?.deepVerifiedAt !== undefined) sum.deepCopies += 1
  // Frames of a copy have nearly one size, all but the last.
  if (proof?.frameCount !== undefined)
    sum.provenBytes += (sizeBytes * proof.provenFrames) / proof.frameCount
}

function trustFrom(sum: Sum): ServerTrust {
  return {
    copies: sum.copies,
    headedCopies: sum.headed.length,
    headedAt: oldest(sum.headed),
    deepCopies: sum.deepCopies,
    deepShare: sum.bytes === 0 ? null : sum.provenBytes / sum.bytes,
    deepOldestAt: oldest(sum.oldest),
  }
}

function oldest(dates: readonly Date[]): string | null {
  const first = dates.reduce<Date | undefined>(
    (found, date) => (found === undefined || date < found ? date : found),
    undefined,
  )
  return first?.toISOString() ?? null
}

export async function problemsOf(
  catalog: Catalog | undefined,
  { servers }: Config,
  rows: readonly ServerRow[],
): Promise<readonly StatusProblem[]> {
  const problems = (await catalog?.problems()) ?? []
  return problems.map((problem) => {
    const server = servers.find(({ identity }) => identity === problem.identity)
    const row = rows.find(({ identity }) => identity === problem.identity)
    const { frame, fromByte, toByte, what, memberCount } = problem
    return {
      archive: problem.archiveId,
      file: problem.file,
      server: server?.number ?? null,
      label: server?.label ?? row?.label ?? problem.identity,
      frame,
      fromByte,
      toByte,
      what,
      memberCount,
      members: problem.members.map(printablePath),
      foundAt: problem.foundAt.toISOString(),
      seenAt: problem.seenAt.toISOString(),
    }
  })
}
