// What the page makes of the events of real runs.

import { mkdir, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { RunModel } from '../../src/page/run-model.ts'
import { World } from '../support/world.ts'
import type { JournalEvent } from '../../src/page/api-types.ts'
import type { RunEvent } from '../../src/domain/run-events.ts'

const MB = 1_000_000

let world: World
afterEach(async () => {
  await world.close()
})

async function addSource(bytes: number): Promise<void> {
  const other = join(world.folder, 'mail')
  await mkdir(other)
  await writeFile(join(other, 'noise'), randomBytes(bytes))
  Object.assign(world.env, { SOURCE_2_NAME: 'mail', SOURCE_2_PATH: other })
}

/** Each event reaches the page as JSON. */
async function modelOf(onEvent?: (event: RunEvent, model: RunModel) => void): Promise<RunModel> {
  const model = new RunModel()
  await world.run({
    onEvent: (event) => {
      const line = JSON.stringify({ at: new Date().toISOString(), ...event })
      model.add(JSON.parse(line) as JournalEvent)
      onEvent?.(event, model)
    },
  })
  return model
}

it('tells of a failover: who was full, where it went on, and that it is proven there', async () => {
  world = await World.make([{ limitGb: 0.001 }, {}])
  await writeFile(join(world.source, 'noise'), randomBytes(3 * MB))

  const { attempts, outcome, sources, stories } = await modelOf()

  expect(outcome).toBe('ok')
  expect(sources).toMatchObject([{ name: 'docs', state: 'packed' }])
  expect(attempts.map(({ server, state }) => [server, state])).toEqual([
    [expect.stringMatching(/^1: /u), 'full'],
    [expect.stringMatching(/^2: /u), 'stored'],
  ])
  const told = stories.map(({ text }) => text).join('\n')
  expect(told).toMatch(/1: \S+ is full, going on to 2: /u)
  expect(told).toMatch(/is stored on 2: \S+, and proven/u)
})

it('a source that is read when the others are done is being read again, not packed, and nothing of it is left sending', async () => {
  world = await World.make([{}])
  Object.assign(world.env, { PARALLEL_SOURCES: '2', SPOOL_LIMIT_GB: '0.016' })
  await addSource(MB)
  await writeFile(join(world.source, 'noise'), randomBytes(10 * MB))
  const whenPostponed: string[] = []

  const model = await modelOf((event, { attempts, sources }) => {
    if (event.kind !== 'source-postponed') return
    whenPostponed.push(event.source, sources.find(({ name }) => name === event.source)!.state)
    // Its first reading goes nowhere any more.
    const sending = attempts.filter(({ state }) => state === 'sending')
    expect(sending.filter(({ file }) => file.startsWith('docs'))).toEqual([])
  })

  expect(whenPostponed).toEqual(['docs', 'packing'])
  expect(model.stories.map(({ text }) => text).join('\n')).toContain(
    'docs is read when the others are done: ',
  )
  // Who connects later gets the last of how far it was after all else.
  model.add({ kind: 'packing', source: 'docs', file: 'docs.tar.zst', sourceBytes: MB })
  expect(model.sources.map(({ name, state }) => [name, state])).toEqual([
    ['docs', 'packed'],
    ['mail', 'packed'],
  ])
  expect(model.attempts.at(-1)).toMatchObject({ state: 'stored' })
})
