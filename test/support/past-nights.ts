// Archives of nights long past, on the model servers of a world and in its catalog: each as the run of
// its night would have left it, without running it.

import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { keyOnServer, newArchiveId } from '../../src/domain/archive.ts'
import { openServices } from '../../src/compose.ts'
import { prepareSpool } from '../../src/operations/spool.ts'
import { QUICK } from './world.ts'
import type { ArchiveId } from '../../src/domain/archive.ts'
import type { World } from './world.ts'

export type PastNight = {
  readonly at: string
  readonly source?: string
  readonly bytes?: number
  /** Content of the source; default: that of every other night. */
  readonly sourceBytes?: number
  readonly warningCount?: number
  /** Numbers of the servers that hold it. */
  readonly servers?: readonly number[]
  /** Its file stays in the spool (LOCAL_KEEP). */
  readonly isLocal?: boolean
  /** The run of that night failed while packing. */
  readonly isFailed?: boolean
}

const never = new AbortController().signal

/** The ids, in the order of the nights. */
export async function addNights(world: World, nights: readonly PastNight[]): Promise<ArchiveId[]> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const { config } = services
  const catalog = await services.catalog()
  const openStorage = await services.openStorage()
  await catalog.registerServers(config.servers)
  await prepareSpool({ catalog, config })
  const ids: ArchiveId[] = []
  try {
    for (const night of nights) {
      const { bytes = 1_000, source = 'docs', servers = [1] } = night
      const startedAt = new Date(night.at)
      const id = newArchiveId(startedAt.getTime())
      ids.push(id)
      const { spoolDir } = config
      const row = await catalog.beginArchive({
        ...{ id, source, sourceKind: 'folder', startedAt, spoolDir },
      })
      if (night.isFailed === true) {
        await catalog.markArchiveFailed(id, 'its folder was not there', startedAt)
        continue
      }
      const content = randomBytes(bytes)
      const localPath = join(spoolDir, row.file)
      await writeFile(localPath, content)
      await catalog.markReady(id, {
        localPath,
        sizeBytes: bytes,
        sourceBytes: night.sourceBytes ?? 10_000,
        memberCount: 1,
        sha256: 'of that night',
        endedAt: startedAt,
        warningCount: night.warningCount ?? 0,
        warnings: [],
      })
      for (const number of servers) {
        const server = config.servers.find((each) => each.number === number)!
        const storage = openStorage(server, true)
        const key = keyOnServer(server.prefix, row.key)
        const token = randomBytes(16).toString('hex')
        const { identity, limitBytes } = server
        const promised = { archiveId: id, identity, key, token, bytes, limitBytes }
        const copyId = (await catalog.reserve(promised))!
        async function* body() {
          yield content
        }
        await storage.putSmall(key, body(), token, never)
        const head = (await storage.head(key, never))!
        await catalog.markStored(copyId, { ...head, at: startedAt })
        storage.close()
      }
      // Noise has no index; that is told once in life, and this is not where. After the copies: a new one would
      // be a reason to look again.
      await catalog.setHistoryUnreadable(row, 'it was made for a test')
      if (night.isLocal !== true && servers.length > 0) {
        await catalog.markLocalGone(id)
        await rm(localPath)
      }
    }
    return ids
  } finally {
    await services.close()
  }
}

/** `count` nights up to yesterday, the oldest first. */
export function lastNights(count: number, more: Omit<PastNight, 'at'> = {}): PastNight[] {
  const yesterday = Date.now() - 86_400_000
  return Array.from({ length: count }, (_, night) => ({
    at: new Date(yesterday - (count - 1 - night) * 86_400_000).toISOString(),
    ...more,
  }))
}
