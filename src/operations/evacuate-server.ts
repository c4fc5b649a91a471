// Which server an evacuation leaves, what lies there, and what must be settled elsewhere first.

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
