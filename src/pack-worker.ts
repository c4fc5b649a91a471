// The thread that walks a folder and writes its tar into the shared blocks (or only counts, for a
// survey). Everything in it is synchronous.

import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { RingWriter } from './pack/block-ring.ts'
import { IndexEncoder } from './pack/member-record.ts'
import { WARNINGS_KEPT_MAX } from './pack/packer.ts'
import { PATH_BYTES_MAX } from './pack/tar-header.ts'
import { TarWriter } from './pack/tar-writer.ts'
import { receiveOrder } from './lib/worker.ts'
import { encodeFailure } from './pack-messages.ts'
import type { FrameMessage, WalkStart, WorkerMessage } from './pack-messages.ts'
import { Findings } from './sources/findings.ts'
import { readOwnerNames } from './sources/owner-names.ts'
import { watchedFiles } from './sources/source-files.ts'
import { walkFolder } from './sources/walk.ts'

const { order, frames } = await receiveOrder<WalkStart>()

try {
  if (frames === undefined) survey()
  else pack(frames)
} catch (error) {
  tellMain({ kind: 'failed', failure: encodeFailure(error) })
}
frames?.close()

function pack(port: MessagePort): void {
  const tell = (message: FrameMessage, transfer: ArrayBuffer[] = []) =>
    port.postMessage(message, transfer)
  const ring = new RingWriter(order.ring, (lengthBytes) =>
    tell({
      kind: 'block',
      lengthBytes,
      read: { sourceBytes: tar.contentBytes, memberCount: tar.memberCount },
    }),
  )
  const index = new IndexEncoder((block) => {
    tell({ kind: 'members', block }, [block.bytes.buffer as ArrayBuffer])
  })
  const tar = new TarWriter(ring, (member, place) => index.add(member, place))
  const findings = new Findings(WARNINGS_KEPT_MAX)
  const walked = walkFolder({
    ...walkInput(findings, ring),
    sink: tar,
  })
  tar.end()
  index.flush()
  const { warningCount, warnings, notes } = findings
  tell({ kind: 'end', totals: { ...walked, warningCount, warnings, notes } })
}

function survey(): void {
  const ring = new RingWriter(order.ring, () => undefined)
  const findings = new Findings(0)
  const totals = walkFolder({
    ...walkInput(findings, ring),
    sink: undefined,
  })
  tellMain({ kind: 'surveyed', totals })
}

function walkInput(findings: Findings, ring: RingWriter) {
  const { source, ownPaths } = order
  const pathBytesMax = PATH_BYTES_MAX
  return {
    source,
    ownPaths,
    pathBytesMax,
    ownerNames: readOwnerNames(),
    findings,
    checkpoint: (path: string) => ring.checkpoint(path),
    files: watchedFiles(() => ring.beat()),
  }
}

function tellMain(message: WorkerMessage): void {
  parentPort?.postMessage(message)
}
