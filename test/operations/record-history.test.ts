// Real runs against model servers: what is recorded while an archive is sent, what a later run makes up
// for, and that nothing of it can hurt an archive.

import { chmod, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { diffArchives } from '../../src/operations/diff.ts'
import { findFiles } from '../../src/operations/find.ts'
import { pathHistory } from '../../src/operations/history.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import { configOf } from '../support/catalog-story.ts'
import { startS3Model } from '../support/s3-model.ts'
import { World } from '../support/world.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { RunEvent } from '../../src/domain/run-events.ts'
import type { RunServices } from '../../src/operations/run.ts'

let world: World
beforeEach(async () => {
  world = await World.make([{}])
  await mkdir(join(world.source, 'sub'))
  await writeFile(join(world.source, 'sub', 'kept.txt'), 'the same for ever')
  await writeFile(join(world.source, 'edited.txt'), 'one')
})
afterEach(() => world.close())

it('knows what each night held, also when every server is away', async () => {
  expect((await world.run()).outcome).toBe('ok')
  await writeFile(join(world.source, 'edited.txt'), 'three')
  await rm(join(world.source, 'sub', 'kept.txt'))
  await writeFile(join(world.source, 'new\nline'), '')
  expect((await world.run()).outcome).toBe('ok')
  await Promise.all(world.models.map((model) => model.close()))

  await world.withCatalog(async (catalog) => {
    const services = servicesOf(catalog)
    const [later, earlier] = await catalog.archives()
    expect(await find(catalog, '*')).toMatchObject([
      { path: 'edited.txt', sizeBytes: 5, versions: 2, archives: 2, newest: { id: later?.id } },
      { path: 'new\nline', versions: 1, goneAt: null },
      { path: 'sub', kind: 'directory', versions: 2 },
      {
        path: 'sub/kept.txt',
        newest: { id: earlier?.id },
        goneAt: later?.startedAt.toISOString(),
      },
    ])
    const { histories } = await pathHistory(services, { ...everywhere, path: 'edited.txt' })
    expect(histories).toMatchObject([
      {
        source: 'docs',
        versions: [
          { event: 'appeared', sizeBytes: 3, archives: [{ id: earlier?.id }] },
          { event: 'changed', changes: ['size', 'time'], sizeBytes: 5, until: null },
        ],
      },
    ])
    const { differences, unchanged } = await diffArchives(services, {
      from: earlier!.file,
      to: later!.file,
      limit: 10,
    })
    expect(differences).toMatchObject([
      { difference: 'changed', path: 'edited.txt', before: { sizeBytes: 3 } },
      { difference: 'added', path: 'new\nline' },
      { difference: 'removed', path: 'sub/kept.txt' },
    ])
    // The two folders: only their times changed, and by what is listed.
    expect(unchanged.files).toBe(2)
  })
  world.models.length = 0
})

it('tells the time to the nanosecond, and the mode', async () => {
  await chmod(join(world.source, 'edited.txt'), 0o640)
  await utimes(join(world.source, 'edited.txt'), 1_700_000_000.25, 1_700_000_000.25)
  await world.run()

  await world.withCatalog(async (catalog) => {
    expect(await find(catalog, 'edited.txt')).toMatchObject([
      { modifiedAt: '2023-11-14T22:13:20.250000000Z', mode: '0640' },
    ])
  })
})

it('warns when it cannot record, stores the archive all the same, and the next run makes up for it from the server', async () => {
  const report = await world.run({ change: withoutCommit })
  expect(report).toMatchObject({ outcome: 'warnings', exit: 3 })
  expect(report.archives).toMatchObject([{ state: 'stored' }])
  expect(report.warnings[0]).toMatch(/^the files of .* are not known to find and history: no room$/)
  await world.withCatalog(async (catalog) => {
    const { files, unknown } = await findFiles(servicesOf(catalog), search('edited'))
    expect([files, unknown.length]).toEqual([[], 1])
  })

  expect((await world.run()).outcome).toBe('ok')

  await world.withCatalog(async (catalog) => {
    const { files, unknown } = await findFiles(servicesOf(catalog), search('edited'))
    expect(unknown).toEqual([])
    expect(files).toMatchObject([{ versions: 1, archives: 2 }])
  })
  // Once in vain at the end of the first run, and once by the second one.
  expect(rangesRead()).toEqual([expect.stringMatching(/^bytes=0-/), rangesRead()[0]])
  expect(await world.audit()).toEqual([])
})

it('makes up for it from the spool where the archive still waits', async () => {
  world.env['LOCAL_KEEP'] = '5'
  await world.run({ change: withoutCommit })
  await world.run()

  expect(rangesRead()).toEqual([])
  await world.withCatalog(async (catalog) => {
    expect(await find(catalog, 'edited')).toMatchObject([{ archives: 2 }])
  })
})

it('says which archives it does not know while their server is away, and records them when it is back', async () => {
  await world.run({ change: withoutCommit })
  world.env['S3_SERVER_1_ENABLED'] = 'false'
  const endpoint = world.env['S3_SERVER_1_ENDPOINT']!
  const other = await mkdir(join(world.folder, 'disk'), { recursive: true })
  world.env['S3_SERVER_2_ENDPOINT'] = `file://${other}`
  const events: RunEvent[] = []
  await world.run({
    onEvent: (event) => void events.push(event),
    change: (services) => unreachable(services, endpoint),
  })

  expect(notesIn(events)).toContain(
    'the files of one archive are not known to find and history yet; a later run reads them',
  )
  await world.withCatalog(async (catalog) => {
    const { files, unknown } = await findFiles(servicesOf(catalog), search('edited'))
    expect(files).toMatchObject([{ archives: 1 }])
    expect(unknown).toMatchObject([{ source: 'docs', reason: null }])
  })
  await world.run()
  await world.withCatalog(async (catalog) => {
    expect(await find(catalog, 'edited')).toMatchObject([{ archives: 3, versions: 1 }])
  })
})

it('reads another copy where the index of one is damaged', async () => {
  world.env['LOCAL_KEEP'] = '5'
  await world.run({ change: withoutCommit })
  await damageInSpool()

  expect((await world.run()).warnings).toEqual([])
  await world.withCatalog(async (catalog) => {
    expect(await find(catalog, 'edited')).toMatchObject([{ archives: 2 }])
  })
})

it('tells an index that is damaged everywhere once, and does not read it every night', async () => {
  world.env['LOCAL_KEEP'] = '5'
  await world.run({ change: withoutCommit })
  const { name, position } = await damageInSpool()
  const key = world.models[0]!.objects().find((object) => object.key.endsWith(name))!.key
  world.models[0]!.corrupt(key, position)

  const report = await world.run()
  expect(report.exit).toBe(3)
  expect(report.warnings.join()).toContain(`the files of ${name} are not known`)

  expect((await world.run()).warnings).toEqual([])
  await world.withCatalog(async (catalog) => {
    const { unknown } = await findFiles(servicesOf(catalog), search('edited'))
    expect(unknown).toMatchObject([{ file: name }])
    expect(unknown[0]?.reason).toContain('damaged')
  })
})

it('reads such an archive again once a copy is there whose index is whole', async () => {
  await world.run({ change: withoutCommit })
  const { key, metadata } = archives()[0]!
  const whole = world.models[0]!.bytesOf(key)
  world.models[0]!.corrupt(key, indexAt(whole))
  expect((await world.run()).exit).toBe(3)
  expect((await world.run()).warnings).toEqual([])

  // Somebody brings the object back from a backup; verifying proves every frame of it.
  world.models[0]!.seed(key, whole, metadata)
  world.env['VERIFY_NIGHTLY_GB'] = '1'
  await world.run()
  expect((await world.run()).warnings).toEqual([])

  await world.withCatalog(async (catalog) => {
    const { unknown } = await findFiles(servicesOf(catalog), search('edited'))
    expect(unknown).toEqual([])
  })
})

it('reads such an archive again once another copy of it is stored', async () => {
  world.env['LOCAL_KEEP'] = '5'
  await world.run({ change: withoutCommit })
  const { name, position } = await damageInSpool()
  const { key } = archives()[0]!
  const sound = world.models[0]!.bytesOf(key)
  world.models[0]!.corrupt(key, position)
  expect((await world.run()).exit).toBe(3)
  await writeFile(inSpool(name), sound)
  expect((await world.run()).warnings).toEqual([])
  const unknownNow = () =>
    world.withCatalog(async (catalog) => {
      const { unknown } = await findFiles(servicesOf(catalog), search('edited'))
      return unknown.length
    })
  expect(await unknownNow()).toBe(1)

  const model = await startS3Model({ buckets: ['backups'] })
  world.models.push(model)
  world.configure(2, model.endpoint, model)
  world.env['COPIES'] = '2'
  await world.run()

  expect(await unknownNow()).toBe(0)
})

it('fills a damaged history again from the archives', async () => {
  await world.run()
  await world.withCatalog(async (catalog) => {
    const [history] = await catalog.histories()
    const recording = await catalog.beginRecording(history!.host, history!.source)
    const archive = (await catalog.archives())[0]!
    await catalog.dropHistory(history!.id)
    const again = await catalog.beginRecording(history!.host, history!.source)
    expect(again.historyId).toBe(recording.historyId)
    await catalog.commitRecording(again, {
      archiveId: archive.id,
      blocks: [{ segment: 0, versionCount: 1, firstPath: '', bytes: Buffer.from('no frame') }],
      replaced: [],
      letGo: [],
      sweptSegment: 0,
    })
    await expect(find(catalog, 'edited')).rejects.toMatchObject({ code: 'CATALOG_CORRUPT' })
  })

  expect((await world.run()).warnings.join()).toContain('the history of files in the catalog is')

  await world.withCatalog(async (catalog) => {
    expect(await find(catalog, 'edited')).toMatchObject([{ archives: 2, versions: 1 }])
  })
})

it('records what a rebuild brought of another host, after our own', async () => {
  await world.run({ change: withoutCommit })
  world.env['SERVER_ID'] = 'new-host'
  expect((await world.run()).outcome).toBe('ok')

  await world.withCatalog(async (catalog) => {
    const { files, unknown } = await findFiles(servicesOf(catalog), search('edited'))
    expect(unknown).toEqual([])
    expect(files.map(({ host }) => host)).toEqual(['host', 'new-host'])
  })
})

/** One byte in the index of the only archive there. */
/** The second zstd frame: behind the only one of the tar comes the index. */
function indexAt(bytes: Buffer): number {
  return bytes.indexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), 8)
}

function archives() {
  return world.models[0]!.objects().filter(({ key }) => key.endsWith('.tar.zst'))
}

async function damageInSpool(): Promise<{ name: string; position: number }> {
  const name = (await readdir(inSpool(''))).find((file) => file.endsWith('.tar.zst'))!
  const bytes = await readFile(inSpool(name))
  const position = indexAt(bytes)
  bytes[position]! ^= 0xff
  // A new file: the old one may be open.
  await writeFile(inSpool('damaged'), bytes)
  await rename(inSpool('damaged'), inSpool(name))
  return { name, position }
}

function inSpool(name: string): string {
  return join(world.folder, 'data', 'spool', name)
}

const everywhere = { source: undefined, includesDeleted: false }

function search(pattern: string) {
  return { ...everywhere, pattern, ignoresCase: false, limit: 100 }
}

function servicesOf(catalog: Catalog) {
  return { catalog, config: configOf({ serverId: 'host' }) }
}

async function find(catalog: Catalog, pattern: string) {
  return (await findFiles(servicesOf(catalog), search(pattern))).files
}

function notesIn(events: readonly RunEvent[]): readonly string[] {
  return events.flatMap((event) => (event.kind === 'note' ? event.message : []))
}

/** As when the disk of the catalog is full at that very moment, or the process ends there. */
function withoutCommit(services: RunServices): RunServices {
  const commitRecording = () => Promise.reject(new SpillwayError('CATALOG_UNAVAILABLE', 'no room'))
  return { ...services, catalog: { ...services.catalog, commitRecording } }
}

function unreachable(services: RunServices, endpoint: string): RunServices {
  const { pool } = services
  const ready = pool.ready.bind(pool)
  pool.ready = (server, signal) =>
    server.endpoint === endpoint
      ? Promise.reject(new SpillwayError('SERVER_UNREACHABLE', 'away'))
      : ready(server, signal)
  return services
}

/** Of archives, by their reads. */
function rangesRead(): readonly (string | undefined)[] {
  return world.models[0]!.log.filter(
    ({ operation, key }) => operation === 'Get' && key.endsWith('.tar.zst'),
  ).map(({ headers }) => headers.range)
}
