// What a run tells while it works: facts only, in order. The terminal draws bars from them, a
// journal gets a line for each, the daemon's page will show the same.
//
// `server` is always the server's label, `file` the archive's file name. `packing` and `uploading` may
// come as often as the sender likes: whoever shows them decides how often it draws.

import type { AttemptOutcome } from './errors.ts'

export type RunEvent =
  /** What an interrupted run left is being settled; sent only when there is something. */
  | { readonly kind: 'recovering'; readonly archives: number; readonly copies: number }
  | { readonly kind: 'source-started'; readonly source: string; readonly path: string }
  | {
      readonly kind: 'packing'
      readonly source: string
      readonly file: string
      readonly sourceBytes: number
      readonly memberCount: number
      readonly outputBytes: number
      /** Content of the source's last archive: an estimate. undefined: the first one. */
      readonly expectedSourceBytes: number | undefined
    }
  | {
      readonly kind: 'packed'
      readonly source: string
      readonly file: string
      readonly sizeBytes: number
      readonly sourceBytes: number
      readonly memberCount: number
      readonly warningCount: number
      readonly seconds: number
    }
  | {
      readonly kind: 'upload-started'
      readonly file: string
      readonly server: string
      /** undefined: the archive is still being packed. */
      readonly totalBytes: number | undefined
    }
  | {
      readonly kind: 'uploading'
      readonly file: string
      readonly server: string
      /** Of this attempt; bytes that are repeated count once. */
      readonly sentBytes: number
      readonly totalBytes: number | undefined
    }
  /** Every attempt, the successful one too. */
  | {
      readonly kind: 'attempt-ended'
      readonly file: string
      readonly server: string
      readonly outcome: AttemptOutcome
      readonly code: string | undefined
      readonly message: string | undefined
      readonly bytesSent: number
      readonly seconds: number
    }
  /** Proven to be there; once per copy. */
  | {
      readonly kind: 'stored'
      readonly file: string
      readonly server: string
      readonly sizeBytes: number
      readonly seconds: number
    }
  /** No server took it, or too few; the next run sends it first. */
  | {
      readonly kind: 'waiting'
      /** A server has it: only other copies are missing. */
      readonly isStored: boolean
      readonly file: string
      readonly sizeBytes: number
      readonly reason: string
    }
  | {
      readonly kind: 'source-failed'
      readonly source: string
      readonly code: string
      readonly message: string
      readonly hint: string | undefined
    }
  /** There is no room for it beside others: what was read of it is forgotten, and it is read when they are done. */
  | { readonly kind: 'source-postponed'; readonly source: string; readonly reason: string }
  /** Something to look into that did not stop the run: it will end with 3. */
  | {
      readonly kind: 'warning'
      /** A source, a file or a server; undefined: the run as a whole. */
      readonly about: string | undefined
      readonly message: string
    }
  /** Damage to what was stored: the run will end with 30-39. */
  | { readonly kind: 'damage'; readonly message: string }
  /** Worth a line, and no reason to worry: sockets left out, a full server passed by. */
  | { readonly kind: 'note'; readonly about: string | undefined; readonly message: string }
  | {
      readonly kind: 'run-ended'
      readonly outcome: 'ok' | 'warnings' | 'failed'
      readonly exit: number
      readonly stored: number
      readonly waiting: number
      readonly failed: number
      /** Of the archives stored in this run. */
      readonly storedBytes: number
      readonly seconds: number
    }

export type RunEventKind = RunEvent['kind']

export type OnRunEvent = (event: RunEvent) => void
