// Everything leaves a server, proven elsewhere first: what is moved, what is only removed, what stays and
// why; and that it can be ended at any moment and run again.

import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createArchiveUses } from '../../src/catalog/archive-use.ts'
import { evacuate } from '../../src/operations/evacuate.ts'
import { isFailure } from '../../src/domain/errors.ts'
import { openServices } from '../../src/compose.ts'
import { planEvacuation } from '../../src/operations/evacuate-plan.ts'
import { QUICK, World } from '../support/world.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import type { EvacuateInput } from '../../src/operations/evacuate.ts'
import type { Evacuation } from '../../src/operations/evacuate-record.ts'
import type { S3Model } from '../support/s3-model.ts'
import type { WorldServer } from '../support/world.ts'

const MB = 1_000_000

let world: World
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await world.close()
})

/** Nights that were archived before anything is moved. */
async function start(
  servers: readonly WorldServer[],
  { copies = 1, nights = 1, bytes = 50_000 } = {},
): Promise<void> {
  world = await World.make(servers)
  world.env['COPIES'] = String(copies)
  await world.noise('a', bytes)
  for (let night = 0; night < nights; night += 1) expect((await world.run()).exit).toBe(0)
}

/** As its operator would: nothing new goes there. */
function disable(number: number): void {
  world.env[`S3_SERVER_${number}_ENABLED`] = 'false'
}

async function leave(
  number: number,
  input: Partial<EvacuateInput> = {},
  signal = new AbortController().signal,
): Promise<Evacuation> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const { openStorage } = services
  try {
    return await services.withRun(
      () => {},
      (running) => evacuate({ ...running, openStorage }, { number, ...input }, signal),
    )
  } finally {
    await services.close()
  }
}

async function plan(number: number): Promise<Evacuation> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    return await planEvacuation(
      { config: services.config, catalog: await services.catalog() },
      number,
    )
  } finally {
    await services.close()
  }
}

/** Not the copies of the catalog. */
function archivesOn(number: number): readonly string[] {
  const keys = world.models[number - 1]!.objects().map(({ key }) => key)
  return keys.filter((key) => key.startsWith('host/')).toSorted()
}

function contentOf(number: number): ReadonlyMap<string, string> {
  const model = world.models[number - 1]!
  return new Map(archivesOn(number).map((key) => [key, model.bytesOf(key).toString('base64')]))
}

async function spooled(): Promise<readonly string[]> {
  const names = await readdir(join(world.folder, 'data/spool'))
  return names.filter((name) => !name.startsWith('.'))
}

async function mortal(number: number) {
  const model = world.models[number - 1]!
  const proxy = await startFaultProxy({ target: model.endpoint })
  closing.push(() => proxy.close())
  world.configure(number, proxy.endpoint, model)
  // The audit looks for the server under the address that the catalog knows.
  world.models[number - 1] = Object.create(model, { port: { value: proxy.port } }) as S3Model
  return proxy
}

/** Somebody deletes everything there, and tells nobody. */
async function lose(number: number): Promise<void> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    const server = services.config.servers.find((each) => each.number === number)!
    const storage = (await services.openStorage())(server, true)
    for (const key of archivesOn(number))
      await storage.remove(key, undefined, new AbortController().signal)
    storage.close()
  } finally {
    await services.close()
  }
}

/** Gone from there, and noticed. */
async function missOn(number: number): Promise<void> {
  await lose(number)
  await world.withCatalog(async (catalog) => {
    const [archive] = await catalog.archives()
    await catalog.markMissing(archive!.copies[number - 1]!.id, 'a HEAD said that it is gone')
  })
}

/** It died, and its operator took it out of the env file. */
function unconfigure(number: number): void {
  for (const name of Object.keys(world.env))
    if (name.startsWith(`S3_SERVER_${number}_`)) delete world.env[name]
}

async function statesOfCopies(): Promise<readonly string[]> {
  const archives = await world.withCatalog((catalog) => catalog.archives())
  return archives.flatMap(({ copies }) => copies.map(({ state }) => state))
}

describe('evacuate', () => {
  it('moves every archive to the next servers, byte for byte, off a disabled server', async () => {
    await start([{}, {}], { nights: 3, bytes: 20 * MB })
    disable(1)
    const before = contentOf(1)
    expect(before.size).toBe(3)
    expect(await plan(1)).toMatchObject({ dryRun: true, exit: 0, moved: 3, left: 0 })

    const seen: string[] = []
    const done = await leave(1, { onArchive: ({ action }) => seen.push(action) })

    expect(done).toMatchObject({ outcome: 'ok', exit: 0, moved: 3, removed: 0, left: 0 })
    expect(done.server).toMatchObject({ number: 1, enabled: false, usedBytes: 0 })
    expect(done.movedBytes).toBe([...done.archives].reduce((sum, each) => sum + each.sizeBytes, 0))
    expect(seen).toEqual(['move', 'move', 'move'])
    expect(contentOf(2)).toEqual(before)
    expect(archivesOn(1)).toEqual([])
    expect(await spooled()).toEqual([])
    expect(await world.audit()).toEqual([])
    expect((await leave(1)).archives).toEqual([])
  }, 60_000)

  it('only removes what has enough proven copies, and asks for their proof', async () => {
    await start([{}, {}, {}], { copies: 2, nights: 2 })
    disable(1)
    world.env['COPIES'] = '1'
    world.env['LOCAL_KEEP'] = '0'
    const sent = world.models[1]!.count('UploadPart') + world.models[2]!.count('UploadPart')
    const heads = world.models[1]!.count('Head')

    expect(await leave(1)).toMatchObject({ exit: 0, moved: 0, removed: 2, left: 0 })

    expect(world.models[1]!.count('UploadPart') + world.models[2]!.count('UploadPart')).toBe(sent)
    expect(world.models[1]!.count('Head')).toBeGreaterThanOrEqual(heads + 2)
    expect([archivesOn(1).length, archivesOn(2).length]).toEqual([0, 2])
    expect(await world.audit()).toEqual([])
  })

  it('keeps COPIES=2: the copy on the third server comes first', async () => {
    await start([{}, {}, {}], { copies: 2, nights: 2 })
    disable(1)

    const done = await leave(1)

    expect(done).toMatchObject({ exit: 0, moved: 2, archives: [{ to: [3] }, { to: [3] }] })
    expect([archivesOn(1), archivesOn(2), archivesOn(3)].map(({ length }) => length)).toEqual([
      0, 2, 2,
    ])
    expect(await world.audit()).toEqual([])
  })

  it('does not leave with fewer copies than there were, if no other server may take them', async () => {
    await start([{}, {}], { copies: 2 })
    expect(await leave(1)).toMatchObject({
      exit: 26,
      left: 1,
      archives: [{ action: 'leave', code: 'NO_SERVER_FOR_COPY' }],
    })
    expect(archivesOn(1)).toHaveLength(1)
  })

  it('moves what fits into the others, and says what stays and why', async () => {
    await start([{}, { limitGb: 0.00014 }], { nights: 3 })
    disable(1)
    const planned = await plan(1)

    const done = await leave(1)

    for (const each of [planned, done])
      expect(each).toMatchObject({ exit: 26, outcome: 'failed', moved: 2, left: 1 })
    expect(done.archives[2]).toMatchObject({ action: 'leave', code: 'NO_SERVER_FOR_COPY' })
    expect(done.archives[2]?.message).toMatch(/2: 127\.0\.0\.1\S*: not enough space, .* spare/)
    expect(done.hints.join()).toContain('raise a limit')
    expect(archivesOn(1)).toHaveLength(1)
    expect(world.models[0]!.log.filter(({ operation }) => operation === 'Get')).toHaveLength(2)
    expect(await world.audit()).toEqual([])

    world.env['S3_SERVER_2_STORAGE_LIMIT_GB'] = '1'
    expect(await leave(1)).toMatchObject({ exit: 0, moved: 1, left: 0 })
    expect(await world.audit()).toEqual([])
  })

  it('never propagates a damaged copy: it is named and stays, the others go', async () => {
    await start([{}, {}], { nights: 2, bytes: 2 * MB })
    disable(1)
    const [bad = ''] = archivesOn(1)
    world.models[0]!.corrupt(bad, 1_000_000)

    const done = await leave(1)

    expect(done).toMatchObject({ exit: 31, moved: 1, left: 1 })
    expect(done.archives.find(({ action }) => action === 'leave')?.message).toContain('damaged')
    expect(archivesOn(1)).toEqual([bad])
    expect(archivesOn(2)).not.toContain(bad)
    expect(await spooled()).toEqual([])
    expect(await world.audit()).toEqual([])
  })

  it('removes nothing while another copy cannot be proven', async () => {
    await start([{}, {}, {}], { copies: 2 })
    disable(1)
    world.models[1]!.change({ denies: ['Head'] })

    const done = await leave(1)

    expect(done).toMatchObject({ exit: 21, left: 1 })
    expect(done.archives[0]?.message).toContain('cannot be proven')
    expect(archivesOn(1)).toHaveLength(1)
    world.models[1]!.change({ denies: [] })
    expect(await leave(1)).toMatchObject({ exit: 0, left: 0 })
    expect(archivesOn(1)).toEqual([])
    expect(await world.audit()).toEqual([])
  })

  it('stops copying when the server denies every delete, and usage stays true', async () => {
    await start([{}, {}], { nights: 6 })
    disable(1)
    world.models[0]!.change({ denies: ['Delete'] })

    const done = await leave(1)

    expect(done).toMatchObject({ exit: 21, moved: 0, left: 6 })
    expect(world.models[0]!.count('Delete')).toBe(3)
    expect(archivesOn(2)).toHaveLength(3)
    const used = await world.withCatalog(async (catalog) =>
      (await catalog.servers()).map(({ archives }) => archives),
    )
    expect(used).toEqual([6, 3])

    world.models[0]!.change({ denies: [] })
    expect(await leave(1)).toMatchObject({ exit: 0, moved: 3, left: 0 })
    expect(archivesOn(1)).toEqual([])
    expect(archivesOn(2)).toHaveLength(6)
    expect(await world.audit()).toEqual([])
  }, 60_000)

  it('leaves an archive that is being restored', async () => {
    await start([{}, {}])
    disable(1)
    const [archive] = await world.withCatalog((catalog) => catalog.archives())
    const use = createArchiveUses(join(world.folder, 'data')).use(archive!.id)

    const done = await leave(1)

    expect(done).toMatchObject({ left: 1 })
    expect(done.archives[0]?.message).toContain('being restored')
    expect(archivesOn(1)).toHaveLength(1)
    use?.release()
    expect(await leave(1)).toMatchObject({ exit: 0, removed: 1 })
    expect(await world.audit()).toEqual([])
  })

  it('gives up at once when the server itself does not answer', async () => {
    await start([{}, {}])
    const proxy = await mortal(1)
    proxy.add({ times: 1_000, fault: { kind: 'reset', afterBytes: 0 } })
    await expect(leave(1)).rejects.toSatisfy((error) => isFailure(error, 'SERVER_CLOSED'))
    expect(archivesOn(2)).toEqual([])
  })

  it('refuses a number that is no server', async () => {
    await start([{}])
    await expect(leave(7)).rejects.toSatisfy((error) => isFailure(error, 'USAGE'))
  })

  it('reads on from another copy, and trusts none that it could not read', async () => {
    await start([{}, {}, {}], { copies: 2, bytes: 9 * MB })
    disable(1)
    // The copy that stays is read first.
    world.models[1]!.change({ denies: ['Get'] })

    const done = await leave(1)

    expect(done).toMatchObject({ exit: 21, left: 1, archives: [{ to: [3] }] })
    expect(done.archives[0]?.message).toContain('cannot be used')
    expect(contentOf(3)).toEqual(contentOf(1))
    world.models[1]!.change({ denies: [] })
    expect(await leave(1)).toMatchObject({ exit: 0, removed: 1, left: 0 })
    expect(await world.audit()).toEqual([])
  })

  it('settles what was missing there, and frees its bytes', async () => {
    await start([{}, {}, {}], { copies: 2 })
    disable(1)
    await lose(1)
    await world.withCatalog(async (catalog) => {
      const [archive] = await catalog.archives()
      await catalog.markMissing(archive!.copies[0]!.id, 'a HEAD said that it is gone')
    })

    const done = await leave(1)

    expect(done).toMatchObject({ exit: 0, removed: 1, left: 0, server: { usedBytes: 0 } })
    expect(await world.audit()).toEqual([])
  })

  it('keeps the record of what is missing there while its other copy is on no configured server', async () => {
    await start([{}, {}, {}], { copies: 2 })
    await missOn(2)
    unconfigure(1)
    disable(2)
    world.env['COPIES'] = '1'

    expect(await plan(2)).toMatchObject({ exit: 30, removed: 0, left: 1 })
    const done = await leave(2)

    expect(done).toMatchObject({ exit: 30, moved: 0, removed: 0, left: 1 })
    expect(done.archives).toMatchObject([{ action: 'leave', to: [], code: 'ARCHIVE_MISSING' }])
    expect(done.archives[0]?.message).toMatch(/missing on 2: .*, and no other copy/)
    expect(await statesOfCopies()).toEqual(['stored', 'missing'])
  })

  it('keeps it, too, while the other copy is damaged, or its disabled server shows nothing', async () => {
    await start([{}, {}, {}], { copies: 2 })
    await missOn(2)
    disable(1)
    disable(2)
    world.env['COPIES'] = '1'
    world.models[0]!.change({ denies: ['Head'] })

    const silent = await leave(2)
    expect(silent).toMatchObject({ removed: 0, left: 1, archives: [{ action: 'leave', to: [] }] })
    expect(silent.exit).not.toBe(0)
    world.models[0]!.change({ denies: [] })
    await world.withCatalog(async (catalog) => {
      const [{ copies } = { copies: [] }] = await catalog.archives()
      const frame = { place: 'frame', frame: 0, fromByte: 0, toByte: 9, memberCount: 0 } as const
      const found = { ...frame, what: 'its checksum differs', members: [] }
      await catalog.addFrameProblems(copies[0]!.id, [found], new Date())
    })
    expect(await plan(2)).toMatchObject({ exit: 31, removed: 0, left: 1 })
    const damaged = await leave(2)

    expect(damaged).toMatchObject({ exit: 31, removed: 0, left: 1 })
    expect(await statesOfCopies()).toEqual(['stored', 'missing'])
  })
})

describe('copies of the catalog on the server that is left', () => {
  const catalogOn = (number: number) =>
    world.models[number - 1]!.objects().filter(({ key }) => key.startsWith('spillway-catalog/'))

  it('go when no archive is there any more, and nothing of ours is left', async () => {
    await start([{}, {}], { nights: 2 })
    disable(1)
    world.models[0]!.seed('spillway-catalog/host/notes.txt', Buffer.from('of somebody'))
    const ours = catalogOn(1).filter(({ key }) => key.endsWith('.db.zst'))
    const bytes = ours.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    const catalogCopies = { count: 2, bytes }
    expect(await plan(1)).toMatchObject({ exit: 0, catalogCopies })
    expect(catalogOn(1)).toHaveLength(3)

    const done = await leave(1)

    expect(done).toMatchObject({ exit: 0, left: 0, catalogCopies, server: { catalogBytes: 0 } })
    // What no row names is nobody's to delete.
    expect(world.models[0]!.objects().map(({ key }) => key)).toEqual([
      'spillway-catalog/host/notes.txt',
    ])
    expect(catalogOn(2).length).toBeGreaterThanOrEqual(2)
    const again = await leave(1)
    expect(again).toMatchObject({ exit: 0, archives: [], catalogCopies: { count: 0, bytes: 0 } })
  })

  it('stay while an archive stays', async () => {
    await start([{}, { limitGb: 0.00001 }])
    disable(1)
    expect(await plan(1)).toMatchObject({ left: 1, catalogCopies: { count: 0 } })
    expect(await leave(1)).toMatchObject({ exit: 26, left: 1, catalogCopies: { count: 0 } })
    expect(catalogOn(1)).toHaveLength(1)
    expect(await world.audit()).toEqual([])
  })

  it('stay with a warning where the server keeps them, and go another time', async () => {
    world = await World.make([{}, {}])
    const proxy = await mortal(1)
    await world.noise('a', 5_000)
    await world.run()
    disable(1)
    // As with an object lock on that folder: it ends some day.
    proxy.add({
      operation: 'Delete',
      key: /^spillway-catalog/,
      times: 9,
      fault: { kind: 'answer', status: 403, code: 'AccessDenied' },
    })

    const done = await leave(1)

    expect(done).toMatchObject({ exit: 3, left: 0, catalogCopies: { count: 0 } })
    expect(done.warnings).toEqual([expect.stringContaining('does not let them be deleted')])
    expect(done.server.catalogBytes).toBeGreaterThan(0)
    proxy.clear()
    expect(await leave(1)).toMatchObject({ exit: 0, catalogCopies: { count: 1 } })
    expect(catalogOn(1)).toEqual([])
    expect(await world.audit()).toEqual([])
  })
})

it('leaves a damaged copy as it is known, and takes the archive from the sound one', async () => {
  await start([{}, {}, {}], { copies: 2 })
  disable(1)
  await world.withCatalog(async (catalog) => {
    const [archive] = await catalog.archives()
    const where = { place: 'frame', frame: 0, fromByte: 0, toByte: 9 } as const
    const finding = { ...where, what: 'its bytes are others', memberCount: 1, members: ['a'] }
    await catalog.addFrameProblems(archive!.copies[0]!.id, [finding], new Date())
  })
  const reads = world.models[0]!.count('Get')

  expect(await plan(1)).toMatchObject({ exit: 0, moved: 1, archives: [{ to: [3] }] })
  expect(await leave(1)).toMatchObject({ exit: 0, moved: 1, archives: [{ to: [3] }] })

  expect(world.models[0]!.count('Get')).toBe(reads)
  expect(archivesOn(1)).toEqual([])
  expect(contentOf(2)).toEqual(contentOf(3))
  expect(await world.audit()).toEqual([])
})

describe('an evacuation that was ended', () => {
  it('by an interrupt tells what it did, leaves nothing half, and goes on the next time', async () => {
    await start([{}, {}], { nights: 3, bytes: 20 * MB })
    disable(1)
    const before = contentOf(1)
    const stop = new AbortController()
    let archives = 0

    const done = await leave(
      1,
      {
        onProgress: ({ reading, archivesDone }) => {
          archives = archivesDone
          if (archivesDone === 1 && (reading?.readBytes ?? 0) > 2 * MB)
            stop.abort(new Error('enough'))
        },
      },
      stop.signal,
    )

    expect(archives).toBe(1)
    expect(done).toMatchObject({ exit: 130, moved: 1, left: 2 })
    expect(await spooled()).toEqual([])
    expect(await world.audit()).toEqual([])
    expect(await leave(1)).toMatchObject({ exit: 0, moved: 2, left: 0 })
    expect(contentOf(2)).toEqual(before)
    expect(await world.audit()).toEqual([])
  }, 60_000)

  it('while it fetched an archive: the next run clears the file away, and calls it no stranger', async () => {
    await start([{}, {}])
    const spool = join(world.folder, 'data/spool')
    await mkdir(spool, { recursive: true })
    await world.withCatalog(async (catalog) => {
      const [archive] = await catalog.archives()
      const partial = join(spool, `${archive!.file}.partial`)
      await catalog.beginFetch(archive!.id, partial)
      // Killed after the file got its final name, before the row said so.
      await writeFile(partial, 'half of it')
      await writeFile(partial.replace('.partial', ''), 'half of it')
    })

    const { exit, warnings } = await world.run()

    expect([exit, warnings]).toEqual([0, []])
    expect(await spooled()).toEqual([])
    const open = await world.withCatalog((catalog) => catalog.openFetches())
    expect(open).toEqual([])
  })
})
