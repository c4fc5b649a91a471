// A simulated year: hosts that share servers, every night a run, and everything that goes wrong in a year. The last
// days are calm: by then everything must have healed.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Counts } from './counts.ts'
import { Inhabitant } from './night.ts'
import { keepStatements } from './kept-statements.ts'
import { liveThrough } from './day.ts'
import { Random } from './random.ts'
import { SimHost } from './sim-host.ts'
import { SimServer } from './fleet.ts'
import { DAY_MS, VirtualTime } from './virtual-time.ts'

export type YearInput = {
  readonly seed: number
  readonly hosts: number
  readonly servers: number
  readonly days: number
  readonly onProgress?: (text: string) => void
}

export type YearResult = {
  readonly counts: Counts
  readonly seconds: number
  /** Of the first host with one: what, and how it came. */
  readonly violation:
    { readonly host: string; readonly day: number; readonly story: readonly string[] } | undefined
}

// A year that begins on a Friday and has 29 February in it would be 2028; week 53, too.
const BEGIN_MS = Date.UTC(2027, 8, 1, 2, 30)

/** Days at the end without weather, mishaps, harm and changes. */
export const CALM_DAYS = 8

export async function simulateYear(input: YearInput): Promise<YearResult> {
  const { seed, hosts, days } = input
  const begun = performance.now()
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'spillway-soak-'))
  const scratch = join(folder, 'restored')
  mkdirSync(scratch)
  const servers = await Promise.all(
    Array.from({ length: input.servers }, (_, index) =>
      SimServer.start(seed, index + 1, days - CALM_DAYS),
    ),
  )
  const time = new VirtualTime(BEGIN_MS)
  const forgetStatements = keepStatements()
  const counts = new Counts()
  // Each host has two or three servers.
  const usersPerServer = Math.max(1, Math.round((2.5 * hosts) / servers.length))
  const lives = Array.from({ length: hosts }, (_, index) => {
    const name = `host-${String(index + 1).padStart(2, '0')}`
    return new Inhabitant(
      new SimHost({ seed, name, folder, servers, usersPerServer }),
      time,
      counts,
    )
  })
  const rejections: unknown[] = []
  const onRejection = (error: unknown): void => void rejections.push(error)
  process.on('unhandledRejection', onRejection)
  try {
    for (let day = 0; day < days; day += 1) {
      for (const server of servers) server.dawn(day)
      for (const [index, life] of lives.entries()) {
        const { host, violations } = life
        const random = new Random(seed, host.name, day)
        const isCalm = day >= days - CALM_DAYS
        const isLast = day === days - 1
        life.tell(`--- day ${day}`)
        const rightMs = BEGIN_MS + day * DAY_MS + index * 60_000
        await liveThrough(life, { day, isCalm, isLast, random, time, rightMs, scratch, counts })
        for (const error of rejections.splice(0)) life.violation(`nobody caught ${String(error)}`)
        if (violations.length > 0)
          return {
            counts,
            seconds: (performance.now() - begun) / 1_000,
            violation: { host: host.name, day, story: life.story },
          }
      }
      if (day % 30 === 29) {
        const seconds = Math.round((performance.now() - begun) / 1_000)
        input.onProgress?.(`day ${day + 1}, ${seconds} s: ${counts.toString()}`)
      }
    }
    return { counts, seconds: (performance.now() - begun) / 1_000, violation: undefined }
  } finally {
    process.off('unhandledRejection', onRejection)
    time.end()
    forgetStatements()
    await Promise.all(servers.map(({ model }) => model.close()))
    rmSync(folder, { recursive: true, force: true })
  }
}
