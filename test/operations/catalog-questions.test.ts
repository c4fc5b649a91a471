// The thread that answers questions about the whole catalog keeps it open: of the catalog that is there, whatever
// comes to lie in its place.

import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { QuestionDesk } from '../../src/operations/catalog-questions.ts'
import { configOf, openStory, s3Server } from '../support/catalog-story.ts'
import type { Status } from '../../src/operations/status.ts'

const NOW = new Date('2026-03-03T12:00:00Z')

let folder: string
const desk = new QuestionDesk()
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'spillway-desk-'))))
afterEach(async () => {
  await desk.close()
  rmSync(folder, { recursive: true })
})

it('answers by the catalog that lies there now', async () => {
  const catalogPath = join(folder, 'catalog.db')
  const config = configOf({ catalogPath })
  const archives = async (): Promise<number | undefined> => {
    const asked = { id: 1, question: 'status', config, sources: [], now: NOW } as const
    const { servers } = (await desk.answer(asked)) as Status
    return servers.find(({ number }) => number === 1)?.archives
  }
  expect(await archives()).toBe(0)
  await catalogOf(catalogPath, 3)
  expect(await archives()).toBe(3)
  expect(await archives()).toBe(3)
  // As before a rebuild: it is moved away with all that belongs to it, and another one is made.
  for (const part of ['', '-wal', '-shm'])
    if (existsSync(catalogPath + part)) renameSync(catalogPath + part, `${catalogPath}.old${part}`)
  await catalogOf(catalogPath, 1)
  expect(await archives()).toBe(1)
})

async function catalogOf(path: string, archiveCount: number): Promise<void> {
  const servers = [s3Server(1)]
  const story = await openStory(servers, { path })
  for (let day = 1; day <= archiveCount; day += 1)
    await story.store('etc', `2026-03-0${day}T02:30:00Z`, servers)
  await story.catalog.close()
}
