// Many small archives on the servers of a world, made as a run makes them (catalog, spool, upload, proof)
// but without a worker thread for each: a thousand in well under a minute.

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openServices } from '../../src/compose.ts'
import { newArchiveId } from '../../src/domain/archive.ts'
import { Findings } from '../../src/sources/findings.ts'
import { eachAtOnce } from '../../src/operations/reconcile-at-once.ts'
import { SpoolContent } from '../../src/operations/spool-content.ts'
import { uploadCopy } from '../../src/operations/upload-copy.ts'
import { walkToTar, writeArchive } from '../pack/in-process.ts'
import { QUICK } from './world.ts'
import type { Walked } from '../pack/in-process.ts'
import type { World } from './world.ts'
import type { RunServices } from '../../src/operations/run.ts'

const never = new AbortController().signal

/** Of nights that lie `count` minutes back; every fifth has warnings. */
export async function makeArchives(world: World, count: number): Promise<void> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    await services.withRun(
      () => {},
      async (running) => {
        await running.catalog.registerServers(services.config.servers)
        await mkdir(services.config.spoolDir, { recursive: true })
        const walked = walkToTar(world.source)
        const numbers = Array.from({ length: count }, (_, number) => number)
        await eachAtOnce(numbers, 4, (number) => makeOne(running, walked, number))
      },
    )
  } finally {
    await services.close()
  }
}

async function makeOne(services: RunServices, walked: Walked, number: number): Promise<void> {
  const { catalog, config, partReader, pool, limits } = services
  const startedAt = new Date(Date.UTC(2026, 0, 1) + number * 60_000)
  const source = `source ${number % 7}`
  const { spoolDir, serverId: host } = config
  const id = newArchiveId(startedAt.getTime())
  const row = await catalog.beginArchive({ id, source, sourceKind: 'folder', startedAt, spoolDir })
  const localPath = join(spoolDir, row.file)
  const findings = new Findings(10)
  if (number % 5 === 0) findings.warn(`file ${number}`, 'it changed')
  const packed = await writeArchive({ ...walked, findings }, localPath, {
    ...{ archiveId: id, host, source: { name: source, kind: 'folder' }, startedAt },
  })
  const { outputBytes: sizeBytes, sourceBytes, memberCount, sha256, endedAt } = packed
  await catalog.markReady(id, {
    ...{ localPath, sizeBytes, sourceBytes, memberCount, sha256, endedAt },
    ...{ warningCount: packed.warningCount, warnings: packed.warnings },
  })
  for (const server of pool.servers) {
    const storage = await pool.ready(server, never)
    const content = SpoolContent.whole(localPath, sizeBytes)
    const attempt = { archive: row, content, server, storage, onSent: () => {} }
    await uploadCopy({ catalog, partReader, limits }, attempt, never)
  }
  await rm(localPath)
  await catalog.markLocalGone(id)
}
