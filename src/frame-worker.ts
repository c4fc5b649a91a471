// The thread that compresses the blocks which pack-worker.ts fills, and writes the archive file.

import { parentPort } from 'node:worker_threads'
import { ArchiveWriter } from './pack/archive-writer.ts'
import { RingReader } from './pack/block-ring.ts'
import { receiveOrder } from './lib/worker.ts'
import { keepFreedMemory } from './pack/give-back.ts'
import { MemoryFile } from './pack/part-memory.ts'
import type { ArchiveFile } from './pack/part-memory.ts'
import { SpoolFile } from './pack/spool-file.ts'
import { encodeFailure } from './pack-messages.ts'
import type { FrameMessage, FrameStart, ReadSoFar, WorkerMessage } from './pack-messages.ts'
import type { PackProgress, PackResult } from './pack/packer.ts'

// The upload follows the file in parts of many MiB: more often than this nobody looks.
const PROGRESS_EVERY_MS = 50

const { order, walker } = await receiveOrder<FrameStart>()
const main = parentPort!

// Both listeners are there before anything else is awaited: earlier messages would be lost.
const queue: FrameMessage[] = []
let wake = (): void => undefined
let read: ReadSoFar = { sourceBytes: 0, memberCount: 0 }
let toldAt = 0
/** Tells what came too soon after the last time: nothing more may come for hours. */
let later: NodeJS.Timeout | undefined
for (const port of [walker, main]) {
  port.on('message', (message: FrameMessage) => {
    queue.push(message)
    wake()
  })
}

keepFreedMemory()
try {
  const result = await write()
  if (result !== undefined) tellMain({ kind: 'done', result })
} catch (error) {
  tellMain({ kind: 'failed', failure: encodeFailure(error) })
}
clearTimeout(later)
walker.close()
main.unref()

/** undefined: stopped. */
async function write(): Promise<PackResult | undefined> {
  const ring = new RingReader(order.ring)
  const { output } = order
  const spool = 'fd' in output ? spoolFile(output.fd) : undefined
  const file: ArchiveFile =
    'memory' in output ? new MemoryFile(output.memory, () => tellAtOnce()) : spool!
  const writer = new ArchiveWriter(file, order.job, (bytes) => tellProgress(bytes, writer.kept))
  const tellAtOnce = (): void => {
    // The upload waits for what it has not heard of, and we for the upload.
    toldAt = 0
    tellProgress(file.readableBytes, writer.kept)
  }
  try {
    for (;;) {
      const message = await nextMessage()
      // The stop itself may stand behind blocks that nobody wants any more.
      if (ring.isStopped || message.kind === 'stop') return undefined
      if (message.kind === 'end') return await writer.finish(message.totals)
      if (message.kind === 'block') {
        read = message.read
        await writer.addBlock(ring.next(message.lengthBytes), () => ring.release())
      } else if (message.kind === 'keep') {
        await writer.keepPlace(message.blockBytes)
      } else if (message.kind === 'fill') {
        await writer.fillPlace(Buffer.from(message.block))
      } else {
        const { bytes, ...facts } = message.block
        // A Buffer arrives as a plain Uint8Array.
        const own = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
        await writer.addMembers({ ...facts, bytes: own })
      }
    }
  } finally {
    await writer.close()
    spool?.endBypass()
  }
}

function spoolFile(fd: number): SpoolFile {
  const { job, outputBytesMax } = order
  const file = SpoolFile.adopt(job.outputPath, fd, outputBytesMax)
  file.bypassCache()
  return file
}

async function nextMessage(): Promise<FrameMessage> {
  for (;;) {
    const message = queue.shift()
    if (message !== undefined) return message
    await new Promise<void>((resolve) => (wake = resolve))
  }
}

function tellProgress(outputBytes: number, kept: PackProgress['kept']): void {
  clearTimeout(later)
  const tell = (): void => {
    toldAt = performance.now()
    tellMain({ kind: 'progress', progress: { outputBytes, kept, ...read } })
  }
  const waitMs = toldAt + PROGRESS_EVERY_MS - performance.now()
  if (waitMs <= 0) tell()
  else later = setTimeout(tell, waitMs)
}

function tellMain(message: WorkerMessage): void {
  main.postMessage(message)
}
