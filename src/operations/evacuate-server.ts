// Which server an evacuation leaves, what lies there, and what must be settled elsewhere first.

import { ADD_AGAIN, GIVEN_UP } from './copies-recopy.ts'
import { requireServers } from '../config/parse.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { ArchiveWithCopies, CopyRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Server } from '../domain/server.ts'

export function leavingServer(config: Config, number: number): Server {
  requireServers(config)
  const found = config.servers.find((server) => server.number === number)
  if (found !== undefined) return found
  const known = config.servers.map((server) => server.number).join(', ')
  throw new SpillwayError('USAGE', `there is no S3_SERVER_${number}_* (servers: ${known})`, {
    hint: 'a server that left the file must come back, with S3_SERVER_N_ENABLED=false, to be read from',
  })
}

/** Copies that take room there, or may take it: a damaged one may have a sound one beside it. */
export function copiesOn({ copies }: ArchiveWithCopies, server: Server): readonly CopyRow[] {
  return copies.filter(
    ({ identity, state }) =>
      identity === server.identity && state !== 'failed' && state !== 'deleted',
  )
}

/** What must be settled elsewhere before a copy can leave. */
export function obstacleOf(
  archive: ArchiveWithCopies,
  copies: readonly CopyRow[],
  serverId: string,
): SpillwayError | undefined {
  const { file, host, state } = archive
  const open = copies.find((copy) => copy.state !== 'stored' && copy.state !== 'missing')
  if (open !== undefined)
    return new SpillwayError('SERVER_UNPROVEN', `${file}: its copy there is still ${open.state}`)
  if (state === 'ready' && host !== serverId)
    return new SpillwayError('NO_SERVER_FOR_COPY', `${file} is in the spool of host ${host}`, {
      hint: 'evacuate on that host',
    })
  if (state === 'failed')
    return new SpillwayError(
      'ARCHIVE_MISSING',
      `${file} failed: ${archive.reason ?? 'unknown why'}`,
    )
  return undefined
}

/**
 * Why the record of a copy that is gone stays: nothing that could be restored from is left elsewhere. Without
 * the record nobody would ever hear of that archive again.
 */
export function nothingElsewhere(
  { copies, file }: ArchiveWithCopies,
  { identity, label }: Server,
  damaged: readonly CopyRow[],
): SpillwayError {
  const isElsewhere = (copy: CopyRow) => copy.identity !== identity
  const what = `${file} is missing on ${label}`
  if (damaged.some(isElsewhere))
    return new SpillwayError('ARCHIVE_CORRUPT', `${what}, and every other copy of it is damaged`)
  if (copies.some((copy) => isElsewhere(copy) && copy.state === 'stored'))
    return new SpillwayError(
      'ARCHIVE_MISSING',
      `${what}, and no other copy of it lies on a configured server`,
      { hint: ADD_AGAIN },
    )
  return new SpillwayError('ARCHIVE_MISSING', `${what}, and no other copy of it is left`, {
    hint: GIVEN_UP,
  })
}
