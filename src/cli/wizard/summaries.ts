// Parts of an env file in a few words, for more than one menu.

import { entryPrefix } from '../../config/names.ts'
import type { EnvRecord } from '../../config/read-settings.ts'
import { sourceKindsOf } from '../../config/source-kinds.ts'
import { HOST_SETTINGS, KEEP_SETTINGS } from '../../config/settings.ts'
import { lastFolder } from '../../config/values.ts'
import { messageOf } from '../../domain/errors.ts'
import { describeSchedule, parseSchedule } from '../../domain/schedule.ts'
import type { ConfigDraft } from '../../operations/configure.ts'
import { oneLine } from '../text.ts'

const WORDS: Readonly<Record<keyof typeof KEEP_SETTINGS, string>> = {
  KEEP_LAST: 'newest',
  KEEP_DAILY: 'daily',
  KEEP_WEEKLY: 'weekly',
  KEEP_MONTHLY: 'monthly',
  KEEP_YEARLY: 'yearly',
  KEEP_WITHIN_DAYS: 'days complete',
}

const RULES = Object.keys(KEEP_SETTINGS) as (keyof typeof KEEP_SETTINGS)[]

/** `7 daily, 4 weekly`; for a source the common rules count where it has none of its own. */
export function describeRetention(values: EnvRecord, prefix: string): string {
  const rules = RULES.flatMap((rule) => {
    const count = values[prefix + rule]?.trim() || values[rule]?.trim()
    return count === undefined || count === '' ? [] : [`${count} ${WORDS[rule]}`]
  })
  return rules.length === 0 ? 'keep everything' : oneLine(`keep ${rules.join(', ')}`)
}

/** What the source is called, or would be. */
export function nameOf(draft: ConfigDraft, number: number): string {
  const value = (name: string) => draft.value(entryPrefix('SOURCE', number) + name).trim()
  const path = value('PATH')
  if (value('NAME') !== '') return value('NAME')
  if (path !== '') return lastFolder(path)
  return sourceKindsOf((name) => value(name) !== '').length === 0
    ? `(no path) ${number}`
    : `(no name) ${number}`
}

/** The schedule in words. */
export function scheduleSummary(draft: ConfigDraft): string {
  const text = draft.value('SCHEDULE') || HOST_SETTINGS.SCHEDULE.fallback
  try {
    return describeSchedule(parseSchedule(text))
  } catch (error) {
    // Shown where it can be mended, rather than told.
    return `[problem: ${oneLine(messageOf(error))}]`
  }
}
