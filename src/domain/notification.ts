// Who is told of a run, and when. What stands in a target may be a secret in any part of it: a topic of
// ntfy, a path of a webhook. People see the label.

import type { RunOutcome, RunReport } from './run-report.ts'

export const NOTIFY_ON = ['failure', 'warning', 'always', 'recovery'] as const

/** `warning` includes `failure`; `recovery` is the first run that is not bad after one that was. */
export type NotifyOn = (typeof NOTIFY_ON)[number]

export type NotifyTarget =
  /** GET-like pings: `/start`, the URL itself, `/fail`. */
  | { readonly kind: 'ping'; readonly url: string }
  | { readonly kind: 'webhook'; readonly url: string; readonly login: string | undefined }
  | {
      readonly kind: 'ntfy'
      /** Without the topic. */
      readonly url: string
      readonly topic: string
      /** The value of an Authorization header. */
      readonly login: string | undefined
    }
  | { readonly kind: 'slack'; readonly url: string }
  | { readonly kind: 'discord'; readonly url: string }
  | { readonly kind: 'gotify'; readonly url: string; readonly token: string }
  | {
      readonly kind: 'telegram'
      readonly url: string
      readonly token: string
      readonly chat: string
    }
  | MailTarget

export type MailTarget = {
  readonly kind: 'mail'
  readonly host: string
  readonly port: number
  /** `first`: from the first byte; the others by STARTTLS. `none`: on this machine alone. */
  readonly tls: 'first' | 'needed' | 'if offered' | 'none'
  readonly user: string | undefined
  readonly password: string | undefined
  readonly from: string
  readonly to: readonly string[]
}

export type Notification = {
  readonly number: number
  /** `2: ntfy ntfy.example.net`: no secret in it. */
  readonly label: string
  readonly target: NotifyTarget
  readonly on: readonly NotifyOn[]
  /** All that must not be shown of it. */
  readonly secrets: readonly string[]
}

export type MessageLevel = 'ok' | 'warnings' | 'failed'

export type NotifyMessage = {
  /** `start` and `test` mean something else to a ping than the end of a run does. */
  readonly phase: 'start' | 'end' | 'test'
  readonly level: MessageLevel
  /** One line. */
  readonly title: string
  readonly text: string
  /** What a webhook gets. */
  readonly document: Readonly<Record<string, unknown>>
}

/** Whether a run with this outcome is a bad one for whoever asked for `on`. */
export function isBad(on: readonly NotifyOn[], outcome: RunOutcome): boolean {
  return outcome === 'failed' || (outcome === 'warnings' && on.includes('warning'))
}

/**
 * Why somebody is told, if at all. `before` and `after` are how things stood: all sources together, also
 * those that this run left alone.
 */
export function newsFor(
  on: readonly NotifyOn[],
  input: {
    readonly outcome: RunOutcome
    readonly before: RunOutcome | undefined
    readonly after: RunOutcome
  },
): 'bad' | 'recovery' | 'news' | undefined {
  const { outcome, before, after } = input
  const isTold = on.includes('failure') || on.includes('warning') || on.includes('always')
  if (isBad(on, outcome) && isTold) return 'bad'
  const isRecovery = before !== undefined && isBad(on, before) && !isBad(on, after)
  if (isRecovery && (on.includes('recovery') || on.includes('always'))) return 'recovery'
  return on.includes('always') ? 'news' : undefined
}

/** How things stand after the last runs: kept from run to run. */
export type Standing = {
  /** Of what is no source's: servers, catalog, retention. */
  readonly run: RunOutcome
  /** Those that are not well. */
  readonly sources: Readonly<Record<string, RunOutcome>>
}

/**
 * A run of some sources says nothing of the others: those stay as they were. `sourceNames`: all that are
 * configured; one that is not any more is forgotten.
 */
export function standingAfter(
  before: Standing | undefined,
  report: Pick<RunReport, 'outcome' | 'sources'>,
  sourceNames: readonly string[],
): Standing {
  const sources: Record<string, RunOutcome> = {}
  for (const name of sourceNames) {
    const told = report.sources.find((source) => source.name === name)
    const now = told === undefined ? before?.sources[name] : told.outcome
    if (now !== undefined && now !== 'ok') sources[name] = now === 'skipped' ? 'failed' : now
  }
  const isOfSources = report.sources.some(({ outcome }) => outcome === report.outcome)
  return { run: isOfSources ? 'ok' : report.outcome, sources }
}

export function outcomeOf({ run, sources }: Standing): RunOutcome {
  const all = [run, ...Object.values(sources)]
  if (all.includes('failed')) return 'failed'
  return all.includes('warnings') ? 'warnings' : 'ok'
}
