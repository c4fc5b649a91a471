// The history stays small: what no archive holds any more is dropped, small segments become one, and a
// quiet night costs next to nothing. With trees large enough to fill several blocks and segments.

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { findFiles } from '../../src/operations/find.ts'
import { recordMembers } from '../../src/operations/history-recorder.ts'
import { configOf, openStory, s3Server } from '../support/catalog-story.ts'
import {
  deleteArchive,
  fileState,
  inBlocks,
  membersOf,
  night,
  recordTree,
} from '../support/file-nights.ts'
import type { ArchiveRow } from '../../src/catalog/catalog.ts'
import type { Story } from '../support/catalog-story.ts'
import type { FileState } from '../../src/domain/file-history.ts'

const near = s3Server(1)
const DIST = pathToFileURL(join(import.meta.dirname, '../../dist/modules/src/')).href
let story: Story
beforeEach(async () => {
  story = await openStory([near])
})
afterEach(() => story.catalog.close())

it('writes only the blocks in which something changed', async () => {
  const tree = treeOf(40_000)
  await night(story, near, dayOf(1), tree)
  const before = await blocks()
  expect(before.length).toBeGreaterThan(5)

  await night(story, near, dayOf(2), tree)
  expect(await blocks()).toEqual(before)

  tree.set('d0100/f00', fileState({ sizeBytes: 1 }))
  await night(story, near, dayOf(3), tree)
  const after = await blocks()
  const kept = before.filter(({ id }) => after.some((block) => block.id === id))
  // One is written anew, and the version that ended is in a new one.
  expect([before.length - kept.length, after.length - kept.length]).toEqual([1, 2])
})

it('merges small segments, so that a search looks into few of them', async () => {
  const tree = treeOf(100)
  for (let day = 1; day <= 40; day += 1) {
    tree.set('d0000/f00', fileState({ sizeBytes: day }))
    await night(story, near, dayOf(day), tree)
  }

  const segments = new Set((await blocks()).map(({ segment }) => segment))
  expect(segments.size).toBeLessThan(10)
  expect(await versionsOf('d0000/f00')).toBe(40)
})

it('drops versions that only deleted archives had, a segment each night', async () => {
  const tree = treeOf(6_000)
  const first = await night(story, near, dayOf(1), tree)
  const second = await night(story, near, dayOf(2), touched(tree, 2))
  await night(story, near, dayOf(3), touched(tree, 3))
  const count = async () => (await blocks()).reduce((sum, block) => sum + block.versionCount, 0)
  expect(await count()).toBe(18_000)

  await deleteArchive(story, first)
  await deleteArchive(story, second)
  expect(await versionsOf('d0003/f07')).toBe(1)
  for (const day of [4, 5]) await night(story, near, dayOf(day), touched(tree, 3))

  expect(await count()).toBe(6_000)
  expect(await versionsOf('d0003/f07')).toBe(1)
})

it('stays small while archives come and go', async () => {
  const tree = treeOf(4_000)
  const paths = [...tree.keys()]
  const kept: ArchiveRow[] = []
  for (let day = 1; day <= 60; day += 1) {
    for (let file = 0; file < 1_000; file += 1)
      tree.set(paths[(day * 1_000 + file) % 4_000]!, fileState({ sizeBytes: day }))
    kept.push(await night(story, near, dayOf(day), tree))
    if (kept.length > 10) await deleteArchive(story, kept.shift()!)
  }

  // What is current, what ten archives had besides (9 000), some of no use; and not 60 times 1 000.
  const count = (await blocks()).reduce((sum, block) => sum + block.versionCount, 0)
  expect(count).toBeLessThan(22_000)
})

it('does not answer for an archive that turns up again after it was let go, but records it anew', async () => {
  const tree = treeOf(6_000)
  const lost = await night(story, near, dayOf(1), touched(tree, 1))
  await deleteArchive(story, lost)
  for (const day of [2, 3, 4]) await night(story, near, dayOf(day), touched(tree, day))
  expect(await versionsOf('d0003/f07')).toBe(3)

  // Deleted on the word of a server that lied: a rebuild finds the object, and adopts it.
  await adopt(lost)

  expect(await story.catalog.archivesWithoutHistory()).toMatchObject([{ id: lost.id }])
  expect(await versionsOf('d0003/f07')).toBe(3)
  await recordTree(story, lost, touched(tree, 1))
  expect(await story.catalog.archivesWithoutHistory()).toEqual([])
  expect(await versionsOf('d0003/f07')).toBe(4)
})

it('keeps one history per host and source', async () => {
  await night(story, near, dayOf(1), treeOf(1), 'etc')
  await night(story, near, dayOf(2), treeOf(2), 'www')
  const histories = await story.catalog.histories()
  expect(histories.map(({ host, source, archives }) => [host, source, archives.length])).toEqual([
    ['web1', 'etc', 1],
    ['web1', 'www', 1],
  ])
})

it('records a million members in a heap that cannot hold a tenth of them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spillway-million-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const script = `
    const load = (file) => import(${JSON.stringify(DIST)} + file)
    const { openCatalog } = await load('catalog/open-sqlite.js')
    const { recordMembers } = await load('operations/history-recorder.js')
    const catalog = await openCatalog({ path: ${JSON.stringify(join(folder, 'catalog.db'))}, host: 'h' })
    const startedAt = new Date()
    const archive = await catalog.beginArchive(
      { id: 'a', source: 's', sourceKind: 'folder', startedAt, spoolDir: '/spool' })
    async function* members() {
      for (let folder = 0; folder < 1000; folder += 1) {
        yield Array.from({ length: 1000 }, (_, file) => ({
          path: 'a folder with a name/' + (1000 + folder) + '/and a file ' + (1000 + file),
          kind: 'file', sizeBytes: file, mtimeSeconds: 17e8 + file, mtimeNanos: folder * 999983,
          mode: 420, offsetBytes: 0, spanBytes: 512 }))
      }
    }
    await recordMembers(catalog, archive, members(), new AbortController().signal)
    const [history] = await catalog.histories()
    const { blocks } = await catalog.historyBlocks(history.id)
    console.log(blocks.reduce((sum, block) => sum + block.versionCount, 0))
    await catalog.close()
  `
  const flags = ['--max-old-space-size=24', '--input-type=module', '-e', script]
  const { stdout } = await promisify(execFile)(process.execPath, flags)
  expect(stdout).toBe('1000000\n')
})

it('refuses an index that is not in order, and records nothing of it', async () => {
  const archive = await story.store('etc', dayOf(1), [near])
  const [a, b] = membersOf(treeOf(2))
  const members = inBlocks([b!, a!], 1)
  const recording = recordMembers(story.catalog, archive, members, new AbortController().signal)
  await expect(recording).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' })
  expect(await story.catalog.archivesWithoutHistory()).toHaveLength(1)
})

it('stops when it is interrupted, and the next one begins anew', async () => {
  const archive = await story.store('etc', dayOf(1), [near])
  const stop = new AbortController()
  async function* members() {
    yield membersOf(treeOf(100))
    stop.abort()
    yield membersOf(treeOf(100, 'later'))
  }
  await expect(recordMembers(story.catalog, archive, members(), stop.signal)).rejects.toMatchObject(
    {
      code: 'INTERRUPTED',
    },
  )
  await recordMembers(
    story.catalog,
    archive,
    inBlocks(membersOf(treeOf(5))),
    new AbortController().signal,
  )
  expect(await blocks()).toMatchObject([{ versionCount: 5 }])
})

async function adopt({ id }: ArchiveRow): Promise<void> {
  const { copies, ...row } = await story.catalog.findArchive(id)
  const { key, token, sizeBytes } = copies[0]!
  const { memberCount = 0, sourceBytes = 0, sha256 = '', endedAt = new Date() } = row
  await story.catalog.adoptCopy(
    { ...row, sizeBytes: row.sizeBytes ?? 0, memberCount, sourceBytes, sha256, endedAt },
    {
      ...{ identity: near.identity, key, token, sizeBytes },
      ...{ etag: undefined, versionId: undefined, storedAt: new Date() },
    },
  )
}

function dayOf(day: number): string {
  return new Date(Date.UTC(2026, 0, day, 2, 30)).toISOString()
}

function treeOf(count: number, prefix = ''): Map<string, FileState> {
  const tree = new Map<string, FileState>()
  for (let number = 0; number < count; number += 1) {
    const folder = `d${String(Math.floor(number / 50)).padStart(4, '0')}`
    const path = `${prefix === '' ? '' : `${prefix}/`}${folder}/f${String(number % 50).padStart(2, '0')}`
    tree.set(path, fileState({ mtimeNanos: (number * 7_919) % 1_000_000_000 }))
  }
  return tree
}

function touched(tree: ReadonlyMap<string, FileState>, sizeBytes: number): Map<string, FileState> {
  return new Map([...tree].map(([path, state]) => [path, { ...state, sizeBytes }]))
}

async function blocks() {
  const [history] = await story.catalog.histories({ source: 'etc' })
  return (await story.catalog.historyBlocks(history!.id))!.blocks
}

async function versionsOf(path: string): Promise<number | undefined> {
  const { files } = await findFiles(
    { catalog: story.catalog, config: configOf() },
    {
      pattern: `/${path}`,
      ignoresCase: false,
      source: undefined,
      includesDeleted: false,
      limit: 10,
    },
  )
  return files[0]?.versions
}
