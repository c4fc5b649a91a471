// The thread that walks a folder, or reads what programs write, and puts its tar into the shared blocks
// (or only counts, for a survey). All but waiting for the word that a program did well is synchronous.

import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { RingWriter } from './pack/block-ring.ts'
import { LATE_HEADER_BYTES } from './pack/late-header.ts'
import { IndexEncoder } from './pack/member-record.ts'
import { SURVEY_WARNINGS_KEPT_MAX, WARNINGS_KEPT_MAX } from './pack/packer.ts'
import { PATH_BYTES_MAX } from './pack/tar-header.ts'
import { TarWriter } from './pack/tar-writer.ts'
import { receiveOrder } from './lib/worker.ts'
import { encodeFailure } from './pack-messages.ts'
import type { FrameMessage, OutputMessage, WalkStart, WorkerMessage } from './pack-messages.ts'
import { copyBytes, copyOutput, outputFolder, outputMember } from './sources/command-output.ts'
import { Findings } from './sources/findings.ts'
import { outputReader } from './sources/output-format.ts'
import { readOwnerNames } from './sources/owner-names.ts'
import { watchedFiles } from './sources/source-files.ts'
import { walkFolder } from './sources/walk.ts'
import type { FolderSource } from './domain/source.ts'

const { order, frames } = await receiveOrder<WalkStart>()

try {
  if (frames === undefined) survey()
  else await pack(frames)
} catch (error) {
  tellMain({ kind: 'failed', failure: encodeFailure(error) })
}
frames?.close()

async function pack(port: MessagePort): Promise<void> {
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
  const tar = new TarWriter(ring, (member, place) => index.add(member, place), {
    keep: () => tell({ kind: 'keep', blockBytes: LATE_HEADER_BYTES }),
    fill: (block) => tell({ kind: 'fill', block }),
  })
  const findings = new Findings(WARNINGS_KEPT_MAX)
  const { source } = order
  const totals =
    source === undefined
      ? await packOutputs(tar, ring, findings)
      : walkFolder({ ...walkInput(source, findings, ring), sink: tar })
  if (totals === undefined) return
  tar.end()
  index.flush()
  const { warningCount, warnings, notes } = findings
  tell({ kind: 'end', totals: { ...totals, warningCount, warnings, notes } })
}

/** One member for each output that the main thread hands over. undefined: stopped. */
async function packOutputs(
  tar: TarWriter,
  ring: RingWriter,
  findings: Findings,
): Promise<{ readonly sourceBytes: number; readonly memberCount: number } | undefined> {
  const ownerNames = readOwnerNames()
  let fileName = ''
  for await (const message of outputMessages()) {
    if (message.kind === 'stop') return undefined
    if (message.kind === 'outputs-end') {
      findings.add(message.findings)
      break
    }
    if (message.kind === 'output') {
      const before = tar.contentBytes
      fileName = message.fileName
      const reader = outputReader(message.format)
      tar.beginLate()
      const checkpoint = () => ring.checkpoint(fileName)
      copyOutput(message.fd, tar, checkpoint, (piece) => reader.see(piece))
      tellMain({ kind: 'output-read', bytes: tar.contentBytes - before, found: reader.end() })
    } else if (message.kind === 'output-bytes') {
      tar.beginLate()
      copyBytes(message.bytes, tar)
      tar.endLate(outputMember(message.fileName, new Date(), ownerNames))
    } else if (message.kind === 'output-folder') {
      tar.begin(outputFolder(message.fileName, new Date(), ownerNames))
    } else {
      tar.endLate(outputMember(fileName, message.endedAt, ownerNames))
    }
  }
  return { sourceBytes: tar.contentBytes, memberCount: tar.memberCount }
}

async function* outputMessages(): AsyncGenerator<OutputMessage> {
  const queue: OutputMessage[] = []
  let wake = (): void => undefined
  const onMessage = (message: OutputMessage): void => {
    queue.push(message)
    wake()
  }
  parentPort!.on('message', onMessage)
  try {
    for (;;) {
      const message = queue.shift()
      if (message !== undefined) yield message
      else await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    parentPort!.off('message', onMessage)
  }
}

function survey(): void {
  const { source } = order
  if (source === undefined) throw new Error('only a folder can be surveyed')
  const ring = new RingWriter(order.ring, () => undefined)
  const findings = new Findings(SURVEY_WARNINGS_KEPT_MAX)
  const totals = walkFolder({ ...walkInput(source, findings, ring), sink: undefined })
  const { warnings, warningCount } = findings
  tellMain({ kind: 'surveyed', surveyed: { ...totals, findings: { warnings, warningCount } } })
}

function walkInput(source: FolderSource, findings: Findings, ring: RingWriter) {
  const { ownPaths } = order
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
