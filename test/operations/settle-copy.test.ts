// What becomes of a copy that did not end well, on a real catalog and a model server.

import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openServices } from '../../src/compose.ts'
import { settleCopy } from '../../src/operations/settle-copy.ts'
import { newArchiveId } from '../../src/domain/archive.ts'
import { partBody } from '../support/storages.ts'
import { QUICK, World } from '../support/world.ts'
import type { Catalog, CopyId } from '../../src/catalog/catalog.ts'
import type { OpenUpload, Storage } from '../../src/storage/storage.ts'

const never = new AbortController().signal
const KEY = 'host/2026/01/01/docs-20260101-020000.tar.zst'
const TOKEN = 'token-of-this-upload'
const bytes = randomBytes(10_000)

let world: World
let catalog: Catalog
let storage: Storage
let close: () => Promise<void>
beforeEach(async () => {
  world = await World.make([{}])
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  catalog = await services.catalog()
  await catalog.registerServers(services.config.servers)
  storage = (await services.openStorage())(services.config.servers[0]!, false)
  close = () => services.close()
})
afterEach(async () => {
  storage.close()
  await close()
  await world.close()
})

describe('an object that is known not to be what was sent', () => {
  it('is removed, and its bytes are given back', async () => {
    const { id, upload } = await uploaded()
    await storage.complete(upload.open, upload.receipts, never)

    expect(await settle(id, upload.open, { isDamaged: true })).toBe('deleted')

    expect(world.models[0]!.objects()).toEqual([])
    expect(await usage()).toEqual({ usedBytes: 0, reservedBytes: 0 })
  })

  it('is never taken for a copy when it may not be removed: it counts as used until it may', async () => {
    const { id, upload } = await uploaded()
    await storage.complete(upload.open, upload.receipts, never)
    world.models[0]!.change({ denies: ['Delete'] })

    await expect(settle(id, upload.open, { isDamaged: true })).rejects.toMatchObject({
      code: 'SERVER_DENIED',
    })
    expect(await states()).toEqual(['deleting'])
    expect(await usage()).toEqual({ usedBytes: bytes.length, reservedBytes: 0 })
    const denied = await world.run()
    expect(denied.retention.refused).toMatchObject([{ server: 1, copies: 1, code: 'AccessDenied' }])
    expect(await states()).toEqual(['deleting'])

    world.models[0]!.change({ denies: [] })
    await world.run()
    expect(await states()).toEqual(['deleted'])
    expect(await usage()).toMatchObject({ reservedBytes: 0 })
  })
})

describe('an upload of which nobody knows whether Complete arrived', () => {
  it('is stored when the object proves it', async () => {
    const { id, upload } = await uploaded()
    await storage.complete(upload.open, upload.receipts, never)

    expect(await settle(id, upload.open)).toBe('stored')
    expect(await usage()).toEqual({ usedBytes: bytes.length, reservedBytes: 0 })
  })

  it('failed when our abort took away an open upload', async () => {
    const { id, upload } = await uploaded()

    expect(await settle(id, upload.open)).toBe('failed')
    expect(world.models[0]!.uploads()).toEqual([])
    expect(await usage()).toEqual({ usedBytes: 0, reservedBytes: 0 })
  })

  it('stays open while the upload is gone and no object is there: it may still be completed', async () => {
    const { id, upload } = await uploaded()
    world.models[0]!.expireUploads()

    expect(await settle(id, upload.open)).toBe('open')
    expect(await usage()).toEqual({ usedBytes: 0, reservedBytes: bytes.length })
    expect(await settle(id, upload.open, { isOver: true })).toBe('failed')
    expect(await usage()).toEqual({ usedBytes: 0, reservedBytes: 0 })
  })

  it('stays open while what lies there has our token and another size: half an object is none', async () => {
    const { id, upload } = await uploaded()
    world.models[0]!.expireUploads()
    world.models[0]!.seed(KEY, bytes.subarray(1), { 'spillway-token': TOKEN })

    expect(await settle(id, upload.open)).toBe('open')
    expect(await states()).toEqual(['uploading'])
    expect(await usage()).toEqual({ usedBytes: 0, reservedBytes: bytes.length })
  })

  it('is not declared absent by a key that may not look [F30c]', async () => {
    const { id, upload } = await uploaded()
    await storage.complete(upload.open, upload.receipts, never)
    world.models[0]!.change({ denies: ['Head'] })

    expect(await settle(id, upload.open, { isOver: true })).toBe('open')
    expect(await usage()).toEqual({ usedBytes: 0, reservedBytes: bytes.length })
  })
})

/** A copy in the catalog and its one part on the server; Complete is about to be sent. */
async function uploaded() {
  const archive = await catalog.beginArchive({
    id: newArchiveId(Date.now()),
    source: 'docs',
    sourceKind: 'folder',
    startedAt: new Date(),
    spoolDir: `${world.folder}/data/spool`,
  })
  const identity = (await catalog.servers())[0]!.identity
  const id = await catalog.reserve({
    archiveId: archive.id,
    identity,
    key: KEY,
    token: TOKEN,
    bytes: bytes.length,
    limitBytes: 1_000_000,
  })
  const open = await storage.begin({ key: KEY, token: TOKEN }, never)
  await catalog.setUploadId(id!, open.uploadId)
  const part = { number: 1, offsetBytes: 0, body: partBody(bytes) }
  const receipts = [await storage.putPart(open, part, never)]
  await catalog.markCompleting(id!, new Date())
  return { id: id!, upload: { open, receipts } }
}

async function settle(
  id: CopyId,
  { key, token, uploadId }: OpenUpload,
  more: { readonly isDamaged?: boolean; readonly isOver?: boolean } = {},
) {
  const copy = {
    id,
    target: { key, token },
    uploadId,
    completeBytes: bytes.length,
    isOver: false,
    reason: 'a test',
    ...more,
  }
  return settleCopy({ catalog, storage, headDelaysMs: [10] }, copy, never)
}

async function usage() {
  const { usedBytes, reservedBytes } = (await catalog.servers())[0]!
  return { usedBytes, reservedBytes }
}

async function states() {
  const archives = await catalog.archives()
  return archives
    .flatMap((archive) => archive.copies)
    .filter(({ token }) => token === TOKEN)
    .map(({ state }) => state)
}
