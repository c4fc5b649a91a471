// Who began this command: the daemon tells the processes of its jobs by their environment, where no command
// line shows it and no user needs to know of it.

import type { RunOrigin } from '../domain/kept-run.ts'
import { processEnvironment } from './load.ts'
import type { EnvRecord } from './read-settings.ts'

const JOB_VARIABLE = 'SPILLWAY_JOB'

export type StartedBy = { readonly origin: RunOrigin; readonly jobId: string | undefined }

/** The environment of this process, and in it who begins the next one. */
export function environmentOfJob(
  job: { readonly id: string; readonly origin: 'api' | 'schedule' },
  env: EnvRecord = processEnvironment(),
): EnvRecord {
  return { ...env, [JOB_VARIABLE]: `${job.origin} ${job.id}` }
}

/** `isJournal`: a service manager reads what is printed, so its timer began it, and nobody at a terminal. */
export function startedBy(isJournal: boolean, env: EnvRecord = processEnvironment()): StartedBy {
  const [, origin, jobId] = /^(api|schedule) ([0-9a-f-]{36})$/.exec(env[JOB_VARIABLE] ?? '') ?? []
  if (origin !== undefined) return { origin: origin as RunOrigin, jobId }
  return { origin: isJournal ? 'schedule' : 'command', jobId: undefined }
}
