// Queues the nightly run when SCHEDULE is due. What was due while the daemon was not running is caught up
// once, as systemd's Persistent= does: a laptop that sleeps at night is archived in the morning.

import { lastTime, nextTime } from '../domain/schedule-times.ts'
import { parseSchedule } from '../domain/schedule.ts'
import type { JobQueue } from './job-queue.ts'
import type { Jobs } from '../state/jobs.ts'

// The clock may be set, the machine may sleep, the settings may change: what is due is asked again, and a
// timer of hours would not hear of it.
const LOOK_EVERY_MS = 20_000

const NAME = 'SCHEDULE'

export class Scheduler {
  readonly #jobs: Jobs
  readonly #queue: Pick<JobQueue, 'add'>
  readonly #schedule: () => Promise<string>
  readonly #now: () => Date
  readonly #log: (line: string) => void
  #timer: NodeJS.Timeout | undefined

  constructor(input: {
    readonly jobs: Jobs
    readonly queue: Pick<JobQueue, 'add'>
    /** As the settings have it now. */
    readonly schedule: () => Promise<string>
    readonly now: () => Date
    readonly log: (line: string) => void
  }) {
    this.#jobs = input.jobs
    this.#queue = input.queue
    this.#schedule = input.schedule
    this.#now = input.now
    this.#log = input.log
  }

  async start(): Promise<void> {
    await this.look()
    this.#timer = setInterval(() => {
      this.look().catch((error: unknown) =>
        this.#log(`the schedule cannot be read: ${String(error)}`),
      )
    }, LOOK_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async next(): Promise<Date> {
    return nextTime(parseSchedule(await this.#schedule()), this.#now())
  }

  /** Queues a run if one is due. */
  async look(): Promise<void> {
    const now = this.#now()
    const since = this.#jobs.scheduleMark(NAME)
    if (since === undefined || since > now) {
      // The first start on this host, or the clock was put back: nothing was missed.
      this.#jobs.setScheduleMark(NAME, now)
      return
    }
    const due = lastTime(parseSchedule(await this.#schedule()), since, now)
    if (due === undefined) return
    const job = this.#queue.add({
      ...{ kind: 'run', origin: 'schedule', requestedBy: NAME },
      args: ['run', '--json', '--events'],
    })
    // A full queue has a run in it soon enough; the mark stays, and it is asked again.
    if (job === undefined) return
    this.#jobs.setScheduleMark(NAME, now)
    this.#log(`the run of ${due.toISOString()} is queued`)
  }
}
