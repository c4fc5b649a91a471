// What belongs to this host alone, opened: tokens, the daemon's jobs, the last runs, who asked for what, and
// what one run remembers for the next.

import { Audit } from './audit.ts'
import { Jobs } from './jobs.ts'
import { Marks } from './marks.ts'
import { hasStateFile, openStateFile } from './state-file.ts'
import { Runs } from './runs.ts'
import { Tokens } from './tokens.ts'
import type { KeptRun } from '../domain/kept-run.ts'

export type State = {
  readonly audit: Audit
  readonly jobs: Jobs
  readonly marks: Marks
  readonly runs: Runs
  readonly tokens: Tokens
  /** How long a statement of this handle waits for other processes; nothing else happens meanwhile. */
  readonly setPatience: (ms: number) => void
  readonly close: () => void
}

/** Made when it is not there yet. Throws STATE_UNAVAILABLE. */
export function openState(dataDir: string): State {
  const handle = openStateFile(dataDir)
  return {
    audit: new Audit(handle),
    jobs: new Jobs(handle),
    marks: new Marks(handle),
    runs: new Runs(handle),
    tokens: new Tokens(handle),
    setPatience: (ms) => void handle.pragma(`busy_timeout = ${ms}`),
    close: () => handle.close(),
  }
}

/** undefined: none was kept, or it cannot be read: then somebody else tells. Creates nothing. */
export function lastRunIn(dataDir: string): KeptRun | undefined {
  if (!hasStateFile(dataDir)) return undefined
  try {
    const state = openState(dataDir)
    try {
      return state.runs.last()
    } finally {
      state.close()
    }
  } catch {
    return undefined
  }
}
