// Reads the settings of one table from a record of variables, and collects what is wrong.

import { ValueProblem } from './problem.ts'
import type { Problem } from './problem.ts'
import type { Settings, Values } from './settings.ts'
import type { ValueContext } from './values.ts'

export type EnvRecord = Readonly<Record<string, string | undefined>>

/** `variablePrefix` is `S3_SERVER_1_`, `SOURCE_2_` or ''. Empty text counts as absent. */
export function readSettings<const S extends Settings>(input: {
  readonly settings: S
  readonly variablePrefix: string
  readonly env: EnvRecord
  readonly context: ValueContext
  readonly problems: Problem[]
}): Values<S> {
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(input.settings)) {
    const variable = input.variablePrefix + name
    const given = textOf(input.env, variable)
    const text = given ?? setting.fallback
    if (text === undefined) continue
    values[name] = tryParse(input.problems, variable, given, setting.isSecret === true, () =>
      setting.parse(text, input.context),
    )
  }
  return values as Values<S>
}

/** undefined, and a problem more, where `parse` refuses the value. */
export function tryParse<T>(
  problems: Problem[],
  variable: string,
  given: string | undefined,
  isSecret: boolean,
  parse: () => T,
): T | undefined {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error
    problems.push({
      variable,
      value: isSecret || error.isSecret ? undefined : given,
      reason: error.message,
      remedy: error.remedy,
      isNotBuilt: error.isNotBuilt,
    })
    return undefined
  }
}

/** Spaces at the ends never belong to a value; nothing between them is no value. */
export function textOf(env: EnvRecord, variable: string): string | undefined {
  // A file may name what every object has: `toString=x`.
  const text = Object.hasOwn(env, variable) ? env[variable]?.trim() : undefined
  return text === undefined || text === '' ? undefined : text
}
