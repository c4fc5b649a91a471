import { afterEach, expect, it } from 'vitest'
import { statusOf } from '../../src/operations/status.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { Config } from '../../src/domain/config.ts'
import { configOf, GB, openStory, s3Server } from '../support/catalog-story.ts'
import type { Story } from '../support/catalog-story.ts'

const [near, far] = [s3Server(1), s3Server(2)]
const opened: Catalog[] = []
afterEach(async () => {
  for (const catalog of opened.splice(0)) await catalog.close()
})

it('adds up what lies on a server, what is promised, and what is left', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [near], { sizeBytes: 10 * GB })
  const waiting = await story.wait('www', '2026-03-02T02:30:00Z', 5 * GB)
  await story.catalog.reserve({
    archiveId: waiting.id,
    identity: near.identity,
    key: waiting.key,
    token: 'token',
    bytes: 5 * GB,
    limitBytes: near.limitBytes,
  })
  await story.catalog.setOtherBytes(near.identity, 20 * GB, new Date())

  const { servers } = await status(story)

  expect(servers[0]).toMatchObject({
    number: 1,
    endpoint: 'https://s3-1.example.com',
    bucket: 'backups',
    limitBytes: 100 * GB,
    usedBytes: 10 * GB,
    reservedBytes: 5 * GB,
    catalogBytes: 0,
    otherBytes: 20 * GB,
    spareBytes: 65 * GB,
    archives: 1,
    enabled: true,
  })
})

it('tells the health of a server, why, and since when that is known', async () => {
  const story = await begin()
  const at = new Date('2026-03-02T02:31:00Z')
  await story.catalog.setHealth(far.identity, 'dead', 'connect ECONNREFUSED', at)

  const { servers } = await status(story)

  expect(servers.map(({ health }) => health)).toEqual(['unknown', 'dead'])
  expect(servers[1]).toMatchObject({
    healthReason: 'connect ECONNREFUSED',
    checkedAt: at.toISOString(),
  })
})

it('shows a server that left the configuration as long as it holds archives', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [far])

  const left = await status(story, { servers: [near] })
  expect(left.servers.map(({ number, archives }) => [number, archives])).toEqual([
    [1, 0],
    [null, 1],
  ])
  expect(left.servers[1]).toMatchObject({ limitBytes: null, usedBytes: GB, spareBytes: 0 })

  const empty = await status(story, { servers: [far] })
  expect(empty.servers.map(({ number }) => number)).toEqual([2])
})

it('shows a server that was never used before its first run', async () => {
  const { servers } = await statusOf({ config: configOf(), catalog: undefined })

  expect(
    servers.map(({ usedBytes, spareBytes, health }) => [usedBytes, spareBytes, health]),
  ).toEqual([
    [0, 100 * GB, 'unknown'],
    [0, 100 * GB, 'unknown'],
  ])
})

it('counts an archive as good only when a server has it', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [near], { sizeBytes: 7 })
  await story.wait('etc', '2026-03-02T02:30:00Z')
  await story.wait('www', '2026-03-02T02:40:00Z')

  const { sources, waiting } = await status(story)

  const fine = { lastWarnings: 0, failedAt: null, failedReason: null }
  expect(sources).toEqual([
    {
      name: 'etc',
      path: '/srv/etc',
      lastGoodAt: '2026-03-01T02:30:00.000Z',
      lastSizeBytes: 7,
      lastFile: 'etc-20260301-023000.tar.zst',
      ...fine,
    },
    {
      name: 'www',
      path: '/srv/www',
      lastGoodAt: null,
      lastSizeBytes: null,
      lastFile: null,
      ...fine,
    },
  ])
  expect(waiting.map(({ source, sizeBytes }) => [source, sizeBytes])).toEqual([
    ['etc', GB],
    ['www', GB],
  ])
})

it('tells when the newest try of a source failed, and why, beside the last good one', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [near], { sizeBytes: 7 })
  await story.fail('etc', '2026-03-02T02:30:00Z', 'the disk is full')

  const { sources } = await status(story)

  expect(sources[0]).toMatchObject({
    lastGoodAt: '2026-03-01T02:30:00.000Z',
    failedAt: '2026-03-02T02:30:00.000Z',
    failedReason: 'the disk is full',
  })
})

async function begin(): Promise<Story> {
  const story = await openStory([near, far])
  opened.push(story.catalog)
  return story
}

function status({ catalog }: Story, config: Partial<Config> = {}) {
  return statusOf({ config: configOf({ servers: [near, far], ...config }), catalog })
}
