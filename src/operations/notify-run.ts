// Tells others of a run: once, at its end, also of one that could not begin. Nothing in here can fail an
// archive: who was not told is a warning of the run.

import { newsFor, outcomeOf, standingAfter } from '../domain/notification.ts'
import type { Notification, NotifyMessage, Standing } from '../domain/notification.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { withWarnings } from '../domain/run-report.ts'
import type { OnRunEvent } from '../domain/run-events.ts'
import type { RunReport } from '../domain/run-report.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { boundedReport } from './notify-document.ts'
import { oneLine, textOf, titleOf } from './notify-text.ts'
import { alarmedAmong, endAlarms } from './silence-marks.ts'
import type { Services } from './services.ts'

export type NotifyServices = Pick<Services, 'openState' | 'notifier'> & {
  readonly config: Pick<Services['config'], 'serverId' | 'notifications' | 'sources' | 'servers'>
}

/** Resolves with who could not be told. */
export type TellOfWrongSettings = (
  configFile: string | undefined,
  error: unknown,
  signal: AbortSignal,
  now: () => Date,
) => Promise<readonly string[]>

const MARK = 'NOTIFY_STANDING'

// A list longer than that is a mistake, and no reason to open as many connections at once.
const TOGETHER_MAX = 8

export class RunNotices {
  readonly #services: NotifyServices
  readonly #signal: AbortSignal
  readonly #now: () => Date
  #isTold = false
  #starting: Promise<readonly string[]> = Promise.resolve([])

  constructor(services: NotifyServices, signal: AbortSignal, now: () => Date) {
    this.#services = services
    this.#signal = signal
    this.#now = now
  }

  /** Pings that the run begins; nothing waits for them before its end. */
  begin(): void {
    const { serverId, notifications } = this.#services.config
    const document = { event: 'start', host: serverId }
    const title = `${serverId}: the run has begun`
    const message: NotifyMessage = { phase: 'start', level: 'ok', title, text: title, document }
    // Without an "always" no end may follow, and a start alone looks like a run that hangs.
    const pinged = notifications.filter(
      ({ target, on }) => target.kind === 'ping' && on.includes('always'),
    )
    this.#starting = this.#deliver(pinged.map((notification) => ({ notification, message })))
  }

  /** The report, and in its warnings who could not be told. */
  async end(report: RunReport, catalog: Catalog, emit: OnRunEvent): Promise<RunReport> {
    this.#isTold = true
    if (this.#services.config.notifications.length === 0) return report
    const warnings = [...(await this.#starting)]
    const before = await this.#standing(warnings)
    const names = this.#services.config.sources.map(({ name }) => name)
    const after = standingAfter(before, report, names)
    const lastGoodAt = await lastGoodOf(report, catalog)
    const told = withWarnings(report, warnings)
    const messages = this.#messages({ report: told, outcome: report.outcome, before, after }, () =>
      textOf(told, { config: this.#services.config, lastGoodAt, standing: after }),
    )
    warnings.push(...(await this.#deliver(messages)))
    warnings.push(...(await this.#keep(after, report)))
    for (const message of warnings) emit({ kind: 'warning', about: undefined, message })
    return withWarnings(report, warnings)
  }

  /** Of a run without a report. Resolves with who could not be told. */
  async failed(error: unknown): Promise<readonly string[]> {
    const { config } = this.#services
    // The report went out, and what broke while all was closed does not make it wrong.
    if (this.#isTold) return []
    // Nothing was to be run, or another run does it, and tells of itself.
    if (config.notifications.length === 0 || isFailure(error, 'USAGE', 'RUN_LOCKED')) return []
    const warnings = [...(await this.#starting)]
    const before = await this.#standing(warnings)
    const after: Standing = { run: 'failed', sources: before?.sources ?? {} }
    const report = emptyReport(error, this.#now())
    const hint = error instanceof SpillwayError ? error.hint : undefined
    const messages = this.#messages({ report, outcome: 'failed', before, after }, () =>
      [
        `The run ended before it had anything to report, with exit ${report.exit}:`,
        ...report.warnings.map(oneLine),
        ...(hint === undefined ? [] : [`-> ${hint}`]),
        '',
        'What it had stored until then is in the catalog: see spillway status.',
      ].join('\n'),
    )
    warnings.push(...(await this.#deliver(messages)))
    warnings.push(...(await this.#keep(after)))
    return warnings
  }

  #messages(
    input: {
      readonly report: RunReport
      readonly outcome: RunReport['outcome']
      readonly before: Standing | undefined
      readonly after: Standing
    },
    text: () => string,
  ): readonly Delivery[] {
    const { report, outcome, before, after } = input
    const { serverId, notifications } = this.#services.config
    return notifications.flatMap((notification) => {
      const reason = newsFor(notification.on, {
        ...{ outcome, after: outcomeOf(after) },
        before: before === undefined ? undefined : outcomeOf(before),
      })
      if (reason === undefined) return []
      const title = oneLine(titleOf(serverId, report, reason))
      const summary = text()
      const document = {
        ...{ event: 'run', host: serverId, title, reason, outcome: report.outcome },
        ...{ exit: report.exit, summary, report: boundedReport(report) },
      }
      const message = { phase: 'end', level: outcome, title, text: summary, document } as const
      return [{ notification, message }]
    })
  }

  async #deliver(deliveries: readonly Delivery[]): Promise<readonly string[]> {
    if (deliveries.length === 0) return []
    const notifier = await this.#services.notifier()
    const warnings: string[] = []
    const rest = [...deliveries]
    const work = async (): Promise<void> => {
      for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
        try {
          await notifier.deliver(next.notification, next.message, this.#signal.aborted)
        } catch (error) {
          warnings.push(withHint(error))
        }
      }
    }
    await Promise.all(Array.from({ length: TOGETHER_MAX }, work))
    return warnings
  }

  async #standing(warnings: string[]): Promise<Standing | undefined> {
    try {
      const state = await this.#services.openState()
      try {
        const standing = standingOf(state.marks.get(MARK))
        // An alarm of the daemon says that they are not well, whatever the last run was.
        const names = this.#services.config.sources.map(({ name }) => name)
        const alarmed = alarmedAmong(state.marks, names)
        if (alarmed.length === 0) return standing
        const sources = { ...standing?.sources }
        for (const name of alarmed) sources[name] = 'failed'
        return { run: standing?.run ?? 'ok', sources }
      } finally {
        state.close()
      }
    } catch (error) {
      warnings.push(
        `how the last run ended is not known, so a recovery cannot be told: ${messageOf(error)}`,
      )
      return undefined
    }
  }

  /** After the messages: a crash in between tells of a recovery twice rather than never. */
  async #keep(standing: Standing, report?: RunReport): Promise<readonly string[]> {
    try {
      const state = await this.#services.openState()
      try {
        state.marks.set(MARK, standing, this.#now())
        if (report !== undefined) endAlarms(state.marks, report, this.#now())
        return []
      } finally {
        state.close()
      }
    } catch (error) {
      return [`how this run ended could not be kept for the next: ${messageOf(error)}`]
    }
  }
}

type Delivery = { readonly notification: Notification; readonly message: NotifyMessage }

function withHint(error: unknown): string {
  const hint = error instanceof SpillwayError ? error.hint : undefined
  return `${messageOf(error)}${hint === undefined ? '' : ` (${hint})`}`
}

async function lastGoodOf(
  { sources }: RunReport,
  catalog: Catalog,
): Promise<ReadonlyMap<string, Date | null>> {
  const found = new Map<string, Date | null>()
  for (const { name, outcome } of sources) {
    if (outcome !== 'failed' && outcome !== 'skipped') continue
    try {
      found.set(name, (await catalog.lastGood(name))?.startedAt ?? null)
    } catch {
      // A catalog that cannot be read is in the report; the line then says nothing of earlier archives.
    }
  }
  return found
}

function emptyReport(error: unknown, now: Date): RunReport {
  const { exit } = failureOf(error)
  const code = error instanceof SpillwayError ? error.code : 'BUG'
  return {
    ...{ outcome: 'failed', exit, startedAt: now.toISOString(), seconds: 0 },
    ...{ sources: [], archives: [], notices: [] },
    retention: {
      ...{ deleted: [], partlyDeleted: [], freedBytes: 0 },
      ...{ refused: [], held: [], remaining: 0 },
    },
    warnings: [`${messageOf(error)} [${code}]`],
  }
}

function standingOf(value: unknown): Standing | undefined {
  const isStanding = typeof value === 'object' && value !== null && 'run' in value
  return isStanding && 'sources' in value ? (value as Standing) : undefined
}
