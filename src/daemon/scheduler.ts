// Queues runs when schedules are due: SCHEDULE for the sources without one of their own, SOURCE_N_SCHEDULE for
// each of the others. What is due at one moment is one run. What was due while the daemon was not running
// is caught up once, as systemd's Persistent= does: a laptop that sleeps at night is archived in the morning. So is
// what the end of the daemon cut off; and what met a run that somebody had begun follows once that is over.
//
// A host follows its schedules later by a delay of its own, always the same one, so that a fleet does not come
// to one server in the same second. All times here are "by the schedule": the clock less that delay.

import { createHash } from 'node:crypto'
import { FAILURES } from '../domain/errors.ts'
import { nextTime } from '../domain/schedule-times.ts'
import { parseSchedule } from '../domain/schedule.ts'
import type { Config } from '../domain/config.ts'
import { STOPPED } from './job-queue.ts'
import type { JobQueue } from './job-queue.ts'
import type { Jobs } from '../state/jobs.ts'
import type { Schedule } from '../domain/schedule.ts'

export type Plan = Pick<Config, 'schedule' | 'randomDelayMs' | 'serverId'> & {
  readonly sources: readonly Pick<Config['sources'][number], 'name' | 'schedule'>[]
}

// The clock may be set, the machine may sleep, the settings may change: what is due is asked again, and a
// timer of hours would not hear of it.
const LOOK_EVERY_MS = 20_000

// A mark in the future by less than this was made under a shorter delay, or the clock was put back a little:
// what is due until then was queued. By more, the clock was wrong when the mark was made.
const AHEAD_MAX_MS = 12 * 3_600_000

// What met another run longer ago has had its next night.
const MET_WITHIN_MS = 24 * 3_600_000

// A run in another container holds the lock and cannot be seen: each repeat meets it again until it is over.
const PAUSES_MS = [60_000, 5 * 60_000, 15 * 60_000]

type Followed = {
  /** The name of its mark: a changed schedule is a new one, with nothing missed. */
  readonly mark: string
  readonly schedule: Schedule
  readonly sources: readonly string[]
}

export class Scheduler {
  readonly #jobs: Jobs
  readonly #queue: Pick<JobQueue, 'add'>
  readonly #plan: () => Promise<Plan>
  readonly #isRunGoingOn: () => Promise<boolean>
  readonly #now: () => Date
  readonly #log: (line: string) => void
  /** How often a run that met another one was queued again, and until when it is not. */
  readonly #repeats = new Map<string, { readonly times: number; readonly untilMs: number }>()
  #timer: NodeJS.Timeout | undefined
  #known = ''

  constructor(input: {
    readonly jobs: Jobs
    readonly queue: Pick<JobQueue, 'add'>
    /** As the settings have it now. */
    readonly plan: () => Promise<Plan>
    /** Of whoever. */
    readonly isRunGoingOn: () => Promise<boolean>
    readonly now: () => Date
    readonly log: (line: string) => void
  }) {
    this.#jobs = input.jobs
    this.#queue = input.queue
    this.#plan = input.plan
    this.#isRunGoingOn = input.isRunGoingOn
    this.#now = input.now
    this.#log = input.log
  }

  async start(): Promise<void> {
    await this.look()
    this.#beginAgain()
    this.#timer = setInterval(() => {
      this.look().catch((error: unknown) =>
        this.#log(`the schedule cannot be read: ${String(error)}`),
      )
    }, LOOK_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Of any schedule; undefined while there are no sources. */
  async next(): Promise<Date | undefined> {
    const plan = await this.#plan()
    const delayMs = delayOf(plan)
    const from = new Date(this.#now().getTime() - delayMs)
    const times = followedOf(plan).map(({ schedule }) => nextTime(schedule, from).getTime())
    return times.length === 0 ? undefined : new Date(Math.min(...times) + delayMs)
  }

  /** Queues a run of whatever is due. */
  async look(): Promise<void> {
    const plan = await this.#plan()
    const now = new Date(this.#now().getTime() - delayOf(plan))
    const followed = followedOf(plan)
    this.#forgetOthers(followed)
    const due = followed.filter((each) => this.#isDue(each, now))
    if (due.length > 0) this.#queueDue(plan, due, now)
    await this.#repeatMet()
  }

  #queueDue(plan: Plan, due: readonly Followed[], now: Date): void {
    const names = new Set(due.flatMap(({ sources }) => sources))
    const args = argsOf(plan, names)
    if (!this.#jobs.isQueued(args)) {
      const job = this.#queue.add({
        ...{ kind: 'run', origin: 'schedule', requestedBy: REQUESTED_BY },
        args,
      })
      // A full queue has a run in it soon enough; the marks stay, and it is asked again.
      if (job === undefined) return
      this.#repeats.delete(JSON.stringify(args))
      this.#log(
        `a run is due and queued: ${args.length > RUN.length ? [...names].join(', ') : 'all sources'}`,
      )
    }
    for (const { mark } of due) this.#jobs.setScheduleMark(mark, now)
  }

  /**
   * What a restart cut off would be missed until the next night, or the next week. Once: a run that ends the
   * daemon each time must not be begun for ever.
   */
  #beginAgain(): void {
    for (const args of this.#jobs.cutOff([REQUESTED_BY, AFTER_ANOTHER], STOPPED))
      if (this.#addAgain(args, ONCE_MORE)) this.#log('a run that was cut off is queued once more')
  }

  /** Nothing was begun: the other run may have been one of a single source. */
  async #repeatMet(): Promise<void> {
    const nowMs = this.#now().getTime()
    const met = this.#jobs.endedWith(FAILURES.RUN_LOCKED.exit, new Date(nowMs - MET_WITHIN_MS))
    if (met.length === 0 || (await this.#isRunGoingOn())) return
    for (const args of met) {
      const name = JSON.stringify(args)
      const { times, untilMs } = this.#repeats.get(name) ?? { times: 0, untilMs: 0 }
      // More than the longest pause: the clock was put back.
      const isPause = nowMs < untilMs && untilMs - nowMs <= PAUSES_MS.at(-1)!
      if (isPause || !this.#addAgain(args, AFTER_ANOTHER)) continue
      const pauseMs = PAUSES_MS[Math.min(times, PAUSES_MS.length - 1)]!
      this.#repeats.set(name, { times: times + 1, untilMs: nowMs + pauseMs })
      this.#log('a run that met another one is queued once more')
    }
  }

  #addAgain(args: readonly string[], requestedBy: string): boolean {
    return this.#queue.add({ kind: 'run', origin: 'schedule', requestedBy, args }) !== undefined
  }

  #isDue({ mark, schedule }: Followed, now: Date): boolean {
    const since = this.#jobs.scheduleMark(mark)
    if (since === undefined || since.getTime() > now.getTime() + AHEAD_MAX_MS) {
      // The first time on this host, or the clock was wrong: nothing was missed.
      this.#jobs.setScheduleMark(mark, now)
      return false
    }
    return nextTime(schedule, since) <= now
  }

  /** A source that comes back after months has missed nothing. */
  #forgetOthers(followed: readonly Followed[]): void {
    const marks = followed.map(({ mark }) => mark)
    const known = JSON.stringify(marks)
    if (known === this.#known) return
    this.#jobs.keepScheduleMarks(marks)
    this.#known = known
  }
}

const RUN = ['run', '--json', '--events']
const REQUESTED_BY = 'SCHEDULE'
const AFTER_ANOTHER = `${REQUESTED_BY}, after another run`
const ONCE_MORE = `${REQUESTED_BY}, once more`

/** All of them without names: then those count that are configured when the run begins. */
function argsOf({ sources }: Plan, due: ReadonlySet<string>): readonly string[] {
  const names = sources.map(({ name }) => name).filter((name) => due.has(name))
  return names.length === sources.length ? RUN : [...RUN, '--', ...names]
}

function followedOf({ schedule, sources }: Plan): readonly Followed[] {
  const common = sources.filter((source) => source.schedule === undefined)
  const own = sources.flatMap(({ name, schedule: text }) =>
    text === undefined
      ? []
      : [{ mark: `SOURCE ${name}: ${text}`, schedule: parseSchedule(text), sources: [name] }],
  )
  if (common.length === 0) return own
  const names = common.map(({ name }) => name)
  const mark = `SCHEDULE: ${schedule}`
  return [{ mark, schedule: parseSchedule(schedule), sources: names }, ...own]
}

/** The same for a host at all times, whatever is restarted; spread evenly over hosts. */
export function delayOf({
  serverId,
  randomDelayMs,
}: Pick<Plan, 'serverId' | 'randomDelayMs'>): number {
  const number = createHash('sha256').update(`spillway delay ${serverId}`).digest().readUInt32BE()
  return Math.floor((number / 2 ** 32) * randomDelayMs)
}
