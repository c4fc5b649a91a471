// SOURCE_N_COMMAND with its companions -> CommandSource: what is run, where, and with which environment.

import type { CommandSource, ProgramSurroundings } from '../domain/source.ts'
import { safeName } from '../domain/archive.ts'
import type { KeepPolicy } from '../domain/keep-policy.ts'
import type { SOURCE_SETTINGS, Values } from './settings.ts'

/** undefined: something is wrong with it, which was told. */
export function readCommandSource(input: {
  readonly number: number
  readonly values: Values<typeof SOURCE_SETTINGS>
  readonly keep: KeepPolicy
  readonly surroundings: ProgramSurroundings
}): CommandSource | undefined {
  const { number, values, surroundings } = input
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
