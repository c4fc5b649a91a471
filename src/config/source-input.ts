// What is read to make one source of its entry in the settings.

import type { KeepPolicy } from '../domain/keep-policy.ts'
import type { Problem } from './problem.ts'
import type { EnvRecord } from './read-settings.ts'
import type { SOURCE_SETTINGS, Values } from './settings.ts'
import type { ValueContext } from './values.ts'

export type SourceInput = {
  /** N of SOURCE_N_*. */
  readonly number: number
  readonly values: Values<typeof SOURCE_SETTINGS>
  readonly keep: KeepPolicy
  readonly env: EnvRecord
  readonly variablePrefix: string
  readonly context: ValueContext
  /** What is wrong is added to it. */
  readonly problems: Problem[]
}
