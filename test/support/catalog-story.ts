// A real catalog in memory in which things have happened: archives stored, waiting, failed.

import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import type { ArchiveRow, Catalog } from '../../src/catalog/catalog.ts'
import { keyOnServer, newArchiveId } from '../../src/domain/archive.ts'
import type { Config } from '../../src/domain/config.ts'
import { identityOf } from '../../src/domain/server.ts'
import type { Server } from '../../src/domain/server.ts'
import type { Source } from '../../src/domain/source.ts'

export const GB = 1_000_000_000

export function s3Server(number: number, more: Partial<Server> = {}): Server {
  const endpoint = `https://s3-${number}.example.com`
  return {
    kind: 's3',
    number,
    identity: identityOf(endpoint, 'backups', ''),
    label: `${number}: s3-${number}.example.com/backups`,
    endpoint,
    bucket: 'backups',
    prefix: '',
    region: 'eu',
    accessKey: 'AKIA',
    secretKey: 'hidden',
    caPem: undefined,
    isPathStyle: undefined,
    storageClass: undefined,
    limitBytes: 100 * GB,
    isEnabled: true,
    ...more,
  } as Server
}

export function fileServer(number: number, directory: string): Server {
  const endpoint = `file://${directory}`
  return {
    kind: 'file',
    number,
    identity: identityOf(endpoint, undefined, ''),
    label: `${number}: ${directory}`,
    endpoint,
    prefix: '',
    directory,
    limitBytes: 50 * GB,
    isEnabled: true,
  }
}

export function folderSource(number: number, name: string): Source {
  return {
    kind: 'folder',
    number,
    name,
    path: `/srv/${name}`,
    excludes: [],
    isOneFileSystem: false,
    excludesCaches: false,
    mayBeEmpty: false,
    keep: {
      last: undefined,
      daily: undefined,
      weekly: undefined,
      monthly: undefined,
      yearly: undefined,
      withinDays: undefined,
    },
  }
}

export function configOf(more: Partial<Config> = {}): Config {
  return {
    envFile: '/etc/spillway/.env',
    serverId: 'web1',
    dataDir: '/var/lib/spillway',
    hasSpool: true,
    spoolDir: '/var/lib/spillway/spool',
    spoolLimitBytes: undefined,
    catalogPath: '/var/lib/spillway/catalog.db',
    randomDelayMs: 0,
    parallelSources: 1,
    sealKeyFile: '/var/lib/spillway/seal.key',
    daemon: {
      listen: { host: '127.0.0.1', port: 8420 },
      names: [],
      restoreRoots: [],
      defaultRestoreRoot: undefined,
      sourceRoots: [],
    },
    servers: [s3Server(1), s3Server(2)],
    sources: [folderSource(1, 'etc'), folderSource(2, 'www')],
    notifications: [],
    copies: 1,
    localKeep: 0,
    uploadLimitBitsPerSecond: undefined,
    proxy: { httpsProxy: undefined, noProxy: undefined },
    verifiesPacking: true,
    verifyNightlyBytes: undefined,
    pruneMaxPerRun: undefined,
    zstdLevel: 3,
    schedule: '30 2 * * *',
    metricsFile: undefined,
    ...more,
  }
}

export type Story = {
  readonly catalog: Catalog
  /** Begun, and nothing more. */
  readonly pack: (source: string, at: string) => Promise<ArchiveRow>
  /** Whole in the spool. */
  readonly wait: (source: string, at: string, sizeBytes?: number) => Promise<ArchiveRow>
  /** On these servers, in this order, a minute apart; gone from the spool unless `isKept`. */
  readonly store: (
    source: string,
    at: string,
    servers: readonly Server[],
    more?: { readonly isKept?: boolean; readonly sizeBytes?: number },
  ) => Promise<ArchiveRow>
  readonly fail: (source: string, at: string, reason: string) => Promise<ArchiveRow>
}

export async function openStory(
  servers: readonly Server[],
  { host = 'web1', path = ':memory:' } = {},
): Promise<Story> {
  const catalog = await openCatalog({ path, host })
  await catalog.registerServers(servers)

  const pack = (source: string, at: string) =>
    catalog.beginArchive({
      id: newArchiveId(Date.parse(at)),
      source,
      sourceKind: 'folder',
      startedAt: new Date(at),
      spoolDir: '/var/lib/spillway/spool',
    })
  const wait = async (source: string, at: string, sizeBytes = GB) => {
    const row = await pack(source, at)
    await catalog.markReady(row.id, {
      localPath: `/var/lib/spillway/spool/${row.file}`,
      sizeBytes,
      sourceBytes: sizeBytes * 3,
      memberCount: 1234,
      sha256: 'ab'.repeat(32),
      endedAt: new Date(Date.parse(at) + 60_000),
      warningCount: 0,
      warnings: [],
    })
    return row
  }
  return {
    catalog,
    pack,
    wait,
    store: async (source, at, targets, { isKept = false, sizeBytes = GB } = {}) => {
      const row = await wait(source, at, sizeBytes)
      for (const [order, server] of targets.entries())
        await storeCopy(catalog, row, server, sizeBytes, Date.parse(at) + (order + 2) * 60_000)
      if (!isKept) await catalog.markLocalGone(row.id)
      return row
    },
    fail: async (source, at, reason) => {
      const row = await pack(source, at)
      await catalog.markArchiveFailed(row.id, reason, new Date(at))
      return row
    },
  }
}

async function storeCopy(
  catalog: Catalog,
  row: ArchiveRow,
  server: Server,
  sizeBytes: number,
  atMs: number,
): Promise<void> {
  const copyId = await catalog.reserve({
    archiveId: row.id,
    identity: server.identity,
    key: keyOnServer(server.prefix, row.key),
    token: `token-${row.id}`,
    bytes: sizeBytes,
    limitBytes: server.limitBytes,
  })
  if (copyId === undefined) throw new Error(`no room on ${server.label}`)
  await catalog.markStored(copyId, {
    sizeBytes,
    etag: undefined,
    versionId: undefined,
    at: new Date(atMs),
  })
}
