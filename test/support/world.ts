// A whole installation in a temporary folder: model servers, an env file, sources, a catalog. Nothing
// in it is pretended but the servers, and those keep the S3 contract (test/contract).

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openServices } from '../../src/compose.ts'
import { run } from '../../src/operations/run.ts'
import { QUICK } from './quick-limits.ts'
import { startS3Model } from './s3-model.ts'
import type { ArchiveWithCopies, Catalog } from '../../src/catalog/catalog.ts'
import type { LimitOverrides } from '../../src/compose.ts'
import type { RunEvent } from '../../src/domain/run-events.ts'
import type { RunServices } from '../../src/operations/run.ts'
import type { RunReport } from '../../src/domain/run-report.ts'
import type { S3Model, S3ModelOptions } from './s3-model.ts'

export type WorldServer = {
  readonly model?: S3ModelOptions
  readonly limitGb?: number
  /** Other variables of its entry, e.g. { SECRET_KEY: 'wrong' }. */
  readonly entry?: Readonly<Record<string, string>>
}

export { QUICK } from './quick-limits.ts'

export class World {
  readonly folder: string
  readonly source: string
  readonly models: S3Model[] = []
  /** Variables of the env file; change them between runs. */
  readonly env: Record<string, string> = {}

  private constructor(folder: string) {
    this.folder = folder
    this.source = join(folder, 'source')
  }

  static async make(servers: readonly WorldServer[]): Promise<World> {
    const world = new World(await mkdtemp(join(tmpdir(), 'spillway-world-')))
    await mkdir(world.source)
    world.env['SERVER_ID'] = 'host'
    world.env['SOURCE_1_NAME'] = 'docs'
    world.env['SOURCE_1_PATH'] = world.source
    for (const [index, server] of servers.entries()) {
      const model = await startS3Model({ buckets: ['backups'], ...server.model })
      world.models.push(model)
      world.configure(index + 1, model.endpoint, model, server)
    }
    return world
  }

  configure(number: number, endpoint: string, model: S3Model, server: WorldServer = {}): void {
    const entry = {
      ENDPOINT: endpoint,
      REGION: model.keys.region,
      BUCKET: 'backups',
      ACCESS_KEY: model.keys.accessKey,
      SECRET_KEY: model.keys.secretKey,
      STORAGE_LIMIT_GB: String(server.limitGb ?? 1),
      ...server.entry,
    }
    for (const [name, value] of Object.entries(entry))
      this.env[`S3_SERVER_${number}_${name}`] = value
  }

  get envFile(): string {
    return join(this.folder, '.env')
  }

  async writeEnv(): Promise<string> {
    const lines = Object.entries(this.env).map(([name, value]) => `${name}=${value}\n`)
    await writeFile(this.envFile, lines.join(''), { mode: 0o600 })
    return this.envFile
  }

  /** A file of noise, which becomes an archive of about that size. */
  async noise(name: string, bytes: number): Promise<void> {
    await writeFile(join(this.source, name), randomBytes(bytes))
  }

  async run(
    input: {
      readonly limits?: LimitOverrides
      readonly signal?: AbortSignal
      readonly onEvent?: (event: RunEvent) => void
      /** Replaces parts of what the run works with, to make them fail. */
      readonly change?: (services: RunServices) => RunServices
    } = {},
  ): Promise<RunReport> {
    const services = await openServices(
      { configFile: await this.writeEnv() },
      input.limits ?? QUICK,
    )
    try {
      return await services.withRun(input.onEvent ?? (() => {}), (running) =>
        run(
          input.change?.(running) ?? running,
          { sourceNames: [] },
          input.signal ?? new AbortController().signal,
        ),
      )
    } finally {
      await services.close()
    }
  }

  async withCatalog<Result>(work: (catalog: Catalog) => Promise<Result>): Promise<Result> {
    const services = await openServices({ configFile: await this.writeEnv() }, QUICK)
    try {
      return await work(await services.catalog())
    } finally {
      await services.close()
    }
  }

  /** Archives that are on none of the servers, though one at least was asked for. */
  waiting(): Promise<readonly ArchiveWithCopies[]> {
    return this.withCatalog(async (catalog) =>
      catalog.waitingArchives({ copies: 1, servers: await catalog.servers() }),
    )
  }

  /**
   * The ledger against what the servers really hold: every stored row has its object, every object has
   * its row, nothing is left open, and no sum is off by a byte.
   */
  async audit(): Promise<readonly string[]> {
    return this.withCatalog(async (catalog) => {
      const wrong: string[] = []
      const archives = await catalog.archives()
      for (const [index, model] of this.models.entries()) {
        const row = (await catalog.servers()).find(({ endpoint }) =>
          endpoint.includes(`:${model.port}`),
        )
        if (row === undefined) continue
        const copies = archives
          .flatMap((archive) => archive.copies)
          .filter(({ identity, state }) => identity === row.identity && state === 'stored')
        const rows = new Map(copies.map(({ key, sizeBytes }) => [key, sizeBytes]))
        const objects = new Map(model.objects().map(({ key, sizeBytes }) => [key, sizeBytes]))
        const where = `server ${index + 1}`
        for (const [key, size] of rows) {
          if (objects.get(key) !== size)
            wrong.push(`${where}: row ${key} has ${size} bytes, the server ${objects.get(key)}`)
        }
        const snapshots = new Map(
          (await catalog.snapshots())
            .filter(({ identity, state }) => identity === row.identity && state === 'stored')
            .map(({ key, sizeBytes }) => [key, sizeBytes]),
        )
        for (const [key, size] of snapshots) {
          if (objects.get(key) !== size)
            wrong.push(
              `${where}: copy ${key} of the catalog has ${size} bytes, not ${objects.get(key)}`,
            )
        }
        let [held, heldCatalog] = [0, 0]
        for (const [key, size] of objects) {
          if (!rows.has(key) && !snapshots.has(key))
            wrong.push(`${where}: object ${key} has no row`)
          if (snapshots.has(key)) heldCatalog += size
          else held += size
        }
        if (row.usedBytes !== held) wrong.push(`${where}: used ${row.usedBytes}, held ${held}`)
        if (row.catalogBytes !== heldCatalog)
          wrong.push(`${where}: catalog ${row.catalogBytes}, held ${heldCatalog}`)
        if (row.reservedBytes !== 0)
          wrong.push(`${where}: ${row.reservedBytes} bytes still reserved`)
        for (const { key } of model.uploads())
          wrong.push(`${where}: upload of ${key} is still open`)
      }
      return wrong
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.models.map((model) => model.close()))
    await rm(this.folder, { recursive: true, force: true })
  }
}
