// What the page says at the top of its overview: one sentence, true in all cases, and never "ready" where something
// has failed.

import { describe, expect, it } from 'vitest'
import type { Check, SourceStatus, Status } from '../../src/page/api-types.ts'
import { topOf, verdictOf } from '../../src/page/verdict.ts'

const NOW = new Date('2026-07-10T12:00:00Z')
const HOUR_MS = 3_600_000
const hoursAgo = (hours: number) => new Date(NOW.getTime() - hours * HOUR_MS).toISOString()

const source = (name: string, more: Partial<SourceStatus> = {}): SourceStatus => ({
  ...{ name, path: `/srv/${name}`, lastGoodAt: null, lastSizeBytes: null, lastFile: null },
  ...{ lastWarnings: 0, failedAt: null, failedReason: null },
  ...{ growthBytesPerNight: null, nextBytes: null },
  ...more,
})

const SERVER = { number: 1 } as Status['servers'][number]

const status = (more: Partial<Status> = {}): Status => ({
  ...{ serverId: 'host', run: null, copies: 1, servers: [SERVER], sources: [source('a')] },
  ...{ waiting: [], lackingCopies: 0, unusable: [], problems: [], configProblem: null },
  forecast: {
    ...{ nights: 0, fullInNights: null, fullOn: null, reason: null },
    ...{ warnings: [], notices: [] },
  },
  ...more,
})

/** As `check` tells of sources that are late. */
function sentenceOf(...lastGoodAt: readonly (string | null)[]): string {
  const sources = lastGoodAt.map((at, index) => source(`s${index}`, { lastGoodAt: at }))
  const findings = sources.map(({ name }) => ({
    ...{ level: 'critical' as const, message: `${name} is late`, source: name },
  }))
  const check: Check = { level: 'critical', findings, summary: '' }
  return verdictOf({ status: status({ sources }), check, now: NOW }).sentence
}

describe('the verdict', () => {
  it.each([
    [[hoursAgo(80)], '1 source has had no good archive for 3 days'],
    [[hoursAgo(30.9)], '1 source has had no good archive for 30 hours'],
    [[hoursAgo(1.5)], '1 source has had no good archive for 90 minutes'],
    [[hoursAgo(80), hoursAgo(30)], '2 sources have had no good archive for up to 3 days'],
    [[hoursAgo(30), hoursAgo(30.2)], '2 sources have had no good archive for 30 hours'],
    [[null], '1 source has no good archive yet'],
    [[null, null], '2 sources have no good archive yet'],
    [
      [null, hoursAgo(80), hoursAgo(30)],
      '1 source has no good archive yet, and 2 sources have had none for up to 3 days',
    ],
    [
      [null, hoursAgo(30)],
      '1 source has no good archive yet, and 1 source has had none for 30 hours',
    ],
    // The clock of whoever looks is behind.
    [[hoursAgo(-2)], '1 source has had no good archive lately'],
  ])('of sources without a good archive since %j is: %s', (times, expected) => {
    expect(sentenceOf(...times)).toBe(expected)
  })
})

describe('the top of the overview', () => {
  it('is the way to the first archive, on a new host', () => {
    expect(topOf(undefined, status({ servers: [] }))).toEqual({ step: 'server', hasVerdict: false })
    expect(topOf(undefined, status({ sources: [] }))).toEqual({ step: 'source', hasVerdict: false })
    expect(topOf(undefined, status())).toEqual({ step: 'run', hasVerdict: false })
  })

  it('is the verdict alone once there is an archive', () => {
    const sources = [source('a', { lastGoodAt: hoursAgo(3) }), source('b')]
    expect(topOf(undefined, status({ sources }))).toEqual({ step: undefined, hasVerdict: true })
  })

  it('is the verdict, and not "ready", where every run has failed so far', () => {
    const sources = [source('a', { failedAt: hoursAgo(3), failedReason: 'no such folder' })]
    expect(topOf(undefined, status({ sources }))).toEqual({ step: undefined, hasVerdict: true })
  })

  it('is the verdict, and not "ready", where the changed settings are wrong', () => {
    const wrong = status({ configProblem: '2 problems' })
    expect(topOf(undefined, wrong)).toEqual({ step: undefined, hasVerdict: true })
    expect(topOf(undefined, { ...wrong, servers: [] })).toEqual({
      step: 'server',
      hasVerdict: true,
    })
  })
})
