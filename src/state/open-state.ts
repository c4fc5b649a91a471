// What belongs to this host alone, opened: tokens, the daemon's jobs, and what one run
// remembers for the next.

import { Jobs } from './jobs.ts'
import { Marks } from './marks.ts'
import { openStateFile } from './state-file.ts'
import { Tokens } from './tokens.ts'

export type State = {
  readonly jobs: Jobs
  readonly marks: Marks
  readonly tokens: Tokens
  readonly close: () => void
}

/** Made when it is not there yet. Throws STATE_UNAVAILABLE. */
export function openState(dataDir: string): State {
  const handle = openStateFile(dataDir)
  return {
    jobs: new Jobs(handle),
    marks: new Marks(handle),
    tokens: new Tokens(handle),
    close: () => handle.close(),
  }
}
