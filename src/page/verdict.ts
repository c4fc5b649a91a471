// The one sentence at the top of the overview, and it is the truth: what `spillway check` finds, said so that
// somebody who opens the page for two seconds knows whether to go on.

import type { Check, Status } from './api-types.ts'
import type { Settings } from './settings-types.ts'
import { plural, spanText } from './text.ts'

export type Verdict = {
  readonly tone: 'good' | 'warning' | 'bad'
  readonly sentence: string
  /** What was found, the worst first. */
  readonly findings: Check['findings']
  /** Where nothing is to be done. */
  readonly comfort: string | undefined
}

export function verdictOf(input: {
  readonly status: Status
  readonly check: Check
  readonly now: Date
}): Verdict {
  const { status, check, now } = input
  const broken =
    status.configProblem === null
      ? []
      : [
          {
            level: 'critical' as const,
            source: null,
            message: `the settings are wrong, and runs fail until they are mended; what is shown here goes by those of before: ${status.configProblem}`,
          },
        ]
  const findings = [...broken, ...check.findings]
  const level = broken.length > 0 ? 'critical' : check.level
  if (level === 'ok')
    return {
      tone: 'good',
      sentence: 'Everything is archived',
      findings: [],
      comfort: check.summary,
    }
  const tone = level === 'critical' ? 'bad' : 'warning'
  return { tone, sentence: worstOf(status, findings, now), findings, comfort: undefined }
}

function worstOf(status: Status, findings: Check['findings'], now: Date): string {
  const late = lateSources(findings)
  const behind = status.sources.filter(({ name }) => late.has(name))
  if (behind.length > 0) return lateText(behind, now)
  if (status.unusable.length > 0)
    return `${plural(status.unusable.length, 'archive')} could not be restored now`
  if (status.waiting.length > 0)
    return `${plural(status.waiting.length, 'archive waits', 'archives wait')} for a server`
  const critical = findings.filter((finding) => finding.level === 'critical').length
  if (critical > 0) return `${plural(critical, 'thing needs', 'things need')} your attention`
  return 'Everything is archived, but something should be looked into'
}

/** Of sources that never had a good archive, and of those that had one. */
function lateText(behind: Status['sources'], now: Date): string {
  const ages = behind.flatMap(({ lastGoodAt }) =>
    lastGoodAt === null ? [] : [now.getTime() - Date.parse(lastGoodAt)],
  )
  const never = behind.length - ages.length
  const none = `${plural(never, 'source has', 'sources have')} no good archive yet`
  if (ages.length === 0) return none
  const what = never === 0 ? 'no good archive' : 'none'
  const late = `${plural(ages.length, 'source has', 'sources have')} had ${what} ${agesText(ages)}`
  return never === 0 ? late : `${none}, and ${late}`
}

function agesText(ages: readonly number[]): string {
  const [shortest, longest] = [Math.min(...ages), Math.max(...ages)]
  // The clock of whoever looks is behind that of the host.
  if (shortest < 60_000) return 'lately'
  const span = spanText(longest)
  return span === spanText(shortest) ? `for ${span}` : `for up to ${span}`
}

/** Without a good archive of the time at which there should be one. */
export function lateSources(findings: Check['findings']): ReadonlySet<string> {
  const late = findings.filter(({ level, source }) => level === 'critical' && source !== null)
  return new Set(late.map(({ source }) => source ?? ''))
}

/** What is still to be done before the first archive. */
export type Step = 'server' | 'source' | 'schedule' | 'run'

function nextStep(settings: Settings | undefined, status: Status): Step | undefined {
  const servers = settings?.servers.length ?? status.servers.length
  const sources = settings?.sources.length ?? status.sources.length
  if (servers === 0) return 'server'
  if (sources === 0) return 'source'
  if (status.sources.every(({ lastGoodAt }) => lastGoodAt === null)) return 'run'
  return undefined
}

/** What stands at the top of the overview: what is to be done first, how things stand, or both. */
export function topOf(
  settings: Settings | undefined,
  status: Status,
): { readonly step: Step | undefined; readonly hasVerdict: boolean } {
  const step = nextStep(settings, status)
  const hasFailed =
    status.configProblem !== null || status.sources.some(({ failedAt }) => failedAt !== null)
  // Who started runs already need not be told to; why they fail is what matters.
  return {
    step: step === 'run' && hasFailed ? undefined : step,
    hasVerdict: hasFailed || step === undefined,
  }
}
