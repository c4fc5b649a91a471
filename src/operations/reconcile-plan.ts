// The plan of a reconcile: pure data, printed first and then applied.

import { bucketOf } from '../domain/server.ts'
import { exitOf } from '../domain/exit-code.ts'
import type { SpillwayError } from '../domain/errors.ts'
import { FAILURES, failureOf, messageOf } from '../domain/errors.ts'
import type { CopyId } from '../catalog/catalog.ts'
import type { FoundCopy, RebuiltArchive } from '../catalog/rebuild-calls.ts'
import type { OtherHosts } from './other-hosts.ts'
import type { OpenUpload } from '../storage/storage.ts'
import type { Server } from '../domain/server.ts'
import type { SnapshotId } from '../catalog/snapshot-calls.ts'

export type Step =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'mark-missing'; readonly copyId: CopyId; readonly reason: string }
  | {
      readonly kind: 'settle-missing'
      readonly copyId: CopyId
      readonly reason: string
      /** What the row counted of an object that is somebody else's now. */
      readonly othersBytes: number
    }
  | { readonly kind: 'mark-found'; readonly copyId: CopyId }
  | { readonly kind: 'adopt'; readonly archive: RebuiltArchive; readonly copy: FoundCopy }
  | { readonly kind: 'abort'; readonly upload: OpenUpload }
  | { readonly kind: 'drop-snapshot'; readonly id: SnapshotId }
  | {
      readonly kind: 'adopt-snapshot'
      readonly key: string
      readonly token: string
      readonly sizeBytes: number
      readonly madeAt: Date
    }

export type Finding = {
  /** What is not as it should be, in a few words. */
  readonly what: string
  readonly key: string
  readonly sizeBytes: number
  /** What is done about it, in a few words. */
  readonly action: string
  /** Why it is so, where that says more. */
  readonly detail: string | undefined
  /** Somebody should look: exit code 3. */
  readonly isWarning: boolean
  readonly step: Step
  /** Of a copy that is not there, or not as it was: which archive has one less. */
  readonly lostCopyOf?: {
    readonly archiveId: string
    readonly file: string
    readonly heldCopies: number
    readonly isInSpool: boolean
  }
  /** Of one that is there after all: which archive has one more. */
  readonly foundCopyOf?: string
}

/** Of this host's name, and never known to this catalog: their bytes count as others'. */
export type Unknown = { readonly archives: number; readonly catalogCopies: number }

export type ServerPlan = {
  readonly server: Server
  /** What the listing showed; undefined: it may not be listed with this key. */
  readonly listed: { readonly objects: number; readonly sizeBytes: number } | undefined
  /** undefined: not known, and left as it was. */
  readonly otherBytes: number | undefined
  readonly otherBytesBefore: number
  readonly findings: readonly Finding[]
  /** Copies that counted as missing only until somebody asked, and are there. */
  readonly confirmed: readonly CopyId[]
  /** Objects that are left for the next reconcile. */
  readonly leftOver: number
  /** Objects in this host's folder that are no archives by their names. */
  readonly strangers: number
  readonly unknown: Unknown
  readonly otherHosts: OtherHosts
}

export type ReconcilePlan = {
  readonly servers: readonly ServerPlan[]
  /** Nothing was concluded about these. */
  readonly failed: readonly { readonly server: Server; readonly error: SpillwayError }[]
  /** Copies that lie on servers which are not configured, or disabled. */
  readonly notAsked: number
  /** Files of archives of which no copy is left anywhere. */
  readonly lost: readonly string[]
}

/** Archives that lose their last copy, by this plan. */
export function lostArchives(servers: readonly ServerPlan[]): readonly string[] {
  const lostCopies = new Map<string, number>()
  const lost: string[] = []
  const findings = servers.flatMap((server) => server.findings)
  const found = new Set(findings.map(({ foundCopyOf }) => foundCopyOf))
  for (const { lostCopyOf } of findings) {
    if (lostCopyOf === undefined || found.has(lostCopyOf.archiveId)) continue
    const count = (lostCopies.get(lostCopyOf.archiveId) ?? 0) + 1
    lostCopies.set(lostCopyOf.archiveId, count)
    if (!lostCopyOf.isInSpool && count === lostCopyOf.heldCopies) lost.push(lostCopyOf.file)
  }
  return lost
}

export function planExit(plan: ReconcilePlan, problems: readonly SpillwayError[]): number {
  const findings = plan.servers.flatMap((server) => server.findings)
  return exitOf([
    ...plan.failed.map(({ error }) => failureOf(error).exit),
    ...(plan.lost.length > 0 ? [FAILURES.ARCHIVE_LOST.exit] : []),
    ...problems.map((problem) => (problem.code === 'ARCHIVE_LOST' ? problem.failure.exit : 3)),
    ...(findings.some(({ isWarning }) => isWarning) ? [3] : []),
    ...(plan.servers.some(({ unknown }) => unknown.archives + unknown.catalogCopies > 0)
      ? [3]
      : []),
  ])
}

/** In the shape of `reconcile --json`. */
export function planJson(plan: ReconcilePlan) {
  return {
    servers: plan.servers.map(({ server, findings, listed, ...rest }) => ({
      ...addressOf(server),
      listed: listed ?? null,
      otherBytes: rest.otherBytes ?? null,
      otherBytesBefore: rest.otherBytesBefore,
      strangers: rest.strangers,
      confirmed: rest.confirmed.length,
      leftOver: rest.leftOver,
      unknown: rest.unknown,
      findings: findings.map(({ what, key, sizeBytes, action, detail, isWarning, step }) => ({
        ...{ what, key, sizeBytes, action, detail: detail ?? null, isWarning },
        step: step.kind,
      })),
    })),
    failed: plan.failed.map(({ server, error }) => ({
      ...addressOf(server),
      code: error.code,
      message: messageOf(error),
    })),
    notAsked: plan.notAsked,
    lost: plan.lost,
  }
}

function addressOf(server: Server) {
  const { number, label, endpoint } = server
  return { number, label, endpoint, bucket: bucketOf(server) }
}
