// What one HEAD says of a row: that the copy is there, is gone, was gone before, or that its key is another's now.

import { isFailure, messageOf } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import { isProvenBy } from '../storage/storage.ts'
import type { CopyOnServer } from '../catalog/rebuild-calls.ts'
import type { Finding } from './reconcile-plan.ts'
import type { Server } from '../domain/server.ts'
import type { Storage } from '../storage/storage.ts'

type Asked = {
  readonly server: Server
  readonly storage: Storage
  readonly now: Date
}

/**
 * A copy counts as gone for good when two HEADs a day apart did not find it: a provider's bad day, a
 * bucket that was renamed for an hour, a policy that hides objects all end sooner, and are noticed.
 */
export const SETTLED_AFTER_MS = 24 * 60 * 60 * 1_000

/** undefined: it is there, as it should be; the listing was late. */
export async function lookAtCopy(
  input: Asked,
  row: CopyOnServer,
  signal: AbortSignal,
): Promise<Finding | 'confirmed' | undefined> {
  const { server, storage, now } = input
  const { key, sizeBytes } = row
  const common = { key, sizeBytes, detail: undefined, isWarning: true }
  let head
  try {
    head = await storage.head(key, signal)
  } catch (error) {
    if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) throw error
    const step = { kind: 'nothing' } as const
    return {
      ...common,
      what: 'cannot be looked at',
      action: 'left as it is',
      detail: messageOf(error),
      step,
    }
  }
  if (isProvenBy(head, row)) {
    if (row.state === 'stored') return undefined
    if (isUnasked(row)) return 'confirmed'
    const step = { kind: 'mark-found', copyId: row.id } as const
    const again = { what: 'is there again', action: 'stored again', isWarning: false }
    return { ...common, ...again, step, foundCopyOf: row.archiveId }
  }
  const othersBytes = Math.min(sizeBytes, head?.sizeBytes ?? 0)
  const seen =
    head === undefined
      ? 'it is gone'
      : head.sizeBytes === sizeBytes
        ? 'something else lies there'
        : `what lies there has ${formatBytes(head.sizeBytes)}`
  if (row.state === 'stored' || isUnasked(row)) {
    const reason = `${server.label} was asked on ${now.toISOString()}: ${seen}`
    const step = { kind: 'mark-missing', copyId: row.id, reason } as const
    const lostCopyOf = {
      archiveId: row.archiveId,
      file: row.file,
      heldCopies: row.heldCopies,
      isInSpool: row.archiveState === 'ready',
    }
    const action = 'marked missing; its bytes still count'
    return { ...common, what: seen, action, step, lostCopyOf }
  }
  return { ...common, ...stillMissing(row, seen, othersBytes, input) }
}

/** Of a catalog that came from a server, whose word and whose listing prove nothing. */
function isUnasked({ state, missingSince }: CopyOnServer): boolean {
  return state === 'missing' && missingSince === undefined
}

function stillMissing(
  { id, missingSince }: CopyOnServer,
  seen: string,
  othersBytes: number,
  { server, now }: Asked,
): Pick<Finding, 'what' | 'action' | 'detail' | 'step'> {
  const since = missingSince?.toISOString() ?? 'an earlier look'
  const isSettled =
    missingSince === undefined || now.getTime() - missingSince.getTime() >= SETTLED_AFTER_MS
  const what = `still missing: ${seen}`
  const detail = `since ${since}`
  if (!isSettled)
    return { what, action: 'asked again after a day', detail, step: { kind: 'nothing' } }
  const reason = `${server.label} was asked on ${since} and on ${now.toISOString()}: ${seen}`
  const step = { kind: 'settle-missing', copyId: id, reason, othersBytes } as const
  return { what, action: 'given up; its bytes are given back', detail, step }
}
