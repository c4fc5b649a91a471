// What belongs to this host alone, opened: tokens and the daemon's jobs.

import { Jobs } from './jobs.ts'
import { openStateFile } from './state-file.ts'
import { Tokens } from './tokens.ts'

export type State = {
  readonly jobs: Jobs
  readonly tokens: Tokens
  readonly close: () => void
}

/** Made when it is not there yet. Throws STATE_UNAVAILABLE. */
export function openState(dataDir: string): State {
  const handle = openStateFile(dataDir)
  return { jobs: new Jobs(handle), tokens: new Tokens(handle), close: () => handle.close() }
}
