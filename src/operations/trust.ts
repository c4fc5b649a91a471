// How far the copies on each server are proven, and what is wrong with any of them: for `status`.

import type { Catalog, ServerRow } from '../catalog/catalog.ts'
import type { SoundOf } from './copies-plan.ts'
import type { StandingOf } from '../catalog/standing-calls.ts'
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
  /** Configured servers with a sound copy of that archive; null: it is of another host. */
  readonly soundCopies: number | null
}

export async function trustOf(
  catalog: Catalog | undefined,
): Promise<ReadonlyMap<ServerIdentity, ServerTrust>> {
  const rows = (await catalog?.standing()) ?? []
  return new Map(rows.map((row) => [row.identity, trustFrom(row)]))
}

function trustFrom(row: StandingOf): ServerTrust {
  const { copies, bytes, headedCopies, headedAt, deepCopies, provenBytes, oldestAt } = row
  return {
    ...{ copies, headedCopies, deepCopies },
    headedAt: headedAt?.toISOString() ?? null,
    deepShare: bytes === 0 ? null : provenBytes / bytes,
    deepOldestAt: oldestAt?.toISOString() ?? null,
  }
}

export async function problemsOf(
  catalog: Catalog | undefined,
  { servers }: Config,
  rows: readonly ServerRow[],
  soundOf: SoundOf,
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
      soundCopies: soundOf.get(problem.archiveId) ?? null,
    }
  })
}

/**
 * Archives of which something is wrong that nobody has settled, but for those that no sound copy is left of: each is
 * told of once. `endangered`: fewer servers than COPIES hold a sound copy, or it is not known how many do.
 */
export function damagedArchives({
  problems,
  unusable,
  copies,
}: {
  readonly problems: readonly Pick<StatusProblem, 'archive' | 'soundCopies'>[]
  readonly unusable: readonly { readonly archive: ArchiveId }[]
  readonly copies: number
}): { readonly endangered: number; readonly madeGood: number } {
  const gone = new Set(unusable.map(({ archive }) => archive))
  const sound = new Map(
    problems
      .filter(({ archive }) => !gone.has(archive))
      .map(({ archive, soundCopies }) => [archive, soundCopies ?? 0]),
  )
  const endangered = [...sound.values()].filter((count) => count < copies).length
  return { endangered, madeGood: sound.size - endangered }
}
