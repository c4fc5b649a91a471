// What a run needs and nothing else does: threads that pack, the lock, the pool of servers. Apart from
// compose.ts, so that no other command loads it.

import { AFTER_INTERRUPT_MS } from './operations/source-hooks.ts'
import { createPacker } from './compose-packer.ts'
import { createPartReader } from './compose-part-reader.ts'
import { createRunProgram } from './sources/run-program.ts'
import { DELIVERY_LIMITS } from './operations/upload-copy.ts'
import { isOfAnotherMachine } from './operations/data-machine.ts'
import { newArchiveId } from './domain/archive.ts'
import { ServerPool } from './operations/server-pool.ts'
import type { Catalog } from './catalog/catalog.ts'
import type { Config } from './domain/config.ts'
import type { DeliveryLimits } from './operations/upload-copy.ts'
import type { OpenStorage } from './operations/server-pool.ts'
import type { RunLock } from './catalog/run-lock.ts'
import type { RunServices } from './operations/run.ts'
import type { Services } from './operations/services.ts'

type RunNeeds = Pick<RunServices, 'config' | 'version' | 'emit'> & {
  readonly openCatalog: () => Promise<Catalog>
  readonly openStorage: () => Promise<OpenStorage>
  readonly archiveUses: Services['archiveUses']
  /** Of tests; undefined: those of every day. */
  readonly delivery: DeliveryLimits | undefined
}

export async function withRun<Result>(
  { config, version, emit, openCatalog, openStorage, archiveUses, delivery }: RunNeeds,
  work: (services: RunServices) => Promise<Result>,
): Promise<Result> {
  // Its threads load beside the catalog.
  const packer = createPacker({ startsNow: true })
  const lock = await acquireLock(config).catch((error: unknown) => {
    packer.close()
    throw error
  })
  try {
    const partReader = createPartReader()
    const { servers, serverId } = config
    const catalog = await openCatalog()
    const isMoved = isOfAnotherMachine(config.dataDir)
    const pool = new ServerPool({ servers, catalog, host: serverId, openStorage, isMoved })
    try {
      return await work({
        ...{ config, version, catalog, packer, partReader, pool, emit },
        archiveUses: await archiveUses(),
        limits: delivery ?? DELIVERY_LIMITS,
        runId: newArchiveId(Date.now()),
        runProgram: createRunProgram(config.dataDir),
        afterInterruptMs: AFTER_INTERRUPT_MS,
      })
    } finally {
      pool.close()
      await partReader.close()
    }
  } finally {
    packer.close()
    await lock.release()
  }
}

async function acquireLock({ dataDir, catalogPath, serverId }: Config): Promise<RunLock> {
  const { acquireRunLock } = await import('./catalog/run-lock.ts')
  return acquireRunLock(dataDir, { path: catalogPath, host: serverId })
}
