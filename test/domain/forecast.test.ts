// Forecasts that a person can check with a pencil.

import { describe, expect, it } from 'vitest'
import { forecast, forecastNews } from '../../src/domain/forecast.ts'
import type { ForecastArchive, ForecastInput } from '../../src/domain/forecast.ts'
import type { KeepPolicy } from '../../src/domain/keep-policy.ts'
import { pastDays } from '../support/past-days.ts'

const NOW = new Date('2026-03-10T12:00:00Z')
const KEEP_ALL: KeepPolicy = {
  last: undefined,
  daily: undefined,
  weekly: undefined,
  monthly: undefined,
  yearly: undefined,
  withinDays: undefined,
}

describe('a source of one size', () => {
  it('fills a server in as many nights as archives fit', () => {
    // Ten nights of 10 lie there; 45 are left: four more fit, and the fifth does not.
    const found = forecast(input({ archives: nights(10, () => 10), spare: [45] }))

    expect(found).toMatchObject({ reason: null, fullInNights: 5, fullOn: '2026-03-15' })
    expect(found.sources).toEqual([{ name: 'docs', growthBytesPerNight: 0, nextBytes: 10 }])
    expect(found.servers.get('s1')).toEqual({ fullInNights: 5, fullOn: '2026-03-15' })
  })

  it('never fills one where retention deletes as much as comes', () => {
    const archives = nights(10, () => 10)
    const keep = { ...KEEP_ALL, last: 10 }

    // Room for one more than are kept: the new one comes before the old one goes.
    expect(forecast(input({ archives, keep, spare: [10] })).fullInNights).toBeNull()
    expect(forecast(input({ archives, keep, spare: [9] })).fullInNights).toBe(1)
  })

  it('gets room from what retention will delete first', () => {
    // Ten lie there, four stay: six of 10 come free in the first night.
    const found = forecast(
      input({ archives: nights(10, () => 10), keep: { ...KEEP_ALL, last: 4 }, spare: [10] }),
    )
    expect(found.fullInNights).toBeNull()
  })

  it('goes on to the next server, and both together are full later', () => {
    const found = forecast(input({ archives: nights(10, () => 10), spare: [25, 30] }))
    // Two fit on the first, three on the second.
    expect(found.servers.get('s1')?.fullInNights).toBe(3)
    expect(found.servers.get('s2')?.fullInNights).toBe(6)
    expect(found.fullInNights).toBe(6)
  })

  it('needs room on two servers where there are two copies', () => {
    const archives = nights(10, () => 10)
    const found = forecast(input({ archives, spare: [25, 100], copies: 2 }))
    expect(found.fullInNights).toBe(3)
    expect(found.servers.get('s2')?.fullInNights).toBeNull()
  })
})

describe('a source that grows', () => {
  it('by 2 a night from 10 to 28 comes next with 30, then 32 ...', () => {
    const archives = nights(10, (night) => 10 + 2 * night)
    const found = forecast(input({ archives, spare: [96] }))

    expect(found.sources).toEqual([{ name: 'docs', growthBytesPerNight: 2, nextBytes: 30 }])
    // 30 + 32 + 34 = 96 fit to the byte; 36 do not.
    expect(found.fullInNights).toBe(4)
  })

  it('is not taken in by one night with a film in it', () => {
    const archives = nights(11, (night) => (night === 5 ? 5_000 : 10))
    const found = forecast(input({ archives, spare: [45] }))
    expect(found.sources[0]).toMatchObject({ growthBytesPerNight: 0, nextBytes: 10 })
    expect(found.fullInNights).toBe(5)
  })

  it('is told as shrinking, and planned as staying', () => {
    const found = forecast(input({ archives: nights(10, (night) => 100 - night), spare: [300] }))
    expect(found.sources[0]?.growthBytesPerNight).toBe(-1)
    // The middle of what they were, 95.5: three fit.
    expect(found.sources[0]?.nextBytes).toBe(95.5)
    expect(found.fullInNights).toBe(4)
  })
})

describe('the rhythm', () => {
  it('of a weekly source is a week', () => {
    const archives = nights(10, () => 10, 7)
    // The last one was last night, so the next ones come in 7, 14 and 21 nights.
    expect(forecast(input({ archives, spare: [25] })).fullInNights).toBe(21)
  })

  it('of several archives a day counts each', () => {
    const archives = nights(40, () => 10, 0.25)
    // Four a night.
    expect(forecast(input({ archives, spare: [85] })).fullInNights).toBe(3)
  })
})

describe('an unsteady rhythm', () => {
  it('of every hour is known after a week, like any other', () => {
    const archives = nights(24 * 8, () => 10, 1 / 24)
    // 24 a night, and 2.5 nights of them fit.
    expect(forecast(input({ archives, spare: [600] })).fullInNights).toBe(3)
  })

  it('is not made by an afternoon of trying things out', () => {
    const tries = nights(30, (night) => night, 0.001).map((archive) => ({
      ...archive,
      startedMs: archive.startedMs - 9 * 86_400_000,
    }))
    const archives = [...tries, ...nights(9, () => 10)]
    const found = forecast(input({ archives, spare: [45] }))
    expect(found.sources[0]).toMatchObject({ growthBytesPerNight: 0, nextBytes: 10 })
    expect(found.fullInNights).toBe(5)
  })

  it('of a source that is tried out today counts once a night, beside another that is known', () => {
    const given = input({ archives: nights(10, () => 10), spare: [60] })
    const fresh = nights(30, () => 20, 0.001).map((each) => ({ ...each, source: 'new' }))
    const sources = [...given.sources, { name: 'new', keep: KEEP_ALL, past: pastDays(fresh) }]
    const found = forecast({ ...given, archives: [...given.archives, ...fresh], sources })
    expect(found.fullInNights).toBe(3)
  })
})

describe('no forecast', () => {
  it('from fewer than seven nights', () => {
    const six = forecast(input({ archives: nights(6, (night) => 10 + night), spare: [20] }))
    expect(six).toMatchObject({ fullInNights: null, fullOn: null })
    expect(six.reason).toContain('7 nights')
    expect(six.sources).toEqual([{ name: 'docs', growthBytesPerNight: null, nextBytes: 15 }])
    expect(forecast(input({ archives: nights(7, () => 10), spare: [20] })).fullInNights).toBe(3)
  })

  it('without any archive', () => {
    expect(forecast(input({ archives: [], spare: [20] })).reason).not.toBeNull()
  })

  it('beyond a year', () => {
    expect(forecast(input({ archives: nights(10, () => 1), spare: [365] })).fullInNights).toBeNull()
    expect(forecast(input({ archives: nights(10, () => 1), spare: [364] })).fullInNights).toBe(365)
  })

  it('for a disabled server; and the others do without it', () => {
    const given = input({ archives: nights(10, () => 10), spare: [1_000, 25] })
    const [first, second] = given.servers
    const found = forecast({ ...given, servers: [{ ...first!, isEnabled: false }, second!] })
    expect(found.fullInNights).toBe(3)
    expect(found.servers.get('s1')?.fullInNights).toBeNull()
  })
})

it('counts a new source as it is, beside one whose growth is known', () => {
  const given = input({ archives: nights(10, () => 10), spare: [60] })
  const fresh = nights(1, () => 20).map((archive) => ({ ...archive, source: 'new', id: 'new' }))
  const found = forecast({
    ...given,
    archives: [...given.archives, ...fresh],
    sources: [...given.sources, { name: 'new', keep: KEEP_ALL, past: pastDays(fresh) }],
  })
  // 30 a night: two nights fit.
  expect(found.fullInNights).toBe(3)
})

it('warns fourteen nights before, not fifteen; of all servers first', () => {
  const names = [
    { identity: 's1', label: 'first' },
    { identity: 's2', label: 'second' },
  ]
  const warned = (spare: number[]) =>
    forecastNews(forecast(input({ archives: nights(10, () => 10), spare })), names)

  expect(warned([139])).toEqual({
    warnings: [
      'all servers together will be full in 14 nights (2026-03-24): add one, raise a limit, or keep less',
    ],
    notices: [],
  })
  const nothing = { warnings: [], notices: [] }
  expect(warned([140])).toEqual(nothing)
  expect(warned([0]).warnings[0]).toContain('in the coming night')
  expect(warned([20, 10_000])).toEqual({
    warnings: [],
    notices: [
      'first will be full in 3 nights (2026-03-13); archives will go to the servers behind it',
    ],
  })
  // It has been full for a year.
  expect(warned([0, 10_000])).toEqual(nothing)
})

it('says of two copies that fewer than two servers will have room', () => {
  const given = input({ archives: nights(10, () => 10), spare: [25, 10_000], copies: 2 })
  expect(forecastNews(forecast(given), []).warnings).toEqual([
    'fewer than 2 servers will have room in 3 nights (2026-03-13): add one, raise a limit, or keep less',
  ])
})

it('lets go first what waits in the spool, to servers that do not have it', () => {
  const past = nights(10, () => 10)
  const waiting = past.slice(-3).map((each) => ({ ...each, servers: ['s2'], waitsFor: 1 }))
  const archives = [...past.slice(0, -3), ...waiting]
  const found = forecast(input({ archives, spare: [45, 500], copies: 2 }))
  // Three take 30 on the first server: one night's archive is left for.
  expect(found.servers.get('s1')?.fullInNights).toBe(2)
  expect(found.fullInNights).toBe(2)
})

/** Every `step` nights, the last one in the night before NOW. */
function nights(count: number, sizeOf: (night: number) => number, step = 1): ForecastArchive[] {
  const last = new Date('2026-03-10T02:30:00Z').getTime()
  return Array.from({ length: count }, (_, night) => ({
    id: `archive-${night}`,
    source: 'docs',
    startedMs: last - (count - 1 - night) * step * 86_400_000,
    sizeBytes: sizeOf(night),
    servers: ['s1'],
    isPinned: false,
    waitsFor: 0,
  }))
}

function input({
  archives,
  spare,
  keep = KEEP_ALL,
  copies = 1,
}: {
  readonly archives: readonly ForecastArchive[]
  readonly spare: readonly number[]
  readonly keep?: KeepPolicy
  readonly copies?: number
}): ForecastInput {
  return {
    now: NOW,
    sources: [{ name: 'docs', keep, past: pastDays(archives) }],
    archives,
    servers: spare.map((spareBytes, index) => ({
      identity: `s${index + 1}`,
      number: index + 1,
      isEnabled: true,
      spareBytes,
    })),
    copies,
  }
}
