// Why a change of the settings was not made, setting by setting: what a form shows beside its fields.

import { entryName } from '../config/names.ts'
import { formatProblem } from '../config/problem.ts'
import type { Problem } from '../config/problem.ts'
import { SpillwayError } from '../domain/errors.ts'

export type SettingProblem = {
  readonly variable: string
  /** Without the prefix of its entry. */
  readonly name: string
  readonly reason: string
  readonly remedy: string | null
}

/** The value is left out: whoever sent it knows it, and who reads may not. */
export function settingProblem({ variable, reason, remedy }: Problem): SettingProblem {
  const name = entryName(variable)?.setting ?? variable
  return { variable, name, reason, remedy: remedy ?? null }
}

export class SettingsRefusal extends SpillwayError {
  readonly problems: readonly SettingProblem[]

  constructor(
    code: 'SETTINGS_WRONG' | 'SETTINGS_HOST_ONLY',
    problems: readonly Pick<Problem, 'variable' | 'reason' | 'remedy'>[],
  ) {
    const told = problems.map((problem) => ({ ...problem, value: undefined }))
    super(code, told.map(formatProblem).join('; '))
    this.problems = told.map(settingProblem)
  }
}
