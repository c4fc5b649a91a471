// Spillway as a process on one simulated host: its settings are read, its lock taken and its catalog opened anew each
// time, and all of it ends with the process. Joins the product's parts as compose.ts does, but for the threads
// (in-one-thread.ts) and for where the servers are.

import { acquireRunLock } from '../../src/catalog/run-lock.ts'
import { AFTER_INTERRUPT_MS } from '../../src/operations/source-hooks.ts'
import { createArchiveUses } from '../../src/catalog/archive-use.ts'
import { createRunProgram } from '../../src/sources/run-program.ts'
import { DELIVERY_LIMITS } from '../../src/operations/upload-copy.ts'
import { loadConfig } from '../../src/config/load.ts'
import { newArchiveId } from '../../src/domain/archive.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { packerInOneThread, partReaderInOneThread } from './in-one-thread.ts'
import { ServerPool } from '../../src/operations/server-pool.ts'
import type { ArchiveUses } from '../../src/catalog/archive-use.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { Config } from '../../src/domain/config.ts'
import type { Life } from './life.ts'
import type { OpenStorage } from '../../src/operations/server-pool.ts'
import type { Packer } from '../../src/pack/packer.ts'
import type { RunEvent } from '../../src/domain/run-events.ts'
import type { RunServices } from '../../src/operations/run.ts'

export type ProcessServices = RunServices & { readonly openStorage: () => Promise<OpenStorage> }

export type ProcessInput = {
  readonly envFile: string
  readonly life: Life
  readonly openStorage: OpenStorage
  readonly onEvent: (event: RunEvent) => void
  /** Sees what the catalog and the packer are asked, and what they answer. */
  readonly watchCatalog: (catalog: Catalog, config: Config) => Catalog
  readonly watchPacker: (packer: Packer) => Packer
  /** When nothing of it goes on any more; the catalog is still open. */
  readonly atEnd: () => void
  /** After the lock is taken, before the catalog is opened. */
  readonly beforeCatalog?: (config: Config, openStorage: OpenStorage) => Promise<void>
}

/** Rejects with what the work rejects with; `died`: it was killed, and nothing of it goes on any more. */
export async function inProcess<Result>(
  input: ProcessInput,
  work: (services: ProcessServices) => Promise<Result>,
): Promise<Result | 'died'> {
  const { life, envFile, onEvent: emit } = input
  const { config } = loadConfig({ configFlag: envFile, cwd: '/' })
  const openStorage: OpenStorage = (server, isKnown) =>
    life.guard('storage', input.openStorage(server, isKnown), /^(?:close|clockOffsetMs)$/)
  // It takes the lock by itself, which only the end of a real process takes from it: nothing dies in here.
  await input.beforeCatalog?.(config, input.openStorage)
  const lock = await acquireRunLock(config.dataDir)
  const opened = await openCatalog({ path: config.catalogPath, host: config.serverId })
  const catalog = life.guard('catalog', input.watchCatalog(opened, config))
  const uses = new Uses(createArchiveUses(config.dataDir))
  const pool = new ServerPool({
    servers: config.servers,
    catalog,
    host: config.serverId,
    openStorage: async () => openStorage,
  })
  try {
    const working = work({
      ...{ config, version: 'soak', catalog, pool, emit },
      packer: life.guard('packer', input.watchPacker(packerInOneThread())),
      partReader: partReaderInOneThread(),
      archiveUses: uses.all,
      limits: DELIVERY_LIMITS,
      runId: newArchiveId(Date.now()),
      runProgram: createRunProgram(config.dataDir),
      afterInterruptMs: AFTER_INTERRUPT_MS,
      openStorage: async () => openStorage,
    })
    return await Promise.race([working, life.death])
  } finally {
    if (life.isDead) await life.settled()
    uses.endAll()
    pool.close()
    input.atEnd()
    await opened.close()
    await lock.release()
  }
}

/** The kernel lets go of a dead process's locks. */
class Uses {
  readonly all: ArchiveUses
  readonly #open = new Set<() => void>()

  constructor(real: ArchiveUses) {
    const kept = <Use extends { readonly release: () => void }>(use: Use | undefined) => {
      if (use !== undefined) this.#open.add(use.release)
      return use
    }
    this.all = { ...real, use: (id) => kept(real.use(id)), claim: (id) => kept(real.claim(id)) }
  }

  endAll(): void {
    for (const release of this.#open) release()
  }
}
