import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { SpillwayError } from '../../src/domain/errors.ts'
import { spillway } from '../support/command-sources.ts'
import { QUICK, World } from '../support/world.ts'
import type { S3Model } from '../support/s3-model.ts'
import type { WorldServer } from '../support/world.ts'

const MB = 1_000_000

let world: World
afterEach(async () => {
  await world.close()
})

async function start(servers: readonly WorldServer[]): Promise<World> {
  world = await World.make(servers)
  return world
}

describe('a run', () => {
  it('stores each archive under HOST/YYYY/MM/DD on the first server, and says so', async () => {
    await start([{}, {}])
    await writeFile(join(world.source, 'a.txt'), 'hello')

    const report = await world.run()

    const [archive] = report.archives
    expect(report).toMatchObject({
      outcome: 'ok',
      exit: 0,
      sources: [{ name: 'docs', outcome: 'ok' }],
    })
    expect(archive).toMatchObject({
      source: 'docs',
      state: 'stored',
      location: 's3',
      server: { number: 1, bucket: 'backups' },
    })
    expect(archive?.key).toMatch(/^host\/\d{4}\/\d{2}\/\d{2}\/docs-\d{8}-\d{6}\.tar\.zst$/)
    const on = (model: S3Model) => model.objects().map(({ key, sizeBytes }) => ({ key, sizeBytes }))
    const catalogCopy = {
      key: expect.stringMatching(
        /^spillway-catalog\/host\/catalog-\d{8}-\d{6}\.db\.zst$/,
      ) as string,
      sizeBytes: expect.any(Number) as number,
    }
    expect(world.models.map(on)).toEqual([
      [{ key: archive?.key, sizeBytes: archive?.sizeBytes }, catalogCopy],
      [catalogCopy],
    ])
    expect(await world.audit()).toEqual([])
  })

  it('sends an archive of several parts while it is still being packed', async () => {
    await start([{}])
    await world.noise('big', 60 * MB)
    const order: string[] = []

    const report = await world.run({ onEvent: ({ kind }) => order.push(kind) })

    expect(report.exit).toBe(0)
    expect(order.indexOf('upload-started')).toBeLessThan(order.indexOf('packed'))
    expect(world.models[0]!.count('UploadPart')).toBe(4)
    expect(await world.audit()).toEqual([])
  })

  it('leaves nothing in the spool once everything is stored, and LOCAL_KEEP archives if told to', async () => {
    await start([{}])
    await world.noise('a', 10_000)
    await world.run()
    expect(await spooled()).toEqual([])

    world.env['LOCAL_KEEP'] = '1'
    const { archives } = await world.run()
    expect(archives[0]).toMatchObject({ location: 'both' })
    expect(await spooled()).toEqual([archives[0]?.file])
  })

  it('fills the servers in the order of their numbers and never over their limits, for forty nights', async () => {
    // 9 kB a night; 5 nights fit into 50 kB, since copies of the catalog (5 kB) give way to archives.
    await start([{ limitGb: 0.00005 }, { limitGb: 0.00005 }, { limitGb: 0.001 }])
    await world.noise('a', 8_400)

    const servers: (number | undefined)[] = []
    for (let night = 0; night < 40; night += 1) {
      const { archives, exit } = await world.run()
      expect(exit).toBe(0)
      servers.push(archives[0]?.server?.number)
    }

    expect(servers).toEqual([...nights(5, 1), ...nights(5, 2), ...nights(30, 3)])
    // Of everything that ever lay there at once, copies of the catalog included.
    for (const model of world.models.slice(0, 2))
      expect(model.highWaterBytes).toBeLessThanOrEqual(50_000)
    expect(await world.audit()).toEqual([])
  }, 120_000)

  it('counts what others put on a server against its limit', async () => {
    await start([{ limitGb: 0.00005 }, {}])
    world.models[0]!.seed('other-host/2026/01/01/x.tar.zst', Buffer.alloc(45_000))
    await world.noise('a', 8_400)

    const { archives } = await world.run()

    expect(archives[0]?.server?.number).toBe(2)
    expect(archives[0]?.attempts.map(({ server, outcome }) => [server, outcome])).toEqual([
      [1, 'full'],
      [2, 'stored'],
    ])
  })

  it('keeps an archive that no server took, ends with 23, and sends it first the next time [F32]', async () => {
    await start([{ entry: { SECRET_KEY: 'wrong' } }, { limitGb: 0.000001 }])
    await world.noise('a', 10_000)

    const first = await world.run()
    expect(first).toMatchObject({
      exit: 23,
      outcome: 'failed',
      sources: [{ outcome: 'failed', code: 'NO_SERVER_LEFT' }],
    })
    expect(first.archives[0]).toMatchObject({ state: 'waiting', location: 'local', server: null })
    expect(
      first.archives[0]?.attempts.map(({ server, outcome, code }) => [server, outcome, code]),
    ).toEqual([
      [1, 'misconfigured', 'SignatureDoesNotMatch'],
      [2, 'full', 'STORAGE_LIMIT'],
    ])
    expect((await stat(join(world.folder, 'data/spool', first.archives[0]!.file))).size).toBe(
      first.archives[0]!.sizeBytes,
    )

    world.configure(1, world.models[0]!.endpoint, world.models[0]!)
    const second = await world.run()
    expect(second.exit).toBe(0)
    expect(second.archives.map(({ id, state }) => [id, state])).toEqual([
      [first.archives[0]?.id, 'stored'],
      [second.archives[1]?.id, 'stored'],
    ])
    expect(await world.audit()).toEqual([])
  })

  it('does not send what was damaged in the spool, and says so until somebody has looked', async () => {
    await start([{ entry: { SECRET_KEY: 'wrong' } }])
    await world.noise('a', 10_000)
    const [waiting] = (await world.run()).archives
    const path = join(world.folder, 'data/spool', waiting!.file)
    const bytes = await readFile(path)
    world.configure(1, world.models[0]!.endpoint, world.models[0]!)

    // In its content; and the header of the first frame, which then wants a dictionary, as none of ours does.
    for (const at of [4_000, 4]) {
      const damaged = Buffer.from(bytes)
      damaged.fill(0xff, at, at + 4)
      await writeFile(path, damaged)
      const report = await world.run()
      expect(report).toMatchObject({
        exit: 31,
        sources: [{ outcome: 'failed', code: 'ARCHIVE_CORRUPT' }],
        archives: [{ id: waiting!.id, state: 'waiting', attempts: [] }, { state: 'stored' }],
      })
      expect(report.sources[0]!.message).toContain('was damaged in the spool, and is not sent')
      expect(report.sources[0]!.hint).toContain(`then remove ${path}`)
      expect(await readFile(path)).toEqual(damaged)
    }
    await rm(path)
    expect((await world.run()).exit).toBe(36)
    expect((await world.run()).exit).toBe(0)
    expect(await world.audit()).toEqual([])
  })

  it('tells of what was damaged in the spool also where tonight has a failure of its own', async () => {
    await start([{ entry: { SECRET_KEY: 'wrong' } }])
    await world.noise('a', 10_000)
    const [waiting] = (await world.run()).archives
    const path = join(world.folder, 'data/spool', waiting!.file)
    const damaged = await readFile(path)
    damaged.fill(0xff, 4_000, 4_004)
    await writeFile(path, damaged)

    const report = await world.run()

    expect(report.sources).toMatchObject([{ code: 'NO_SERVER_LEFT' }])
    expect(report.warnings).toEqual([expect.stringContaining('was damaged in the spool')])
  })

  it('calls nothing damaged that another version of Spillway packed, and leaves it where it is', async () => {
    await start([{ entry: { SECRET_KEY: 'wrong' } }])
    await world.noise('a', 10_000)
    const [waiting] = (await world.run()).archives
    const path = join(world.folder, 'data/spool', waiting!.file)
    const bytes = ofVersion(2, await readFile(path))
    await writeFile(path, bytes)
    world.configure(1, world.models[0]!.endpoint, world.models[0]!)

    const report = await world.run()

    expect(report.exit).toBe(32)
    expect(report.sources[0]?.code).toBe('ARCHIVE_REFUSED')
    expect(report.sources[0]?.message).not.toContain('damaged')
    expect(report.sources[0]?.hint).toContain('use the version of Spillway that wrote it')
    expect(await readFile(path)).toEqual(bytes)
  })

  it('goes on with the other sources when one is missing, and with an empty one only if that is allowed [F52]', async () => {
    await start([{}])
    await world.noise('a', 1_000)
    await mkdir(join(world.folder, 'empty'))
    world.env['SOURCE_2_PATH'] = join(world.folder, 'gone')
    world.env['SOURCE_3_PATH'] = join(world.folder, 'empty')

    const report = await world.run()

    expect(report.sources.map(({ name, outcome, code }) => [name, outcome, code])).toEqual([
      ['docs', 'ok', null],
      ['gone', 'failed', 'SOURCE_MISSING'],
      ['empty', 'failed', 'SOURCE_EMPTY'],
    ])
    expect(report.exit).toBe(10)

    world.env['SOURCE_3_ALLOW_EMPTY'] = 'true'
    const again = await world.run()
    expect(again.sources[2]).toMatchObject({ name: 'empty', outcome: 'ok' })
    expect(await world.audit()).toEqual([])
  })

  it('never drops a waiting archive: a spool at its limit fails the source before packing', async () => {
    await start([{ entry: { SECRET_KEY: 'wrong' } }])
    await world.noise('a', 100_000)
    world.env['SPOOL_LIMIT_GB'] = '0.00015'
    const first = await world.run()

    const second = await world.run()

    expect(first.exit).toBe(23)
    expect(second.sources).toMatchObject([{ outcome: 'failed' }])
    expect(second.exit).toBe(23)
    expect(second.archives).toHaveLength(1)
    expect(await spooled()).toEqual([first.archives[0]?.file])
  })

  it('an interrupt ends it within seconds and leaves nothing half done', async () => {
    await start([{}])
    await world.noise('big', 80 * MB)
    world.env['UPLOAD_LIMIT_MBIT'] = '80'
    const stop = new AbortController()

    const report = await world.run({
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'uploading' && event.sentBytes > 2 * MB) stop.abort(new Error('enough'))
      },
    })

    expect(report.exit).toBe(130)
    expect(world.models[0]!.uploads()).toEqual([])
    expect(await world.audit()).toEqual([])
  })

  it('reaches COPIES different servers, and is not done before', async () => {
    await start([{}, { limitGb: 0.000001 }, {}])
    world.env['COPIES'] = '2'
    await world.noise('a', 10_000)

    const { archives, exit } = await world.run()

    expect(exit).toBe(0)
    expect(archives[0]?.copies.map(({ number }) => number)).toEqual([1, 3])
    expect(await world.audit()).toEqual([])
  })

  it('renumbering a server, or https instead of http, moves no usage', async () => {
    await start([{}, {}])
    await world.noise('a', 10_000)
    const { archives } = await world.run()
    const [one, two] = world.models
    world.configure(1, two!.endpoint, two!)
    world.configure(2, one!.endpoint, one!)

    const usage = await world.withCatalog(async (catalog) => {
      await catalog.registerServers([])
      return (await catalog.servers()).map(({ endpoint, usedBytes }) => [endpoint, usedBytes])
    })

    expect(usage).toContainEqual([one!.endpoint, archives[0]?.sizeBytes])
  })

  it('a spool whose disk is not mounted fails the run, and loses nothing that waits there [F12b]', async () => {
    await start([{ entry: { SECRET_KEY: 'wrong' } }])
    await world.noise('a', 10_000)
    const { archives } = await world.run()
    const [spool, aside] = [join(world.folder, 'data/spool'), join(world.folder, 'aside')]
    await rename(spool, aside)
    world.configure(1, world.models[0]!.endpoint, world.models[0]!)

    const away = await world.run()
    expect(away).toMatchObject({ exit: 34, outcome: 'failed', sources: [{ outcome: 'skipped' }] })

    await rm(spool, { recursive: true })
    await rename(aside, spool)
    const back = await world.run()
    expect(back.exit).toBe(0)
    expect(back.archives[0]).toMatchObject({ id: archives[0]?.id, state: 'stored' })
  })

  it('what waits under another SERVER_ID is told with the way to send it', async () => {
    await start([{ entry: { SECRET_KEY: 'wrong' } }])
    await world.noise('a', 10_000)
    await world.run()
    world.configure(1, world.models[0]!.endpoint, world.models[0]!)
    world.env['SERVER_ID'] = 'renamed'
    world.env['SOURCE_1_NAME'] = 'papers'

    const report = await world.run()

    expect(report.exit).toBe(3)
    expect(report.warnings.join('\n')).toContain('waits under the name of host host')
  })

  it('a key that may not list is told once, and works', async () => {
    await start([{ model: { denies: ['List'] } }])
    await world.noise('a', 10_000)

    const first = await world.run()
    expect(first.warnings.join('\n')).toContain('may not be listed')
    expect([first.exit, (await world.run()).exit]).toEqual([3, 0])
  })

  it('a failure of ours in the middle is told as what it is, and the other sources go on', async () => {
    await start([{}])
    await world.noise('big', 40 * MB)
    await mkdir(join(world.folder, 'small'))
    await writeFile(join(world.folder, 'small/a'), 'a')
    world.env['SOURCE_2_PATH'] = join(world.folder, 'small')
    let reads = 0

    const report = await world.run({
      change: (running) => ({
        ...running,
        partReader: {
          ...running.partReader,
          close: async () => {},
          readPart: async (input) => {
            reads += 1
            if (reads === 1) throw new SpillwayError('SPOOL_FAILED', 'the disk of the spool broke')
            return running.partReader.readPart(input)
          },
        },
      }),
    })

    expect(report.sources).toMatchObject([
      {
        name: 'docs',
        outcome: 'failed',
        code: 'SPOOL_FAILED',
        message: 'the disk of the spool broke',
      },
      { name: 'small', outcome: 'ok' },
    ])
    expect(report.exit).toBe(34)
  })

  it('with an env file that nobody filled in yet says all that is missing', async () => {
    await start([])
    const config = join(world.folder, 'unfilled.env')
    await writeFile(config, 'S3_SERVER_1_ENDPOINT=\nS3_SERVER_1_BUCKET=\nSOURCE_1_PATH=\n', {
      mode: 0o600,
    })

    const { exit, err } = await spillway(['run', '--config', config])

    expect(exit).toBe(4)
    expect(err).toContain('No S3 servers configured, and no sources')
    expect(err).toContain('S3_SERVER_1_... and SOURCE_1_PATH')
  })

  it('an archive lost from the spool before any server had it is told, not forgotten', async () => {
    await start([{ entry: { SECRET_KEY: 'wrong' } }])
    await world.noise('a', 10_000)
    const { archives } = await world.run()
    await rm(join(world.folder, 'data/spool', archives[0]!.file))

    const report = await world.run({ limits: QUICK })

    expect(report.warnings.join('\n')).toContain('archive lost')
    expect(report.exit).toBe(23)
  })
})

async function spooled(): Promise<readonly string[]> {
  const names = await readdir(join(world.folder, 'data/spool'))
  return names.filter((name) => name !== '.spillway-spool')
}

function nights(count: number, server: number): number[] {
  return Array.from({ length: count }, () => server)
}

/** The same archive, as another version of the format would tell of itself. */
function ofVersion(version: number, archive: Buffer): Buffer {
  const at = archive.lastIndexOf('{"format":"spillway"')
  const [hashAt, sizeAt] = [at - 32, at - 36]
  const end = hashAt + archive.readUInt32LE(sizeAt)
  const json = archive.toString('utf8', at, end).replace('"version":1', `"version":${version}`)
  const bytes = Buffer.from(archive)
  bytes.write(json, at)
  createHash('sha256').update(json).digest().copy(bytes, hashAt)
  return bytes
}
