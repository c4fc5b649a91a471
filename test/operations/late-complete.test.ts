// A run that was killed when it had sent Complete, and a server that is still at it when the next run begins.

import Database from 'better-sqlite3'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openServices } from '../../src/compose.ts'
import { partBody } from '../support/storages.ts'
import { spillway } from '../support/command-sources.ts'
import { QUICK, World } from '../support/world.ts'
import type { ReportedArchive } from '../../src/domain/run-report.ts'

const HOUR_MS = 3_600_000
const TOKEN = 'token-of-the-upload-that-was-cut-off'
const never = new AbortController().signal

let world: World
beforeEach(async () => {
  world = await World.make([{ entry: { SECRET_KEY: 'wrong' } }])
  await world.noise('a', 10_000)
})
afterEach(() => world.close())

// MinIO confirms every Abort.
it.each(['NoSuchUpload', '204'] as const)(
  'an archive that waited for days is not sent again while it may still arrive, and is adopted when it does (Abort: %s)',
  async (abortOfNone) => {
    world.models[0]!.change({ abortOfNone })
    const late = await cutOff({ sentAgoMs: 60_000 })

    const first = await world.run()
    expect(first).toMatchObject({
      exit: 23,
      warnings: [expect.stringContaining('it is not known')],
    })
    expect(world.models[0]!.objects().map(({ key }) => key)).not.toContain(late.key)

    late.arrive()
    const second = await world.run()
    expect(second.exit).toBe(0)
    expect(await statesOf(late.archive)).toEqual(['stored'])
    expect(await world.audit()).toEqual([])
  },
)

it('an object that arrives when nobody waits for it any more does not take the place of the one that was sent since', async () => {
  const late = await cutOff({ sentAgoMs: 2 * HOUR_MS })

  const run = await world.run()
  expect(run).toMatchObject({ exit: 0, archives: [{ id: late.archive.id, state: 'stored' }, {}] })
  expect(await statesOf(late.archive)).toEqual(['failed', 'stored'])

  late.arrive()
  const { exit, err } = await spillway(['verify', '--deep', '--config', await world.writeEnv()])
  expect([exit, err]).toEqual([0, ''])
})

/** An archive of days ago that waits, with an upload to which Complete was sent. The server has not ended it. */
async function cutOff({ sentAgoMs }: { readonly sentAgoMs: number }) {
  const [model] = world.models
  const [archive] = (await world.run()).archives as [ReportedArchive]
  expect(archive.state).toBe('waiting')
  world.configure(1, model!.endpoint, model!)
  const bytes = readFileSync(join(world.folder, 'data/spool', archive.file))
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    const [catalog, server] = [await services.catalog(), services.config.servers[0]!]
    const storage = (await services.openStorage())(server, false)
    const { key } = archive
    const identity = server.identity
    const reserved = { archiveId: archive.id, identity, key, token: TOKEN, bytes: bytes.length }
    const id = (await catalog.reserve({ ...reserved, limitBytes: 1_000_000 }))!
    const open = await storage.begin({ key, token: TOKEN }, never)
    await catalog.setUploadId(id, open.uploadId)
    await storage.putPart(open, { number: 1, offsetBytes: 0, body: partBody(bytes) }, never)
    await catalog.markCompleting(id, new Date(Date.now() - sentAgoMs))
    storage.close()
  } finally {
    await services.close()
  }
  // While it puts the parts together, the upload is no more and the object not yet.
  model!.expireUploads()
  const database = new Database(join(world.folder, 'data/catalog.db'))
  const packed = new Date(Date.now() - 48 * HOUR_MS).toISOString()
  database.prepare('update archives set ended_at = ? where id = ?').run(packed, archive.id)
  database.close()
  const arrive = () => model!.seed(archive.key, bytes, { 'spillway-token': TOKEN })
  return { archive, key: archive.key, arrive }
}

async function statesOf({ id }: ReportedArchive): Promise<readonly string[]> {
  const { copies } = await world.withCatalog((catalog) => catalog.findArchive(id))
  return copies.map(({ state }) => state)
}
