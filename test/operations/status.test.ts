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

  const fine = {
    lastWarnings: 0,
    failedAt: null,
    failedReason: null,
    growthBytesPerNight: null,
    nextBytes: GB,
  }
  expect(sources).toEqual([
    {
      name: 'etc',
      schedule: '30 2 * * *',
      path: '/srv/etc',
      lastGoodAt: '2026-03-01T02:30:00.000Z',
      lastSizeBytes: 7,
      lastFile: 'etc-20260301-023000.tar.zst',
      ...fine,
    },
    {
      name: 'www',
      schedule: '30 2 * * *',
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

it('tells per server how far its copies are proven, and what is wrong until that is settled', async () => {
  const story = await begin()
  const first = await story.store('etc', '2026-03-01T02:30:00Z', [near], { sizeBytes: 30 * GB })
  await story.store('etc', '2026-03-02T02:30:00Z', [near], { sizeBytes: 10 * GB })
  const { catalog } = story
  const [copy] = (await catalog.findArchive(first.id)).copies
  const at = (day: number) => new Date(`2026-03-0${day}T04:00:00Z`)
  await catalog.setCopyHeaded(copy!.id, at(4))
  await catalog.addProven(copy!.id, { firstFrame: 0, endFrame: 5, provenAt: at(3), frameCount: 10 })
  await catalog.addProven(copy!.id, {
    firstFrame: 5,
    endFrame: 10,
    provenAt: at(5),
    frameCount: 10,
  })
  const finding = {
    place: 'frame' as const,
    frame: 7,
    fromByte: 100,
    toByte: 200,
    what: 'it is damaged',
    memberCount: 1,
    members: ['etc/pa\u00c3\u00a4swd'],
  }

  const sound = (await status(story)).servers[0]!
  expect(sound.trust).toEqual({
    copies: 2,
    headedCopies: 1,
    headedAt: at(4).toISOString(),
    deepCopies: 1,
    deepShare: 0.75,
    deepOldestAt: at(3).toISOString(),
  })
  await catalog.addFrameProblems(copy!.id, [finding], at(6))
  const damaged = await status(story)
  expect(damaged.servers[0]?.trust).toMatchObject({ deepCopies: 0, deepShare: 0.675 })
  expect(damaged.problems).toMatchObject([
    {
      file: first.file,
      server: 1,
      frame: 7,
      members: ['etc/pa\u00e4swd'],
      foundAt: at(6).toISOString(),
    },
  ])
  await catalog.addProven(copy!.id, { firstFrame: 7, endFrame: 8, provenAt: at(7), frameCount: 10 })
  expect((await status(story)).problems).toEqual([])
})

it('says when the servers will be full, from the archives that were stored', async () => {
  const story = await begin()
  for (let day = 1; day <= 8; day += 1)
    await story.store('etc', `2026-03-0${day}T02:30:00Z`, [near], { sizeBytes: 10 * GB })

  const now = new Date('2026-03-08T12:00:00Z')
  const { catalog } = story
  const config = configOf({ servers: [near, far] })
  const { servers, sources, forecast } = await statusOf({ config, catalog, now })

  // 20 of 100 are left on the first, 100 on the second: two nights, then ten.
  expect(sources[0]?.nextBytes).toBe(10 * GB)
  expect(servers.map(({ fullInNights }) => fullInNights)).toEqual([3, 13])
  expect(sources[0]?.growthBytesPerNight).toBe(0)
  expect(forecast).toMatchObject({ fullInNights: 13, fullOn: '2026-03-21', reason: null })
  expect(forecast.warnings).toHaveLength(1)
})

it('counts archives that lack copies, unless the next run sends them anyway', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [near, far])
  await story.store('etc', '2026-03-02T02:30:00Z', [near])
  await story.store('www', '2026-03-02T02:40:00Z', [near], { isKept: true })

  const { copies, lackingCopies, waiting } = await status(story, { copies: 2 })
  expect([copies, lackingCopies, waiting.length]).toEqual([2, 1, 1])
  expect((await status(story)).lackingCopies).toBe(0)
})

async function begin(): Promise<Story> {
  const story = await openStory([near, far])
  opened.push(story.catalog)
  return story
}

function status({ catalog }: Story, config: Partial<Config> = {}) {
  return statusOf({ config: configOf({ servers: [near, far], ...config }), catalog })
}

it('names an archive that only a server which left the configuration holds', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [far])
  await story.store('www', '2026-03-01T02:40:00Z', [near, far])

  const { lackingCopies, unusable } = await status(story, { servers: [near] })

  expect(lackingCopies).toBe(1)
  expect(unusable).toMatchObject([
    {
      source: 'etc',
      file: 'etc-20260301-023000.tar.zst',
      copies: ['2: s3-2.example.com/backups (not configured)'],
    },
  ])
  expect((await status(story)).unusable).toEqual([])
})
