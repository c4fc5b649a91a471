// Raises an alarm when a source has had no good archive for longer than its schedule allows: what no run can
// tell, because it hangs, ends before it begins, or is never started.
//
// Each receiver is told once of each silence, also across restarts. That it is over is told by the run that
// ends it (notify-run.ts): to that run the source was not well before.

import { deadlineOf } from '../domain/check.ts'
import type { Config } from '../domain/config.ts'
import { messageOf } from '../domain/errors.ts'
import { newsFor } from '../domain/notification.ts'
import type { Notification, NotifyMessage } from '../domain/notification.ts'
import type { Source } from '../domain/source.ts'
import { isFromTheFuture } from '../domain/recent.ts'
import { parseSchedule } from '../domain/schedule.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { RunHolder } from '../catalog/run-lock.ts'
import type { Marks } from '../state/marks.ts'
import { ageOf } from './check.ts'
import { oneLine } from './notify-text.ts'
import { keepSilence, silenceOf } from './silence-marks.ts'
import type { Silence } from './silence-marks.ts'
import type { Services } from './services.ts'
import { statusOf } from './status.ts'

export type SilenceInput = {
  readonly services: () => Promise<
    Pick<Services, 'config' | 'catalogIfPresent' | 'currentRun' | 'notifier'>
  >
  readonly marks: Marks
  readonly now: () => Date
  readonly log: (line: string) => void
}

// A machine that slept for days is late the moment it wakes, and its missed run begins a moment later.
const NOTICE_MS = 10 * 60_000

// A run that goes on may still make what is late; one that hangs must not keep the alarm back for ever.
const RUN_MS = 6 * 3_600_000

// Of a receiver that could not be told: from each five minutes to each hour.
const RETRY_MS = 5 * 60_000
const RETRY_MAX_MS = 60 * 60_000

type Late = { readonly source: Source; readonly silence: Silence }

type Facts = {
  readonly config: Config
  readonly catalog: Catalog | undefined
  readonly run: RunHolder | undefined
  readonly now: Date
}

export class SilenceWatch {
  readonly #input: SilenceInput
  readonly #retries = new Map<number, { readonly atMs: number; readonly delayMs: number }>()

  constructor(input: SilenceInput) {
    this.#input = input
  }

  async look(): Promise<void> {
    const { services, now: clock } = this.#input
    const { config, catalogIfPresent, currentRun, notifier } = await services()
    if (config.notifications.length === 0) return
    const [catalog, run, now] = [await catalogIfPresent(), await currentRun(), clock()]
    const facts = { config, catalog, run, now }
    const late: Late[] = []
    for (const source of config.sources) {
      const silence = await this.#judge(source, facts)
      if (silence !== undefined) late.push({ source, silence })
    }
    if (late.length === 0) return
    for (const notification of config.notifications) {
      if (newsFor(notification.on, ALARM) !== 'bad') continue
      const { number } = notification
      const news = late.filter(({ silence }) => !silence.told.includes(number))
      if (news.length === 0 || now.getTime() < (this.#retries.get(number)?.atMs ?? 0)) continue
      const message = await messageFor(news, facts)
      await this.#tell({ notification, message, news, deliver: (await notifier()).deliver })
    }
  }

  /** What to tell of; undefined while it is in time, or may still become so. */
  async #judge(source: Source, { config, catalog, run, now }: Facts): Promise<Silence | undefined> {
    const { marks } = this.#input
    const { name, schedule } = source
    const keep = (silence: Silence): Silence => {
      keepSilence(marks, name, silence, now)
      return silence
    }
    const lastGoodAt = (await catalog?.lastGood(name))?.startedAt.toISOString() ?? null
    const found = silenceOf(marks, name)
    const known =
      found !== undefined && isPast(found.seenAt, now)
        ? found
        : keep({ lastGoodAt, noticedAt: null, told: [], ...found, seenAt: now.toISOString() })
    const { lateAt, hopelessAt } = deadlineOf(new Date(lastGoodAt ?? known.seenAt), {
      ...{ schedule: parseSchedule(schedule ?? config.schedule), maxAgeMs: undefined },
      delayMs: config.randomDelayMs,
    })
    if (now <= lateAt) {
      // Who was told stays: the run that made a newer archive has yet to tell that it is over.
      if (known.noticedAt !== null) keep({ ...known, noticedAt: null })
      return undefined
    }
    const isSame = known.lastGoodAt === lastGoodAt
    const isNoticed = isSame && known.noticedAt !== null && isPast(known.noticedAt, now)
    const noticedAt = isNoticed ? known.noticedAt : now.toISOString()
    const silence = { ...known, lastGoodAt, noticedAt, told: isSame ? known.told : [] }
    if (!isNoticed) keep(silence)
    const knownForMs = now.getTime() - Date.parse(noticedAt)
    const mayCome = run !== undefined && (now <= hopelessAt || knownForMs < RUN_MS)
    return mayCome || knownForMs < NOTICE_MS ? undefined : silence
  }

  async #tell(input: {
    readonly notification: Notification
    readonly message: NotifyMessage
    readonly news: readonly Late[]
    readonly deliver: Awaited<ReturnType<Services['notifier']>>['deliver']
  }): Promise<void> {
    const { notification, message, news, deliver } = input
    const { marks, now, log } = this.#input
    const { number, label } = notification
    try {
      await deliver(notification, message)
    } catch (error) {
      const before = this.#retries.get(number)?.delayMs
      const delayMs = before === undefined ? RETRY_MS : Math.min(RETRY_MAX_MS, before * 2)
      this.#retries.set(number, { atMs: now().getTime() + delayMs, delayMs })
      log(`${message.title}: ${messageOf(error)}`)
      return
    }
    this.#retries.delete(number)
    log(`${message.title}: told ${label}`)
    for (const { source, silence } of news) {
      // Another receiver may have been told meanwhile.
      const told = silenceOf(marks, source.name)?.told ?? []
      keepSilence(marks, source.name, { ...silence, told: [...told, number] }, now())
    }
  }
}

/** Otherwise it was noted by a clock that was wrong, and would keep the alarm back until then. */
function isPast(at: string, now: Date): boolean {
  return !isFromTheFuture(new Date(at), now.getTime())
}

/** For `newsFor`: nothing of it is a recovery. */
const ALARM = { outcome: 'failed', before: 'failed', after: 'failed' } as const

async function messageFor(news: readonly Late[], facts: Facts): Promise<NotifyMessage> {
  const { config, now } = facts
  const status = await statusOf(facts)
  const names = news.map(({ source }) => source.name)
  const lines = status.sources
    .filter(({ name }) => names.includes(name))
    .map((source) => {
      // Of a run that goes on nothing is hoped for any more.
      const age = ageOf(source, { config, run: undefined, now, maxAgeMs: undefined })
      return `- ${oneLine(age.finding?.message ?? source.name)}`
    })
  const what = names.length === 1 ? names[0]! : `${names.length} sources`
  const title = oneLine(`${config.serverId}: NO GOOD ARCHIVE of ${what} for longer than scheduled`)
  const running =
    facts.run === undefined ? [] : ['', `A run has been going on since ${facts.run.since}.`]
  const text = [...lines, ...running, '', 'See: spillway status, and the log of the daemon.'].join(
    '\n',
  )
  const sources = news.map(({ source, silence }) => ({
    ...{ name: source.name, lastGoodAt: silence.lastGoodAt },
  }))
  const document = { event: 'silence', host: config.serverId, title, summary: text, sources }
  return { phase: 'end', level: 'failed', title, text, document }
}
