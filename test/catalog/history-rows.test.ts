// What the catalog promises of the history of files, besides keeping it: nothing is seen before it is
// committed, and what a killed process left is never taken for anything.

import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { begin, child, minutesAfter, ready, server, stored, temporaryFolder } from './fixtures.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'

const near = server(1)
const block = (segment: number, firstPath: string) => ({
  segment,
  firstPath,
  versionCount: 3,
  bytes: Buffer.from(`bytes of ${firstPath}`),
})
const nothing = { blocks: [], replaced: [], letGo: [], sweptSegment: 0 }

it('shows the blocks of a recording once it is committed, and not before', async () => {
  const catalog = await open()
  const archive = await ready(catalog)
  const recording = await catalog.beginRecording('alpha', 'home')
  await catalog.stageHistory(recording, [block(0, 'a')])
  expect(await blocksOf(catalog, recording.historyId)).toEqual([])

  await catalog.commitRecording(recording, {
    ...nothing,
    archiveId: archive.id,
    blocks: [block(0, 'caf\xc3\xa9\n'), block(1, '')],
    sweptSegment: 4,
  })

  expect(await blocksOf(catalog, recording.historyId)).toEqual(['0 a', '0 caf\xc3\xa9\n', '1 '])
  const [history] = await catalog.histories()
  expect(history).toMatchObject({ host: 'alpha', source: 'home', sweptSegment: 4 })
  expect(history?.archives).toMatchObject([{ id: archive.id, serial: recording.generation }])
})

it('replaces blocks in one step, and then nobody can read the old ones', async () => {
  const catalog = await open()
  const { historyId } = await record(catalog, [block(0, 'a'), block(0, 'b')])
  const before = (await catalog.historyBlocks(historyId))!.blocks

  const replaced = [before.find(({ firstPath }) => firstPath === 'a')!.id]
  await record(catalog, [block(0, 'A')], { minutes: 1, replaced })

  expect(await blocksOf(catalog, historyId)).toEqual(['0 b', '0 A'])
  const bytes = await catalog.historyBytes(before.map(({ id }) => id))
  expect([...bytes.values()].map(String)).toEqual(['bytes of b'])
})

it('drops what a recording left that never came to its end', async () => {
  const catalog = await open()
  const dead = await catalog.beginRecording('alpha', 'home')
  await catalog.stageHistory(dead, [block(0, 'junk')])

  const { historyId } = await record(catalog, [block(0, 'a')])

  expect(await blocksOf(catalog, historyId)).toEqual(['0 a'])
})

it('refuses a recording that another one has ended: its blocks would be taken for the other one', async () => {
  const catalog = await open()
  const archive = await ready(catalog)
  const late = await catalog.beginRecording('alpha', 'home')
  const { historyId } = await record(catalog, [block(0, 'a')], { minutes: 1 })

  await expect(catalog.stageHistory(late, [block(0, 'late')])).rejects.toThrow('was ended')
  const commit = catalog.commitRecording(late, { ...nothing, archiveId: archive.id })
  await expect(commit).rejects.toThrow('was ended')
  expect(await blocksOf(catalog, historyId)).toEqual(['0 a'])
})

it('knows the archives whose files are not known: restorable ones, oldest first', async () => {
  const catalog = await open()
  await begin(catalog, 'home', minutesAfter(9))
  const [second, first] = [
    await ready(catalog, 'home', minutesAfter(2)),
    await ready(catalog, 'www', minutesAfter(1)),
  ]
  const damaged = await ready(catalog, 'home', minutesAfter(3))
  await record(catalog, [], { minutes: 4 })
  await catalog.setHistoryUnreadable(damaged, 'its index is damaged')

  const unknown = await catalog.archivesWithoutHistory()

  expect(unknown.map(({ id, unreadableBecause }) => [id, unreadableBecause])).toEqual([
    [first.id, undefined],
    [second.id, undefined],
    [damaged.id, 'its index is damaged'],
  ])
})

it('tells archives that are deleted from those that may turn up again', async () => {
  const catalog = await open()
  await catalog.registerServers([near])
  const ids: Awaited<ReturnType<typeof storedAndRecorded>>[] = []
  for (const minutes of [0, 1, 2]) ids.push(await storedAndRecorded(catalog, minutes))
  await catalog.markDeleting(ids[0]!.copyId, 'not kept')
  await catalog.markMissing(ids[1]!.copyId, 'the server says it is gone')

  const [history] = await catalog.histories({ source: 'home' })

  const by = new Map(history!.archives.map((archive) => [archive.id, archive]))
  expect(ids.map(({ id }) => [by.get(id)?.isRestorable, by.get(id)?.isGone])).toEqual([
    [false, true],
    [false, false],
    [true, false],
  ])
})

it('forgets a history, and then the archives are unknown again', async () => {
  const catalog = await open()
  const { historyId } = await record(catalog, [block(0, 'a')])

  await catalog.dropHistory(historyId)

  expect(await blocksOf(catalog, historyId)).toEqual([])
  expect(await catalog.archivesWithoutHistory()).toHaveLength(1)
  expect(await catalog.histories()).toMatchObject([{ archives: [] }])
})

it('survives kill -9 between putting blocks aside and committing them', async () => {
  const path = join(temporaryFolder(), 'catalog.db')
  const catalog = await open(path)
  const { historyId } = await record(catalog, [block(0, 'a')])
  const script = `
    const catalog = await openCatalog({ path: args[0], host: 'alpha' })
    const recording = await catalog.beginRecording('alpha', 'home')
    const bytes = Buffer.alloc(100_000, 1)
    await catalog.stageHistory(recording, [{ segment: 0, versionCount: 1, firstPath: 'junk', bytes }])
    process.kill(process.pid, 'SIGKILL')
  `
  const victim = child(script, path)
  await victim.output
  expect(victim.process.signalCode).toBe('SIGKILL')

  expect(await blocksOf(catalog, historyId)).toEqual(['0 a'])
  await record(catalog, [block(0, 'b')], { minutes: 1 })
  expect(await blocksOf(catalog, historyId)).toEqual(['0 a', '0 b'])
  await catalog.check()
})

async function open(path = ':memory:'): Promise<Catalog> {
  const catalog = await openCatalog({ path, host: 'alpha' })
  onTestFinished(() => catalog.close())
  return catalog
}

async function record(
  catalog: Catalog,
  blocks: readonly ReturnType<typeof block>[],
  more: { readonly minutes?: number; readonly replaced?: readonly number[] } = {},
) {
  const archive = await ready(catalog, 'home', minutesAfter(more.minutes ?? 0))
  const recording = await catalog.beginRecording('alpha', 'home')
  const replaced = more.replaced ?? []
  await catalog.commitRecording(recording, { ...nothing, archiveId: archive.id, blocks, replaced })
  return recording
}

async function storedAndRecorded(catalog: Catalog, minutes: number) {
  const archive = await ready(catalog, 'home', minutesAfter(minutes))
  const copyId = await stored(catalog, archive, near)
  await catalog.markLocalGone(archive.id)
  const recording = await catalog.beginRecording('alpha', 'home')
  await catalog.commitRecording(recording, { ...nothing, archiveId: archive.id })
  return { id: archive.id, copyId }
}

async function blocksOf(catalog: Catalog, id: number): Promise<readonly string[]> {
  const found = await catalog.historyBlocks(id)
  return (found?.blocks ?? [])
    .toSorted((a, b) => a.id - b.id)
    .map(({ segment, firstPath }) => `${segment} ${firstPath}`)
}
