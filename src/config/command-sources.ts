// SOURCE_N_COMMAND with its companions -> CommandSource: what is run, where, and with which environment.

import type { CommandSource } from '../domain/source.ts'
import { safeName } from '../domain/archive.ts'
import type { KeepPolicy } from '../domain/keep-policy.ts'
import type { Problem } from './problem.ts'
import type { ProgramSurroundings } from './program-surroundings.ts'
import { textOf } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import type { SOURCE_SETTINGS, Values } from './settings.ts'

/** undefined: something is wrong with it, which was told. */
export function readCommandSource(input: {
  readonly number: number
  readonly values: Values<typeof SOURCE_SETTINGS>
  readonly keep: KeepPolicy
  readonly env: EnvRecord
  readonly variablePrefix: string
  readonly surroundings: ProgramSurroundings
  readonly problems: Problem[]
}): CommandSource | undefined {
  const { number, values, env, variablePrefix, surroundings, problems } = input
  if (textOf(env, `${variablePrefix}NAME`) === undefined)
    problems.push({
      variable: `${variablePrefix}NAME`,
      value: undefined,
      reason: 'is missing',
      remedy: 'give the command a name: reports and object keys use it',
    })
  if (values.COMMAND === undefined || values.NAME === undefined) return undefined
  const { argv, text } = values.COMMAND
  return {
    ...{ kind: 'command', number, name: values.NAME, argv, text },
    fileName: values.FILE ?? `${safeName(values.NAME).slice(0, 96)}.out`,
    ...surroundings,
    silenceMs: values.SILENCE_MINUTES * 60_000,
    outputBytesMin: values.MIN_BYTES,
    mayBeEmpty: values.ALLOW_EMPTY,
    keep: input.keep,
  }
}
