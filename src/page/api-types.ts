// The shapes of the daemon's answers, as far as the page uses them: once, and checked against real answers
// by test/daemon/page-types.test.ts. More fields may come at any time.

export type Scope = 'read' | 'run' | 'restore' | 'admin'

export type FieldError = {
  readonly variable: string
  readonly name: string | null
  readonly reason: string
  readonly remedy: string | null
}

export type ProblemDocument = {
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly code: string | null
  readonly hint?: string
  readonly errors?: readonly FieldError[]
}

export type Session = {
  readonly token: string
  readonly scope: Scope
  readonly version: string
  readonly serverId: string
  readonly restoreRoots: readonly string[]
  readonly schedule: string
  /** null while there are no sources. */
  readonly nextRunAt: string | null
}

export type Check = {
  readonly level: 'ok' | 'warning' | 'critical'
  readonly findings: readonly {
    readonly level: 'warning' | 'critical'
    readonly message: string
    /** Its name, where one is meant. */
    readonly source: string | null
  }[]
  readonly summary: string
}

export type Health = 'unknown' | 'alive' | 'full' | 'dead' | 'misconfigured'

export type ServerStatus = {
  readonly number: number | null
  readonly label: string
  readonly endpoint: string
  readonly bucket: string | null
  readonly enabled: boolean
  readonly limitBytes: number | null
  readonly usedBytes: number
  readonly reservedBytes: number
  readonly catalogBytes: number
  readonly otherBytes: number
  readonly spareBytes: number
  readonly archives: number
  readonly health: Health
  readonly healthReason: string | null
  readonly checkedAt: string | null
  readonly trust: {
    readonly copies: number
    readonly headedCopies: number
    readonly headedAt: string | null
    readonly deepShare: number | null
  }
  readonly fullInNights: number | null
  readonly fullOn: string | null
}

export type SourceStatus = {
  readonly name: string
  readonly path: string
  readonly lastGoodAt: string | null
  readonly lastSizeBytes: number | null
  readonly lastFile: string | null
  readonly lastWarnings: number
  readonly failedAt: string | null
  readonly failedReason: string | null
  readonly growthBytesPerNight: number | null
  readonly nextBytes: number | null
}

export type Status = {
  readonly serverId: string
  readonly run: { readonly pid: number; readonly since: string } | null
  readonly copies: number
  readonly servers: readonly ServerStatus[]
  readonly sources: readonly SourceStatus[]
  readonly waiting: readonly {
    readonly id: string
    readonly source: string
    readonly file: string
    readonly sizeBytes: number | null
    readonly createdAt: string
  }[]
  readonly lackingCopies: number
  readonly unusable: readonly {
    readonly archive: string
    readonly source: string
    readonly file: string
    readonly copies: readonly string[]
  }[]
  readonly problems: readonly {
    readonly archive: string
    readonly file: string
    readonly label: string
    readonly what: string
  }[]
  readonly forecast: {
    readonly nights: number
    readonly fullInNights: number | null
    readonly fullOn: string | null
    readonly reason: string | null
    readonly warnings: readonly string[]
    readonly notices: readonly string[]
  }
  readonly configProblem: string | null
}

export type Usage = {
  readonly days: readonly {
    readonly date: string
    readonly totalBytes: number
    readonly servers: readonly {
      readonly number: number | null
      readonly label: string
      readonly usedBytes: number
    }[]
  }[]
}

export type Archive = {
  readonly id: string
  readonly source: string
  readonly file: string
  readonly key: string
  readonly state: 'packing' | 'waiting' | 'stored' | 'failed' | 'deleted'
  readonly location: 'local' | 's3' | 'both' | null
  readonly sizeBytes: number | null
  readonly sourceBytes: number | null
  readonly fileCount: number | null
  readonly sha256: string | null
  readonly createdAt: string
  readonly verifiedAt: string | null
  readonly deepVerifiedAt: string | null
  readonly soundCopies: number
  readonly problems: number
  readonly pinned: boolean
  readonly warningCount: number
  readonly reason: string | null
  readonly copies: readonly {
    readonly server: number | null
    readonly label: string
    readonly state: string
  }[]
}

export type Archives = { readonly archives: readonly Archive[]; readonly next: string | null }

export type FileState = {
  readonly kind: string
  readonly sizeBytes: number
  readonly modifiedAt: string
  readonly mode: string
}

export type ArchiveRef = {
  readonly id: string
  readonly file: string
  readonly createdAt: string
}

export type ArchiveFile = FileState & { readonly path: string; readonly pathBytes?: string }

export type ArchiveFiles = {
  readonly archive: ArchiveRef & { readonly source: string }
  readonly files: readonly ArchiveFile[]
  readonly hasMore: boolean
}

export type UnknownFiles = ArchiveRef & {
  readonly source: string
  readonly reason: string | null
}

export type FoundFile = ArchiveFile & {
  readonly host: string
  readonly source: string
  readonly versions: number
  readonly archives: number
  readonly newest: ArchiveRef | null
  readonly goneAt: string | null
}

export type Found = {
  readonly files: readonly FoundFile[]
  readonly hasMore: boolean
  readonly unknown: readonly UnknownFiles[]
}

export type FileVersion = FileState & {
  readonly event: 'appeared' | 'changed' | 'returned'
  readonly changes: readonly string[]
  readonly since: string
  readonly until: string | null
  readonly isGoneThen: boolean
  readonly archives: readonly ArchiveRef[]
}

export type FileHistory = {
  readonly histories: readonly {
    readonly host: string
    readonly source: string
    readonly path: string
    /** Base64; only of a path that is no UTF-8. */
    readonly pathBytes?: string
    readonly versions: readonly FileVersion[]
  }[]
}

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'lost'

export type Job = {
  readonly id: string
  readonly kind: 'run' | 'restore' | 'verify' | 'prune' | 'reconcile'
  readonly state: JobState
  readonly origin: string
  readonly requestedBy: string
  readonly createdAt: string
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly exit: number | null
  readonly reason: string | null
}

export type JobWithResult = Job & { readonly result: unknown }

export type Jobs = { readonly jobs: readonly Job[]; readonly next: string | null }

/** One line of a journal; which fields there are depends on `kind`. */
export type JournalEvent = { readonly at?: string; readonly kind: string } & Readonly<
  Record<string, unknown>
>

export type Run = {
  readonly id: string
  readonly state: 'running' | 'done' | 'failed' | 'lost'
  readonly startedAt: string
  readonly endedAt: string | null
  readonly exit: number | null
  readonly origin: 'schedule' | 'api' | 'command'
  readonly sources: readonly string[]
  readonly stored: number
  readonly waiting: number
  readonly failed: number
  readonly storedBytes: number
  readonly jobId: string | null
  readonly reason: string | null
}

export type Runs = { readonly runs: readonly Run[]; readonly next: string | null }

export type RunDetail = Run & {
  readonly events: readonly JournalEvent[]
  readonly report: unknown
}

export type TestedCheck = {
  readonly name: string
  readonly needed: string
  readonly outcome: 'ok' | 'failed' | 'skipped'
  readonly message: string | null
  readonly hint: string | null
  readonly seconds: number
}

export type TestedServer = {
  readonly wouldTake: boolean
  readonly remarks: readonly string[]
  readonly checks: readonly TestedCheck[]
}

export type TestedSource = { readonly ok: boolean; readonly lines: readonly string[] }

export type TestedNotification = { readonly delivered: boolean; readonly reason: string | null }

export type PrunePreview = {
  readonly archives: readonly {
    readonly id: string
    readonly source: string
    readonly file: string
    readonly createdAt: string
    readonly sizeBytes: number
    readonly pinned: boolean
    readonly action: 'keep' | 'delete'
    readonly reasons: readonly string[]
  }[]
  readonly notes: readonly string[]
  readonly held: readonly { readonly source: string; readonly reason: string }[]
  readonly remaining: number
}

export type Download = {
  readonly url: string
  readonly name: string
  readonly sizeBytes: number | null
}

export type AuditEntry = {
  readonly at: string
  /** null: none, or a wrong one. */
  readonly token: string | null
  readonly method: string
  readonly path: string
  readonly status: number
  readonly remoteAddress: string
}

export type Audit = {
  readonly entries: readonly AuditEntry[]
  readonly next: number | null
}
