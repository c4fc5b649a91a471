// A source with a schedule of its own, by the daemon as a user starts it.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openState } from '../../src/state/open-state.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

it('what was due while the daemon was down is archived when it starts, and nothing else', async () => {
  const world = await World.make([{}])
  try {
    await world.noise('a', 1_000)
    const other = join(world.folder, 'other')
    await mkdir(other)
    await writeFile(join(other, 'b'), 'b')
    Object.assign(world.env, {
      ...{ SOURCE_1_SCHEDULE: "'*/5 * * * *'", SOURCE_2_PATH: other },
      ...{ SCHEDULE: "'0 0 29 2 *'", RANDOM_DELAY_MINUTES: '0' },
    })
    const state = openState(join(world.folder, 'data'))
    const anHourAgo = new Date(Date.now() - 3_600_000)
    state.jobs.setScheduleMark('SOURCE docs: */5 * * * *', anHourAgo)
    state.jobs.setScheduleMark('SCHEDULE: 0 0 29 2 *', anHourAgo)
    state.close()

    const daemon = await TestDaemon.start(world)
    try {
      const { json } = await daemon.ask('GET', '/api/runs')
      const [job] = json['runs'] as { id: string; origin: string }[]
      expect(job).toMatchObject({ origin: 'schedule' })
      const events = await daemon.follow(job!.id)
      expect(events.at(-1)).toMatchObject({ kind: 'job-ended', state: 'done' })
    } finally {
      expect(await daemon.stop()).toBe(0)
    }
    await world.withCatalog(async (catalog) => {
      const archives = await catalog.archives()
      expect(archives.map(({ source, copies }) => [source, copies.length])).toEqual([['docs', 1]])
    })
  } finally {
    await world.close()
  }
})
