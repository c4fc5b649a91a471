// Copies of the catalog on one server against their rows. After a rebuild there are some without a row:
// the newest copy cannot know of itself. At any other time one without a row is not ours, but another
// machine's of the same name, or planted.

import { isFailure } from '../domain/errors.ts'
import { isProvenBy } from '../storage/storage.ts'
import {
  latestSnapshotTime,
  snapshotFolder,
  SNAPSHOTS_KEPT,
  snapshotTime,
} from './catalog-snapshot-key.ts'
import type { Examined } from './reconcile-server.ts'
import type { Finding } from './reconcile-plan.ts'
import type { SnapshotRow } from '../catalog/snapshot-calls.ts'
import type { HeadResult, StoredObject } from '../storage/storage.ts'

/** `listed`: what may be ours; undefined: the server may not be listed, and every row is asked for. */
export async function findSnapshotFindings(
  input: Examined,
  rows: readonly SnapshotRow[],
  listed: readonly StoredObject[] | undefined,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const sizes = new Map(listed?.map(({ key, sizeBytes }) => [key, sizeBytes]))
  const newest = new Set(
    [...rows, ...(listed ?? [])]
      .map(({ key }) => key)
      .toSorted()
      .slice(-SNAPSHOTS_KEPT),
  )
  for (const row of rows) {
    // The next run settles the others.
    if (row.state !== 'stored' || sizes.get(row.key) === row.sizeBytes) continue
    const head = await headOf(input, row.key, signal)
    if (head === 'hidden' || isProvenBy(head, row)) continue
    const { id, key, sizeBytes } = row
    const step = { kind: 'drop-snapshot', id } as const
    const what = 'a copy of the catalog is gone'
    const action = 'its bytes are given back'
    // After a rebuild: it was one too many when the copy from which it began had been made.
    const isWarning = newest.has(key)
    findings.push({ what, key, sizeBytes, action, detail: undefined, isWarning, step })
  }
  const known = new Set(rows.map(({ key }) => key))
  for (const object of listed ?? []) {
    const finding = known.has(object.key) ? undefined : await stray(input, object, signal)
    if (finding !== undefined) findings.push(finding)
  }
  return findings
}

async function stray(
  input: Examined,
  { key, sizeBytes }: StoredObject,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  const madeAt = snapshotTime(key.slice(snapshotFolder(input.server, input.host).length))
  if (madeAt === undefined) return undefined
  const common = { what: 'a copy of the catalog without a row', key }
  if (madeAt > latestSnapshotTime(input.now)) {
    const [action, detail] = ["counts as others' bytes", 'it is named after a time to come']
    return { ...common, sizeBytes, action, detail, isWarning: true, step: { kind: 'nothing' } }
  }
  const head = await headOf(input, key, signal)
  if (head === 'hidden' || head?.token === undefined) return undefined
  const { token } = head
  const step = { kind: 'adopt-snapshot', key, token, sizeBytes: head.sizeBytes, madeAt } as const
  const seen = { sizeBytes: head.sizeBytes, action: 'adopted', detail: undefined }
  return { ...common, ...seen, isWarning: false, step }
}

async function headOf(
  { storage }: Examined,
  key: string,
  signal: AbortSignal,
): Promise<HeadResult | undefined | 'hidden'> {
  try {
    return await storage.head(key, signal)
  } catch (error) {
    if (isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) return 'hidden'
    throw error
  }
}
