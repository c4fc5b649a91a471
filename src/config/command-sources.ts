// SOURCE_N_COMMAND with its companions -> CommandSource: what is run, where, and with which environment.

import type { CommandSource } from '../domain/source.ts'
import { safeName } from '../domain/archive.ts'
import type { KeepPolicy } from '../domain/keep-policy.ts'
import type { Problem } from './problem.ts'
import { textOf } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import type { SOURCE_SETTINGS, Values } from './settings.ts'
import type { ValueContext } from './values.ts'

// Who it is, where programs lie, and how to speak: what any program may need, and no secret of ours.
const PASSED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE']

// Where a service has none.
const PATH_OTHERWISE = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** undefined: something is wrong with it, which was told. */
export function readCommandSource(input: {
  readonly number: number
  readonly values: Values<typeof SOURCE_SETTINGS>
  readonly keep: KeepPolicy
  readonly env: EnvRecord
  readonly variablePrefix: string
  readonly context: ValueContext
  readonly problems: Problem[]
}): CommandSource | undefined {
  const { number, values, context } = input
  const environment = environmentFor(values.ENV ?? [], input)
  if (values.COMMAND === undefined || values.NAME === undefined) return undefined
  const { argv, text } = values.COMMAND
  return {
    ...{ kind: 'command', number, name: values.NAME, argv, text },
    fileName: values.FILE ?? `${safeName(values.NAME).slice(0, 96)}.out`,
    workingFolder: context.envFileDir,
    environment,
    secrets: (values.ENV ?? []).flatMap((name) =>
      /PASS|PWD|SECRET|TOKEN|KEY|CRED/i.test(name) ? [environment[name] ?? ''] : [],
    ),
    silenceMs: values.SILENCE_MINUTES * 60_000,
    outputBytesMin: values.MIN_BYTES,
    mayBeEmpty: values.ALLOW_EMPTY,
    keep: input.keep,
  }
}

function environmentFor(
  names: readonly string[],
  {
    env,
    variablePrefix,
    problems,
  }: { readonly env: EnvRecord; readonly variablePrefix: string; readonly problems: Problem[] },
): Record<string, string> {
  const environment = commonEnvironment(env)
  for (const name of names) {
    const value = textOf(env, name)
    if (value !== undefined) environment[name] = value
    else
      problems.push({
        variable: `${variablePrefix}ENV`,
        value: undefined,
        reason: `names ${name}, which is not set`,
        remedy: 'set it in this file or in the environment, or leave it out',
      })
  }
  return environment
}

/** What every program gets. */
export function commonEnvironment(env: EnvRecord): Record<string, string> {
  // No tool may wait for a key that turns a page.
  const environment: Record<string, string> = { PAGER: 'cat', TERM: 'dumb' }
  environment['PATH'] = PATH_OTHERWISE
  const passed = [...PASSED, ...Object.keys(env).filter((name) => /^LC_[A-Z]+$/.test(name))]
  for (const name of passed) {
    const value = textOf(env, name)
    if (value !== undefined) environment[name] = value
  }
  return environment
}
