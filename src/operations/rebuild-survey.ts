// `reconcile --rebuild --dry-run`: what a rebuild would begin with and how much it would read. Servers are
// listed, and nothing else is done; no catalog is opened or made.

import { asServerFailure } from './reconcile-failure.ts'
import { exitOf } from '../domain/exit-code.ts'
import { failureOf } from '../domain/errors.ts'
import { addListed } from './listed-bytes.ts'
import { archiveNameIn, keyOnServer } from '../domain/archive.ts'
import { OtherHosts } from './other-hosts.ts'
import { startRebuild } from './rebuild-snapshot.ts'
import type { RebuildStart, StartServices } from './rebuild-snapshot.ts'
import type { Server } from '../domain/server.ts'
import type { SpillwayError } from '../domain/errors.ts'

export type SurveyedServer = {
  readonly server: Server
  readonly archives: number
  readonly sizeBytes: number
  readonly error: SpillwayError | undefined
}

export type RebuildSurvey = {
  readonly exit: number
  readonly start: RebuildStart
  readonly servers: readonly SurveyedServer[]
  /** Nothing of this host was found, and something of others. */
  readonly problem: SpillwayError | undefined
}

export async function surveyRebuild(
  services: StartServices,
  { isForAllHosts }: { readonly isForAllHosts: boolean },
  signal: AbortSignal,
): Promise<RebuildSurvey> {
  const { config, openStorage } = services
  const others = new OtherHosts(config.serverId)
  const start = await startRebuild(services, { isDryRun: true }, signal)
  const open = await openStorage()
  const servers = await Promise.all(
    config.servers.map(async (server): Promise<SurveyedServer> => {
      const storage = open(server, true)
      let [archives, sizeBytes] = [0, 0]
      try {
        await storage.prepare(signal)
        for await (const object of storage.list(keyOnServer(server.prefix, ''), signal)) {
          const name = archiveNameIn(server, object.key)
          others.see(name)
          if (name === undefined || (!isForAllHosts && name.host !== config.serverId)) continue
          archives += 1
          sizeBytes = addListed(sizeBytes, object, server)
        }
        return { server, archives, sizeBytes, error: undefined }
      } catch (error) {
        return { server, archives, sizeBytes, error: asServerFailure(error) }
      } finally {
        storage.close()
      }
    }),
  )
  const exits = servers.map(({ error }) => (error === undefined ? 0 : failureOf(error).exit))
  // A server that did not answer may hold them, and a copy of the catalog proves the name.
  const isNothing = servers.every(({ archives, error }) => archives === 0 && error === undefined)
  const isToTell = isNothing && start.from !== 'snapshot'
  const problem = isToTell ? others.nothingOurs() : undefined
  return { exit: exitOf([...exits, problem === undefined ? 0 : 3]), start, servers, problem }
}
