// Every way in which Spillway can fail, in one table.
//
// Code that meets a failure asks questions, each asked by one layer only:
//   repeat?   how often may the same request be repeated here    (storage/retry.ts)
//   server?   what does it say about the server                  (operations/deliver.ts)
//   exit?     what does the shell see                            (domain/exit-code.ts)
// A new failure is therefore a new row here, not a new class and three new branches.

/** What a failed attempt says about the server; the journal and `status` show these words. */
export type AttemptOutcome = 'stored' | 'full' | 'dead' | 'misconfigured' | 'failed'

export type Failure = {
  readonly exit: number
  /** Most repeats of the same request on the same server, after the first try. */
  readonly repeat: number
  /** Set where the failure is a server's: the archive goes on to the next one. */
  readonly server?: Exclude<AttemptOutcome, 'stored'>
  /** What the operator can do about it; printed on a line of its own. */
  readonly hint?: string
}

// Repeats: a request that was answered "not now" may be repeated four times (with the delays of
// storage/retry.ts about 20 s in all: longer waits are better spent on the next server).
export const FAILURES = {
  USAGE: { exit: 2, repeat: 0, hint: 'see spillway --help' },
  CONFIG_INVALID: { exit: 4, repeat: 0, hint: 'correct the file, or run: spillway configure' },
  CONFIG_UNSAFE: { exit: 4, repeat: 0 },
  /** Two entries are one place; found out by asking it, so not when the file is read. */
  SERVER_TWICE: { exit: 4, repeat: 0, hint: 'take one of the two entries out of the settings' },
  /** A change of the settings that would make a problem; nothing was written. */
  SETTINGS_WRONG: { exit: 4, repeat: 0, hint: 'nothing was written: correct what is named' },
  SETTINGS_CHANGED: { exit: 4, repeat: 0, hint: 'nothing was written: read the settings again' },
  SETTINGS_HOST_ONLY: {
    exit: 4,
    repeat: 0,
    hint: 'nothing was written: change it on the host, with spillway configure or an editor',
  },
  SETTINGS_MISSING: { exit: 2, repeat: 0 },
  NO_SERVERS: { exit: 4, repeat: 0, hint: 'add one with: spillway configure' },
  NOT_BUILT: { exit: 4, repeat: 0 },
  LISTEN_FAILED: { exit: 4, repeat: 0 },
  UNITS_NOT_WRITTEN: { exit: 4, repeat: 0, hint: 'run it as root, or with --user' },

  SOURCE_MISSING: { exit: 10, repeat: 0, hint: 'is the folder mounted, and is its path right?' },
  SOURCE_EMPTY: { exit: 11, repeat: 0, hint: 'if that is meant, set SOURCE_N_ALLOW_EMPTY=true' },
  SOURCE_UNREADABLE: { exit: 12, repeat: 0, hint: 'run as a user who may read it' },
  SOURCE_COMMAND_FAILED: {
    exit: 13,
    repeat: 0,
    hint: 'run the same command by hand, without a terminal: setsid COMMAND </dev/null',
  },
  // No warning: a container that was not started again is down until somebody hears of it.
  SOURCE_HOOK_FAILED: {
    exit: 15,
    repeat: 0,
    hint: 'run the same command by hand, without a terminal: setsid COMMAND </dev/null',
  },
  SOURCE_DATABASE_FAILED: { exit: 14, repeat: 0 },

  SERVER_UNREACHABLE: {
    exit: 20,
    repeat: 1,
    server: 'dead',
    hint: 'is the endpoint right, and the server up?',
  },
  SERVER_SILENT: { exit: 20, repeat: 0, server: 'dead' },
  SERVER_CLOSED: { exit: 20, repeat: 2, server: 'dead' },
  SERVER_BUSY: { exit: 20, repeat: 4, server: 'dead' },
  SERVER_DAMAGED_DATA: { exit: 20, repeat: 1, server: 'dead' },
  SERVER_KEYS: {
    exit: 21,
    repeat: 0,
    server: 'misconfigured',
    hint: 'check the access key and the secret key',
  },
  SERVER_DENIED: {
    exit: 21,
    repeat: 0,
    server: 'misconfigured',
    hint: "check the key's permissions and the bucket's policy",
  },
  SERVER_BUCKET: {
    exit: 21,
    repeat: 0,
    server: 'misconfigured',
    hint: 'create the bucket, or correct its name',
  },
  SERVER_TLS: {
    exit: 21,
    repeat: 0,
    server: 'misconfigured',
    hint: 'for a private authority set S3_SERVER_N_CA_FILE; check the clock',
  },
  SERVER_CLOCK: {
    exit: 21,
    repeat: 1,
    server: 'misconfigured',
    hint: 'set the clock of this machine',
  },
  SERVER_NOT_S3: {
    exit: 21,
    repeat: 0,
    server: 'misconfigured',
    hint: 'is this the S3 address, and http or https as the server expects?',
  },
  SERVER_FULL: {
    exit: 22,
    repeat: 0,
    server: 'full',
    hint: 'raise the quota there, or add a server',
  },
  NO_SERVER_LEFT: {
    exit: 23,
    repeat: 0,
    hint: 'the archive waits in the spool; the next run sends it first',
  },
  SERVER_UNPROVEN: { exit: 24, repeat: 0, server: 'failed' },
  SERVER_REJECTED: { exit: 24, repeat: 0, server: 'failed' },
  UPLOAD_GONE: { exit: 24, repeat: 0, server: 'failed' },
  OBJECT_EXISTS: { exit: 24, repeat: 0, server: 'failed' },
  NO_SERVER_READY: { exit: 25, repeat: 0 },
  NO_SERVER_FOR_COPY: {
    exit: 26,
    repeat: 0,
    hint: 'add a server, raise a limit or prune, and run it again: what is done is not done twice',
  },
  COPIES_MISSING: {
    exit: 3,
    repeat: 0,
    hint: 'one copy is stored; the archive waits in the spool for the others, and the next run goes on',
  },

  METRICS_NOT_WRITTEN: {
    exit: 3,
    repeat: 0,
    hint: 'does the folder of METRICS_FILE exist, and may the user of the run write to it?',
  },
  SERVERS_FULL_SOON: { exit: 3, repeat: 0, hint: 'see: spillway status' },

  ARCHIVE_MISSING: { exit: 30, repeat: 0, hint: 'see: spillway list' },
  ARCHIVE_CORRUPT: { exit: 31, repeat: 0 },
  ARCHIVE_REFUSED: { exit: 32, repeat: 0 },
  SPOOL_FULL: {
    exit: 33,
    repeat: 0,
    hint: 'make room on that disk, or set SPOOL_DIR to a larger one',
  },
  SPOOL_FAILED: { exit: 34, repeat: 0 },
  ARCHIVE_LOST: { exit: 36, repeat: 0, hint: 'look for the file: no server ever had it' },
  RESTORE_FAILED: { exit: 35, repeat: 0 },
  MEMBER_MISSING: {
    exit: 38,
    repeat: 0,
    hint: 'what is in it: spillway files ARCHIVE; where else it may be: spillway find PATTERN',
  },
  ARCHIVE_FROZEN: {
    exit: 39,
    repeat: 0,
    server: 'failed',
    hint: 'have the server thaw the object first (hours, and billed): aws s3api restore-object',
  },
  HISTORY_MISSING: {
    exit: 37,
    repeat: 0,
    hint: 'the next run reads what it can: see spillway find',
  },

  CATALOG_UNAVAILABLE: { exit: 40, repeat: 0 },
  CATALOG_NEWER: {
    exit: 41,
    repeat: 0,
    hint: 'use the version of Spillway that wrote it, or a newer one',
  },
  CATALOG_CORRUPT: { exit: 42, repeat: 0 },
  CATALOG_NOT_EMPTY: { exit: 43, repeat: 0 },
  /** Archives are where they were; only a rebuild would have more to read. */
  CATALOG_NOT_COPIED: { exit: 3, repeat: 0 },
  /** Nothing is deleted by rule until somebody has looked. */
  PINS_UNKNOWN: {
    exit: 3,
    repeat: 0,
    hint: 'pin what must stay, then run "spillway prune" once by hand: until then nothing is deleted',
  },

  /** Tokens and the daemon's queue; no archive depends on it. */
  STATE_UNAVAILABLE: { exit: 44, repeat: 0 },

  /** Somebody was not told; what was to be told is as it was. */
  NOTIFY_FAILED: { exit: 3, repeat: 1, hint: 'try it: spillway notify-test' },

  OUTPUT_FAILED: {
    exit: 74,
    repeat: 0,
    hint: 'is the disk full that it goes to? What else the command was to do is done',
  },
  RUN_LOCKED: { exit: 75, repeat: 0 },
  INTERRUPTED: { exit: 130, repeat: 0 },
} as const satisfies Record<string, Failure>

export type FailureCode = keyof typeof FAILURES

/** For logs and `--json`. Never a credential, never a whole request. */
export type FailureFacts = Readonly<Record<string, string | number | boolean>>

export class SpillwayError extends Error {
  override readonly name = 'SpillwayError'
  readonly code: FailureCode
  readonly facts: FailureFacts
  /** More specific than the table's, where the place that failed knows better. */
  readonly hint: string | undefined

  /** `message` is lower case, has no full stop, and names the thing that it is about. */
  constructor(
    code: FailureCode,
    message: string,
    more: { cause?: unknown; facts?: FailureFacts; hint?: string } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.code = code
    this.facts = more.facts ?? {}
    this.hint = more.hint ?? this.failure.hint
  }

  get failure(): Failure {
    return FAILURES[this.code]
  }
}

/** The same failure, with more around its message, or with more facts. */
export function reworded(
  error: SpillwayError,
  message: string,
  facts: FailureFacts = {},
): SpillwayError {
  const { code, hint } = error
  return new SpillwayError(code, message, {
    cause: error,
    facts: { ...error.facts, ...facts },
    ...(hint === undefined ? {} : { hint }),
  })
}

/** An error that no adapter has translated is our bug: never repeated, never failed over, exit 1. */
export function failureOf(error: unknown): Failure {
  return error instanceof SpillwayError ? error.failure : { exit: 1, repeat: 0 }
}

/** One line for a person, of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Whether this is the given failure. */
export function isFailure(error: unknown, ...codes: readonly FailureCode[]): boolean {
  return error instanceof SpillwayError && codes.includes(error.code)
}
