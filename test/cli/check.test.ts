import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkCommand } from '../../src/cli/commands/check.ts'
import type { Config } from '../../src/domain/config.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import { configOf, folderSource, GB, openStory, s3Server } from '../support/catalog-story.ts'
import type { Story } from '../support/catalog-story.ts'
import { commandLine } from '../support/command-line.ts'

const [near, far] = [s3Server(1), s3Server(2)]

// Local time: SCHEDULE is half past two in it.
const at = (day: number, hour: number, minute = 0) => new Date(2026, 2, day, hour, minute)
const text = (day: number, hour = 2, minute = 30) => at(day, hour, minute).toISOString()

let story: Story
beforeEach(async () => {
  story = await openStory([near, far])
})
afterEach(() => story.catalog.close())

type Situation = {
  readonly now: Date
  readonly config?: Partial<Config>
  readonly runSince?: Date
}

async function check({ now, config, runSince }: Situation, ...flags: string[]) {
  const run = runSince === undefined ? undefined : { pid: 1, since: runSince.toISOString() }
  const services = {
    config: configOf({ servers: [near, far], ...config }),
    catalogIfPresent: async () => story.catalog,
    currentRun: async () => run,
  }
  const ran = await commandLine([checkCommand], () => services, ['check', ...flags], { now })
  expect(ran.err).toEqual([])
  expect(ran.out).toHaveLength(1)
  return { exit: ran.exit, line: ran.out[0]! }
}

async function bothStored(day = 2): Promise<void> {
  await story.store('etc', text(day), [near])
  await story.store('www', text(day), [near])
}

it('one line, with figures, when all is well', async () => {
  await bothStored()
  const { exit, line } = await check({ now: at(2, 12, 30) })
  expect(exit).toBe(0)
  expect(line).toBe(
    'OK - 2 sources, the oldest last archive is 10 h old | ' +
      "'etc_age'=36000s;;108000;0; 'www_age'=36000s;;108000;0; " +
      "'server1_taken'=2000000000B;;;0;100000000000 'server2_taken'=0B;;;0;100000000000 " +
      "'waiting'=0;;;0; 'damaged'=0;;;0;",
  )
})

describe('a source without a new archive', () => {
  it('is no alarm before its run had its grace', async () => {
    await bothStored()
    expect(await check({ now: at(3, 8, 29) })).toMatchObject({ exit: 0 })
  })

  it('is critical from then on: 16, or 2 for Nagios', async () => {
    await bothStored()
    await story.store('www', text(3), [near])
    const now = at(3, 8, 31)
    const { exit, line } = await check({ now })
    expect(exit).toBe(16)
    const due = at(3, 2, 30).toISOString().slice(0, 16).replace('T', ' ')
    expect(line).toMatch(`CRITICAL - etc has had no good archive for 30 h, was due ${due} UTC | `)
    expect(await check({ now }, '--nagios')).toMatchObject({ exit: 2 })
  })

  it('is late by its own schedule, where it has one', async () => {
    await bothStored()
    const hourly = { ...folderSource(1, 'etc'), schedule: '0 * * * *' }
    const weekly = { ...folderSource(2, 'www'), schedule: '0 2 * * 0' }
    const config = { sources: [hourly, weekly] }
    expect(await check({ now: at(2, 3, 59), config })).toMatchObject({ exit: 0 })
    const { exit, line } = await check({ now: at(5, 4, 1), config })
    expect(exit).toBe(16)
    expect(line).toContain('etc has had no good archive for 3 days')
    expect(line).not.toContain('www has had no')
    expect(line).not.toContain('; www')
  })

  it('is late by the random delay later', async () => {
    await bothStored()
    const config = { randomDelayMs: 2 * 3_600_000 }
    expect(await check({ now: at(3, 10, 29), config })).toMatchObject({ exit: 0 })
    expect(await check({ now: at(3, 10, 31), config })).toMatchObject({ exit: 16 })
  })

  it('is a warning while a run may still make it, and no longer', async () => {
    await bothStored()
    const runSince = at(3, 2, 30)
    expect(await check({ now: at(3, 9), runSince })).toMatchObject({ exit: 3 })
    expect(await check({ now: at(3, 9), runSince }, '--nagios')).toMatchObject({ exit: 1 })
    expect(await check({ now: at(4, 9), runSince })).toMatchObject({ exit: 16 })
  })

  it('is judged by --max-age where that is given', async () => {
    await bothStored()
    const now = at(3, 12, 30)
    expect(await check({ now }, '--max-age=36h')).toMatchObject({ exit: 0 })
    expect(await check({ now: at(2, 12) }, '--max-age', '9h')).toMatchObject({ exit: 16 })
  })

  it('with none at all is critical, and says why', async () => {
    await story.store('etc', text(2), [near])
    await story.fail('www', text(2), '/srv/www does not exist')
    const { exit, line } = await check({ now: at(2, 5) })
    expect(exit).toBe(16)
    expect(line).toMatch(
      /^CRITICAL - www has no good archive at all; the last try failed: \/srv\/www does not exist \|/,
    )
  })

  it('whose last try failed is a warning before it is too old', async () => {
    await bothStored(2)
    await story.store('etc', text(3), [near])
    await story.fail('www', text(3), 'pg_dump ended with 1 | perhaps')
    const { exit, line } = await check({ now: at(3, 5) })
    expect(exit).toBe(3)
    // A bar begins the figures.
    expect(line).toMatch(
      /^WARNING - www has a good archive, 26 h old; the last try failed: pg_dump ended with 1 \/ perhaps \| '/,
    )
  })
})

describe('archives that wait', () => {
  it('are critical when no server has them', async () => {
    await bothStored()
    await story.wait('www', text(3))
    await story.store('etc', text(3), [near])
    const { exit, line } = await check({ now: at(3, 3, 30) })
    expect(exit).toBe(23)
    expect(line).toMatch(/^CRITICAL - 1 archive \(1\.00 GB\) on no server, in the spool alone \|/)
    expect(line).toContain("'waiting'=1;")
  })

  it('are on their way while the run that made them goes on', async () => {
    await bothStored()
    await story.wait('www', text(3))
    const runSince = at(3, 2, 29)
    expect(await check({ now: at(3, 3, 30), runSince })).toMatchObject({ exit: 0 })
  })

  it('for further copies alone are a warning', async () => {
    await story.store('etc', text(2), [near], { isKept: true })
    await story.store('www', text(2), [near, far])
    const { exit, line } = await check({ now: at(2, 5), config: { copies: 2 } })
    expect(exit).toBe(3)
    expect(line).toMatch(/^WARNING - 1 archive waiting for further copies \|/)
  })
})

describe('servers', () => {
  const now = at(2, 5)

  it('a full one is what the next is there for, unless --max-used asks', async () => {
    await story.store('etc', text(2), [near], { sizeBytes: 95 * GB })
    await story.store('www', text(2), [far])
    expect(await check({ now })).toMatchObject({ exit: 0 })
    const { exit, line } = await check({ now }, '--max-used=90')
    expect(exit).toBe(3)
    expect(line).toMatch(/^WARNING - server 1 is 95 % full \|/)
  })

  it('too few with room are a warning', async () => {
    await story.store('etc', text(2), [near], { sizeBytes: 95 * GB })
    await story.store('www', text(2), [far], { sizeBytes: 92 * GB })
    const { exit, line } = await check({ now })
    expect(exit).toBe(3)
    expect(line).toMatch(/^WARNING - all servers are nearly full: 13\.0 GB spare in all \|/)
  })

  it('none with any room is critical', async () => {
    await story.store('etc', text(2), [near], { sizeBytes: 100 * GB })
    await story.store('www', text(2), [far], { sizeBytes: 100 * GB })
    expect(await check({ now })).toMatchObject({ exit: 22 })
    expect(await check({ now }, '--nagios')).toMatchObject({ exit: 2 })
  })

  it('a sick one is a warning', async () => {
    await bothStored()
    await story.catalog.setHealth(far.identity, 'dead', 'the connection was refused', now)
    const { exit, line } = await check({ now })
    expect(exit).toBe(3)
    expect(line).toMatch(/^WARNING - server 2 is dead: the connection was refused \|/)
  })
})

it('an archive of which no sound copy is left is counted once, however much is known of it', async () => {
  await bothStored()
  const finding = { frame: null, fromByte: 0, what: 'zeros', memberCount: 1, members: ['a'] }
  for (const { copies } of await story.catalog.archives())
    for (const place of ['object', 'tail'] as const)
      await story.catalog.setProblems(
        copies[0]!.id,
        place,
        [{ ...finding, place, toByte: 9 }],
        at(2, 5),
      )
  const { exit, line } = await check({ now: at(2, 12) })
  expect(exit).toBe(31)
  expect(line).toMatch(/^CRITICAL - .*; 2 archives without a sound copy on a configured server \|/)
  expect(line).toContain('etc has no good archive at all')
  expect(line).not.toContain('with known damage')
  expect(line).toContain(" 'damaged'=2;")
})

it('an archive without a copy on any configured server is critical', async () => {
  await story.store('etc', text(1), [far])
  await bothStored()
  const { exit, line } = await check({ now: at(2, 5), config: { servers: [near] } })
  expect(exit).toBe(31)
  expect(line).toMatch(/^CRITICAL - 1 archive without a sound copy on a configured server \|/)
})

describe('what cannot be known is UNKNOWN for Nagios, and our own failure elsewhere', () => {
  const broken = async (): Promise<never> => {
    throw new SpillwayError('CONFIG_INVALID', '2 problems in .env\nA is wrong\nB is wrong')
  }

  it.each([
    [
      ['check', '--nagios'],
      3,
      ['UNKNOWN - 2 problems in .env; A is wrong; B is wrong [CONFIG_INVALID]'],
    ],
    [['check'], 4, []],
  ])('%j', async (argv, exit, out) => {
    expect(await commandLine([checkCommand], broken, argv)).toMatchObject({ exit, out })
  })

  it('a wrong age is wrong usage', async () => {
    expect(await commandLine([checkCommand], broken, ['check', '--max-age=soon'])).toMatchObject({
      exit: 2,
    })
  })
})
