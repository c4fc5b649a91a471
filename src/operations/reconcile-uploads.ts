// Multipart uploads that are still open in this host's folders: they take room that no listing shows.
//
// Only one that a row names, by its id or (where the id never arrived) by its key, is ever aborted, and
// only when that row says that nothing was left of it. Whose the others are nobody knows: another machine
// of the same name may be in the middle of one.

import { isFailure } from '../domain/errors.ts'
import { keyOnServer } from '../domain/archive.ts'
import { snapshotFolder } from './catalog-snapshot-key.ts'
import type { Examined } from './reconcile-server.ts'
import type { Finding } from './reconcile-plan.ts'
import type { ListedUpload } from '../storage/storage.ts'
import type { SnapshotRow } from '../catalog/snapshot-calls.ts'

export async function findUploads(
  input: Examined,
  snapshots: readonly SnapshotRow[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { server, storage, host } = input
  const folders = [keyOnServer(server.prefix, `${host}/`), snapshotFolder(server, host)]
  const findings: Finding[] = []
  // A directory does not know the keys of its uploads: it names all of them for any folder.
  for (const folder of server.kind === 'file' ? folders.slice(0, 1) : folders) {
    try {
      for await (const upload of storage.listUploads(folder, signal)) {
        const finding = await examineUpload(input, snapshots, upload)
        if (finding !== undefined) findings.push(finding)
      }
    } catch (error) {
      // Some keys may not list uploads, and some servers cannot.
      if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) throw error
    }
  }
  return findings
}

async function examineUpload(
  { catalog, server }: Examined,
  snapshots: readonly SnapshotRow[],
  { key, uploadId }: ListedUpload,
): Promise<Finding | undefined> {
  const isOfSnapshot = snapshots.some((row) => row.state === 'uploading' && row.key === key)
  const row = await catalog.copyOfUpload(server.identity, { key, uploadId })
  // Settled with its row.
  if (isOfSnapshot || row?.state === 'uploading' || row?.state === 'uncertain') return undefined
  const common = { what: 'open upload', key: row?.key ?? key, sizeBytes: 0 }
  if (row?.state === 'failed') {
    const upload = { key: row.key, token: row.token, uploadId }
    const step = { kind: 'abort', upload } as const
    const detail = 'its row says that nothing was left of it'
    return { ...common, action: 'aborted', detail, isWarning: false, step }
  }
  const detail = row === undefined ? `no row names it (${uploadId})` : `its copy is ${row.state}`
  const step = { kind: 'nothing' } as const
  return { ...common, action: 'left alone', detail, isWarning: true, step }
}
