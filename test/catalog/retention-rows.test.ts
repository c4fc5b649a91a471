import { beforeEach, afterEach, expect, it } from 'vitest'
import { openStory, s3Server } from '../support/catalog-story.ts'
import type { Story } from '../support/catalog-story.ts'

const [near, far] = [s3Server(1), s3Server(2)]
let story: Story
beforeEach(async () => {
  story = await openStory([near, far])
})
afterEach(() => story.catalog.close())

it('knows the archives of a source that can be restored, newest first, with their copies', async () => {
  const { catalog } = story
  const old = await story.store('etc', '2026-01-01T02:30:00Z', [near, far])
  const waiting = await story.wait('etc', '2026-01-02T02:30:00Z')
  await story.store('www', '2026-01-03T02:30:00Z', [near])
  await story.pack('etc', '2026-01-04T02:30:00Z')
  const deleted = await story.store('etc', '2026-01-05T02:30:00Z', [near])
  const [copy] = (await catalog.findArchive(deleted.id)).copies
  await catalog.markDeleting(copy!.id, 'a test')

  const found = await catalog.restorableArchives('etc')

  expect(found.map(({ id, copies }) => [id, copies.length])).toEqual([
    [waiting.id, 0],
    [old.id, 2],
  ])
  expect(await catalog.countRestorable()).toBe(3)
})

it('counts the bytes of a copy as used from the beginning of its delete to its end', async () => {
  const { catalog } = story
  const archive = await story.store('etc', '2026-01-01T02:30:00Z', [near])
  const [copy] = (await catalog.findArchive(archive.id)).copies
  const used = async () => (await catalog.servers())[0]!.usedBytes
  const before = await used()

  await catalog.markDeleting(copy!.id, 'a test')
  expect(await used()).toBe(before)
  await catalog.check()
  await expect(catalog.markDeleting(copy!.id, 'again')).rejects.toThrow('is deleting')
  await catalog.markDeleted(copy!.id)

  expect(await used()).toBe(0)
  await catalog.check()
})

it('pins an archive, and rejects for one that is not there', async () => {
  const { catalog } = story
  const { id } = await story.store('etc', '2026-01-01T02:30:00Z', [near])
  await catalog.setPinned(id, true)
  expect((await catalog.findArchive(id)).isPinned).toBe(true)
  await catalog.setPinned(id, false)
  expect((await catalog.findArchive(id)).isPinned).toBe(false)
  await expect(catalog.setPinned('nowhere', true)).rejects.toThrow('no archive nowhere')
})

it('tells what came on each day of a source, deleted or not, and nothing of later ones', async () => {
  const { catalog } = story
  await story.store('etc', '2026-01-01T02:30:00Z', [near])
  const second = await story.store('etc', '2026-01-02T02:30:00Z', [near])
  await story.wait('etc', '2026-01-02T22:30:00Z', 7)
  await story.store('etc', '2026-01-03T02:30:00Z', [near])
  await story.pack('etc', '2026-01-02T23:30:00Z')
  await story.store('www', '2026-01-02T03:30:00Z', [near])
  const [copy] = (await catalog.findArchive(second.id)).copies
  await catalog.markDeleting(copy!.id, 'a test')
  await catalog.markDeleted(copy!.id)

  const [day] = await catalog.pastDays('etc', new Date('2026-01-03T00:00:00Z'), 1)
  const older = await catalog.pastDays('etc', new Date('2026-01-03T00:00:00Z'), 2)

  expect(older.map(({ sizes }) => sizes.length)).toEqual([1, 2])
  expect(day).toEqual(older[0])
  expect(older[1]).toEqual({
    number: 20_455,
    lastMs: Date.UTC(2026, 0, 2, 22, 30),
    sizes: [1e9, 7],
  })
})
