// Where the programs of a source run, and the environment that they get: what any program needs, the variables
// that the source names, and no secret of ours.

import type { ProgramSurroundings } from '../domain/source.ts'
import type { Problem } from './problem.ts'
import { textOf } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import type { ValueContext } from './values.ts'

// Who it is, where programs lie, and how to speak: what any program may need, and no secret of ours.
const PASSED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE']

// Where a service has none.
const PATH_OTHERWISE = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

type Input = {
  /** Of SOURCE_N_ENV. */
  readonly names: readonly string[]
  readonly env: EnvRecord
  readonly variablePrefix: string
  readonly context: ValueContext
  readonly problems: Problem[]
}

export function programSurroundings(input: Input): ProgramSurroundings {
  const environment = environmentFor(input)
  return {
    workingFolder: input.context.envFileDir,
    environment,
    secrets: input.names.flatMap((name) =>
      /PASS|PWD|SECRET|TOKEN|KEY|CRED/i.test(name) ? [environment[name] ?? ''] : [],
    ),
  }
}

function environmentFor({ names, env, variablePrefix, problems }: Input): Record<string, string> {
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
