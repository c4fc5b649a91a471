// Config -> services: the only place where adapters are chosen and joined.
//
// Everything heavy is imported when it is first asked for, so that `--help` and `--config-only` load
// neither SQLite nor the S3 client, and a command that needs no server opens no connection.

import { dirname } from 'node:path'
import { existsSync } from 'node:fs'
import { changedKeep } from './config/changed-keep.ts'
import { createCatalogQuestions } from './compose-questions.ts'
import { createRedactor } from './lib/redact.ts'
import { loadConfig, loadTellable } from './config/load.ts'
import { NETWORK_LIMITS } from './storage/limits.ts'
import type { Catalog } from './catalog/catalog.ts'
import type { Closable } from './cli/command.ts'
import type { Config } from './domain/config.ts'
import type { DeliveryLimits } from './operations/upload-copy.ts'
import type { NetworkLimits } from './storage/limits.ts'
import type { Notifier } from './notify/notifier.ts'
import type { OpenStorage } from './operations/server-pool.ts'
import type { TestServer } from './operations/configure-test-server.ts'
import type { TestSource } from './operations/configure-test-source.ts'
import type { Services } from './operations/services.ts'
import type { Unpacker } from './pack/unpacker.ts'
import type { TestNotification } from './operations/notify-test.ts'
import type { TellOfWrongSettings } from './operations/notify-run.ts'

/** Time limits that tests scale down. */
export type LimitOverrides = {
  readonly network?: NetworkLimits
  readonly delivery?: DeliveryLimits
}

type Opening = {
  readonly configFile: string | undefined
  readonly mayBeAbsent?: boolean
  /** Of Spillway, for metrics. */
  readonly version?: string
}

type OpenedServices = Services &
  Closable & { readonly secrets: readonly string[]; readonly settingsFiles: readonly string[] }

export async function openServices(
  { configFile, mayBeAbsent = false, version = 'unknown' }: Opening,
  { network = NETWORK_LIMITS, delivery }: LimitOverrides = {},
): Promise<OpenedServices> {
  const place = { configFlag: configFile, cwd: process.cwd(), mayBeAbsent }
  const { config, secrets, settingsFiles, databaseTarget } = loadConfig(place)
  const known = { config, version }
  let catalog: Promise<Catalog> | undefined
  // What failed once is tried again: a daemon lives longer than a full disk.
  const openCatalog = () =>
    (catalog ??= openCatalogOf(config).catch((error: unknown) => {
      catalog = undefined
      throw error
    }))
  let storages: Promise<OpenStorage> | undefined
  const openStorage = () =>
    (storages ??= storageOpener(config, network).catch((error: unknown) => {
      storages = undefined
      throw error
    }))

  let unpacker: (Unpacker & { readonly close: () => void }) | undefined
  const questions = createCatalogQuestions()
  const archiveUses = async () =>
    (await import('./catalog/archive-use.ts')).createArchiveUses(dirname(config.catalogPath))

  return {
    ...known,
    secrets,
    settingsFiles,
    databaseTarget,
    changedKeep: (...asked) => changedKeep(place, ...asked),
    openDatabaseTarget: async (...asked) =>
      (await import('./sources/database-target.ts')).openDatabaseTarget(...asked),
    archiveUses,
    questions,
    catalog: openCatalog,
    catalogIfPresent: async () => (existsSync(config.catalogPath) ? openCatalog() : undefined),
    currentRun: async () => {
      const { currentRun } = await import('./catalog/run-lock.ts')
      return currentRun(config.dataDir, { path: config.catalogPath, host: config.serverId })
    },
    openStorage,
    redact: createRedactor(secrets),
    openState: async () => (await import('./state/open-state.ts')).openState(config.dataDir),
    lastRun: async () => (await import('./state/open-state.ts')).lastRunIn(config.dataDir),
    notifier: async () => notifierOf(config, secrets),
    packer: async () => (await import('./compose-packer.ts')).createPacker(),
    unpacker: async () => {
      const { createUnpacker } = await import('./compose-unpacker.ts')
      unpacker ??= createUnpacker({ startsNow: true })
      return unpacker
    },
    withRun: async (emit, work) => {
      const { withRun } = await import('./compose-run.ts')
      return withRun({ ...known, openCatalog, openStorage, archiveUses, delivery, emit }, work)
    },
    close: async () => {
      // A catalog that never opened has told why where it was asked for.
      const opened = await catalog?.catch(() => undefined)
      await opened?.close()
      unpacker?.close()
      await questions.close()
    },
  }
}

async function notifierOf(
  { proxy }: Pick<Config, 'proxy'>,
  secrets: readonly string[],
): Promise<Notifier> {
  const { createNotifier } = await import('./notify/notifier.ts')
  return createNotifier({ proxy, redact: createRedactor(secrets) })
}

async function openCatalogOf(config: Config): Promise<Catalog> {
  const { openCatalog } = await import('./catalog/open-sqlite.ts')
  return openCatalog({ path: config.catalogPath, host: config.serverId })
}

async function storageOpener(config: Config, limits: NetworkLimits): Promise<OpenStorage> {
  const { openStorage } = await import('./compose-storage.ts')
  const { createRateLimit } = await import('./storage/rate-limit.ts')
  const rateLimit = createRateLimit(config.uploadLimitBitsPerSecond)
  return (server, isKnown) =>
    openStorage(server, { proxy: config.proxy, limits, rateLimit, isKnown })
}

/** Tells of a run that could not begin because the settings are wrong, as far as they are right. */
export const tellOfWrongSettings: TellOfWrongSettings = async (configFile, error, signal, now) => {
  const tellable = loadTellable({ configFlag: configFile, cwd: process.cwd() })
  if (tellable === undefined) return []
  const { RunNotices } = await import('./operations/notify-run.ts')
  const { config, secrets } = tellable
  const services = {
    config: { ...config, sources: [], servers: [] },
    openState: async () => (await import('./state/open-state.ts')).openState(config.dataDir),
    notifier: async () => notifierOf(config, secrets),
  }
  return new RunNotices(services, signal, now).failed(error)
}

/** The live test of the wizard: of a server that is in no file yet. */
export const testServerOf: TestServer = async (server, signal, { proxy, serverId }) => {
  const { openStorage } = await import('./compose-storage.ts')
  const limits = NETWORK_LIMITS
  const open: OpenStorage = (each, isKnown) =>
    openStorage(each, { proxy, limits, rateLimit: undefined, isKnown })
  const { testServer } = await import('./operations/configure-test-server.ts')
  return testServer({ openStorage: open, serverId }, server, signal)
}

/** The same of somebody who is to be told of runs. */
export const testNotificationOf: TestNotification = async (notification, { proxy, serverId }) => {
  const { deliver } = await notifierOf({ proxy }, notification.secrets)
  const { testNotification } = await import('./operations/notify-test.ts')
  return testNotification(deliver, notification, serverId)
}

/** The same of a source. */
export const testSourceOf: TestSource = async (source, signal) => {
  const { createPacker } = await import('./compose-packer.ts')
  const { testSource } = await import('./operations/configure-test-source.ts')
  return testSource(createPacker(), source, signal)
}
