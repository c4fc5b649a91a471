// Damaged files: refused with a clear error, or opened with right sums. Never silently wrong ones.

import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { tmpdir } from 'node:os'
import type { Catalog, ServerRow } from '../../src/catalog/catalog.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { isFailure } from '../../src/domain/errors.ts'
import {
  child,
  minutesAfter,
  randomFrom,
  ready,
  reserved,
  runSql,
  server,
  stored,
  temporaryFolder,
} from './fixtures.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const FLIPS = 400
const [near, far] = [server(1, { limitBytes: 1e6 }), server(2, { limitBytes: 1e6 })]

describe('a database file [F77]', () => {
  let whole: { readonly bytes: Buffer; readonly sums: unknown }

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'spillway-catalog-'))
    const path = join(folder, 'catalog.db')
    const catalog = await filled(path)
    const sums = sumsOf(await catalog.servers())
    await catalog.close()
    whole = { bytes: readFileSync(path), sums }
    rmSync(folder, { recursive: true })
  })

  // The second one once met a length of more than a gigabyte.
  it.each([SEED, 765_071])(
    'with flipped bytes is refused, or its sums are right (seed %i)',
    async (seed) => {
      const random = randomFrom(seed)
      const path = join(temporaryFolder(), 'catalog.db')
      const outcomes = { refused: 0, opened: 0 }
      for (let flip = 0; flip < FLIPS; flip += 1) {
        const bytes = Buffer.from(whole.bytes)
        // One bit, or a run of noise: a cosmic ray, or a sector of something else.
        const at = Math.floor(random() * bytes.length)
        const count = flip % 2 === 0 ? 1 : Math.ceil(random() * 64)
        for (let index = at; index < Math.min(at + count, bytes.length); index += 1)
          bytes[index]! ^=
            flip % 2 === 0 ? 1 << Math.floor(random() * 8) : Math.floor(random() * 256)
        for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
        writeFileSync(path, bytes)

        outcomes[await outcomeOf(path, whole.sums, `flip ${flip} at ${at}`)] += 1
      }
      expect(outcomes.refused).toBeGreaterThan(0)
      expect(outcomes.opened).toBeGreaterThan(0)
    },
    120_000,
  )

  it('that was cut is refused', async () => {
    const random = randomFrom(SEED)
    const path = join(temporaryFolder(), 'catalog.db')
    const cuts = Array.from({ length: 40 }, () => Math.floor(random() * whole.bytes.length))
    // The end of the last page is text: SQLite alone takes zeros for it.
    cuts.push(whole.bytes.length - 1, whole.bytes.length - 100)
    const pages = Array.from({ length: whole.bytes.length / 4_096 }, (_, page) => page * 4_096)
    for (const length of [...pages, ...cuts]) {
      for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
      writeFileSync(path, whole.bytes.subarray(0, length))

      await expect(openCatalog({ path, host: 'alpha' }), `${length} bytes`).rejects.toMatchObject({
        code: 'CATALOG_CORRUPT',
      })
      // Kept as it is: it may be all that is left.
      expect(statSync(path).size).toBe(length)
    }
  }, 60_000)

  it('with a wrong sum is refused, with both numbers', async () => {
    const path = join(temporaryFolder(), 'catalog.db')
    writeFileSync(path, whole.bytes)
    await runSql(path, `update s3_servers set used_bytes = used_bytes - 1 where id = 1`)

    const error: unknown = await openCatalog({ path, host: 'alpha' }).catch((e: unknown) => e)

    expect(error).toMatchObject({
      code: 'CATALOG_CORRUPT',
      message:
        `the catalog ${path} is damaged: the ledger of s1.example.com|night| says ` +
        '2999 used, 100 reserved, 30 copies, and its copies have 3000 used, 100 reserved, 30 copies',
    })
    const { hint } = error as { hint: string }
    expect(hint).toContain(`move ${path} aside, with ${path}-wal and ${path}-shm where they are`)
    expect(hint).toContain('the copies that lie on the servers brought back: spillway reconcile')
  })

  it.each([
    { name: 'a table', sql: 'drop table attempts' },
    { name: 'a column', sql: 'alter table s3_archives drop column reason' },
    { name: 'an index', sql: 'drop index copies_by_key' },
    {
      name: 'a column that sums need',
      sql: 'alter table s3_archives rename column reserved_bytes to x',
    },
  ])('that lacks $name is refused', async ({ sql }) => {
    const path = join(temporaryFolder(), 'catalog.db')
    writeFileSync(path, whole.bytes)
    await runSql(path, sql)

    await expect(openCatalog({ path, host: 'alpha' })).rejects.toMatchObject({
      code: 'CATALOG_CORRUPT',
      message: expect.stringContaining('its schema is not what it says') as string,
    })
  })

  it('may have more than we made: an index of somebody, statistics', async () => {
    const path = join(temporaryFolder(), 'catalog.db')
    writeFileSync(path, whole.bytes)
    await runSql(path, 'create index theirs on archives (sha256)')
    await runSql(path, 'analyze')

    const catalog = await openCatalog({ path, host: 'alpha' })
    await catalog.check()
    await catalog.close()
  })

  it('whose counts of stored copies are wrong is found by check', async () => {
    const path = join(temporaryFolder(), 'catalog.db')
    writeFileSync(path, whole.bytes)
    await runSql(path, `update archives set stored_copies = 9 where file like '%023700%'`)
    const catalog = await openCatalog({ path, host: 'alpha' })
    onTestFinished(() => catalog.close())

    await expect(catalog.check()).rejects.toMatchObject({
      code: 'CATALOG_CORRUPT',
      message: expect.stringContaining('another number of stored copies') as string,
    })
  })
})

describe('a write-ahead log that a killed process left', () => {
  const FRAME_BYTES = 4_096 + 24

  it(`is good up to where it was cut (seed ${SEED}) [F06a]`, async () => {
    const { path, sizeBytes } = await killed()
    const random = randomFrom(SEED)
    const frames = Array.from({ length: Math.floor(sizeBytes / FRAME_BYTES) }, (_, i) => i)
    const atFrames = frames.map((frame) => 32 + frame * FRAME_BYTES)
    const anywhere = Array.from({ length: 40 }, () => Math.floor(random() * sizeBytes))
    for (const length of [0, 31, ...atFrames, ...anywhere]) {
      const copy = copied(path)
      truncateSync(`${copy}-wal`, length)

      const catalog = await openCatalog({ path: copy, host: 'alpha' })
      await expect(catalog.check(), `${length} bytes`).resolves.toBeUndefined()
      await catalog.close()
    }
  }, 120_000)

  it(`is good up to where a byte was flipped (seed ${SEED}) [F06a]`, async () => {
    const { path, sizeBytes } = await killed()
    const random = randomFrom(SEED)
    for (let flip = 0; flip < 60; flip += 1) {
      const copy = copied(path)
      const wal = readFileSync(`${copy}-wal`)
      const at = Math.floor(random() * sizeBytes)
      wal[at]! ^= 1 << Math.floor(random() * 8)
      writeFileSync(`${copy}-wal`, wal)

      const catalog = await openCatalog({ path: copy, host: 'alpha' })
      await expect(catalog.check(), `flip at ${at}`).resolves.toBeUndefined()
      await catalog.close()
    }
  }, 120_000)
})

/** 30 archives stored on each server, one under way on the first, one uncertain on the second. */
async function filled(path: string): Promise<Catalog> {
  const catalog = await openCatalog({ path, host: 'alpha' })
  await catalog.registerServers([near, far])
  for (let minute = 0; minute < 30; minute += 1) {
    const archive = await ready(catalog, 'home', minutesAfter(minute))
    await stored(catalog, archive, near)
    await stored(catalog, archive, far)
    if (minute % 2 === 0) await catalog.markLocalGone(archive.id)
  }
  await reserved(catalog, await ready(catalog), near)
  await catalog.markUncertain(await reserved(catalog, await ready(catalog), far), 'lost')
  return catalog
}

function sumsOf(rows: readonly ServerRow[]) {
  return rows.map(({ usedBytes, reservedBytes, archives }) => [usedBytes, reservedBytes, archives])
}

/** Every call either works or says that the catalog is damaged; what is summed is right. */
async function outcomeOf(path: string, sums: unknown, what: string): Promise<'refused' | 'opened'> {
  let catalog: Catalog
  try {
    catalog = await openCatalog({ path, host: 'alpha' })
  } catch (error) {
    expect(isClear(error), `${what}: ${String((error as Error).stack)}`).toBe(true)
    return 'refused'
  }
  try {
    expect(sumsOf(await catalog.servers()), what).toEqual(sums)
    for (const call of [
      () => catalog.archives(),
      () => catalog.waitingArchives({ copies: 2, servers: [near] }),
      () => catalog.unsettledCopies(),
      () => catalog.keysOn(near.identity),
      () => catalog.check(),
    ]) {
      const error: unknown = await call().catch((e: unknown) => e)
      if (error instanceof Error)
        expect(isClear(error), `${what}: ${String(error.stack)}`).toBe(true)
    }
  } catch (error) {
    // servers() itself found a value that cannot be, or no server of that name: both are clear.
    expect(isClear(error), `${what}: ${String((error as Error).stack)}`).toBe(true)
  } finally {
    await catalog.close()
  }
  return 'opened'
}

function isClear(error: unknown): boolean {
  return isFailure(error, 'CATALOG_CORRUPT', 'CATALOG_NEWER', 'CATALOG_UNAVAILABLE')
}

async function killed(): Promise<{ readonly path: string; readonly sizeBytes: number }> {
  const path = join(temporaryFolder(), 'catalog.db')
  await (await filled(path)).close()
  const script = `
    const catalog = await openCatalog({ path: args[0], host: 'alpha' })
    for (let round = 0; round < 20; round += 1) {
      const { id, key } = await catalog.beginArchive({
        id: newArchiveId(Date.now()), source: 'home', sourceKind: 'folder',
        startedAt: new Date(0), spoolDir: '/spool' })
      const copyId = await catalog.reserve({ archiveId: id, identity: args[1], key, token: id,
        bytes: 10, limitBytes: 1e9 })
      if (round % 2) await catalog.markStored(copyId,
        { sizeBytes: 7, etag: 'e', versionId: undefined, at: new Date() })
    }
    process.kill(process.pid, 'SIGKILL')
  `
  const victim = child(script, path, near.identity)
  await victim.output
  expect(victim.process.signalCode).toBe('SIGKILL')
  return { path, sizeBytes: statSync(`${path}-wal`).size }
}

function copied(path: string): string {
  const copy = join(temporaryFolder(), 'catalog.db')
  for (const suffix of ['', '-wal'])
    if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix)
  return copy
}
