// Packing, hashing and unpacking by the product's own code, in the thread of the test: starting the worker threads
// takes longer than a whole simulated night. What differs is only who calls whom (pack-worker.ts, frame-worker.ts,
// part-worker.ts, unpack-worker.ts), and that no source may be larger than the ring of blocks.

import { EventEmitter } from 'node:events'
import { ArchiveWriter } from '../../src/pack/archive-writer.ts'
import { createRingMemory, RingReader, RingWriter } from '../../src/pack/block-ring.ts'
import type { RingMemory } from '../../src/pack/block-ring.ts'
import { createUnpackerWith } from '../../src/pack/extract-archive.ts'
import { openTreeSink } from '../../src/pack/extract-sink.ts'
import { IndexEncoder } from '../../src/pack/member-record.ts'
import { PATH_BYTES_MAX } from '../../src/pack/tar-header.ts'
import { WARNINGS_KEPT_MAX } from '../../src/pack/packer.ts'
import { SpoolFile } from '../../src/pack/spool-file.ts'
import { TarWriter } from '../../src/pack/tar-writer.ts'
import { Findings } from '../../src/sources/findings.ts'
import { readOwnerNames } from '../../src/sources/owner-names.ts'
import { watchedFiles } from '../../src/sources/source-files.ts'
import { walkFolder } from '../../src/sources/walk.ts'
import { readHashed } from '../../src/storage/part-messages.ts'
import { WorkerPartReader } from '../../src/storage/worker-part-reader.ts'
import type { Packer, PackJob, PackResult } from '../../src/pack/packer.ts'
import type { PartReader } from '../../src/storage/part-reader.ts'
import type { PartRequest } from '../../src/storage/part-messages.ts'
import type { PartThread } from '../../src/storage/worker-part-reader.ts'
import type { Unpacker } from '../../src/pack/unpacker.ts'

// 4 MiB each, all of a source at once: simulated sources have less than a tenth of that.
const BLOCKS = 2
/** As many as archives were ever packed at once. */
const spareRings: RingMemory[] = []
const ownerNames = readOwnerNames()

export function packerInOneThread(): Packer {
  return {
    pack: async (job, onProgress) => {
      const result = await pack(job)
      const { outputBytes, sourceBytes, memberCount } = result
      onProgress({ outputBytes, kept: undefined, sourceBytes, memberCount })
      return result
    },
    survey: async () => ({ sourceBytes: undefined, memberCount: undefined }),
  }
}

async function pack(job: PackJob): Promise<PackResult> {
  const ring = spareRings.pop() ?? createRingMemory(BLOCKS)
  // All blocks are free once an archive is written.
  new Int32Array(ring.control).fill(0)
  try {
    return await packThrough(ring, job)
  } finally {
    spareRings.push(ring)
  }
}

async function packThrough(ring: RingMemory, job: PackJob): Promise<PackResult> {
  const { source, outputPath, ownPaths } = job
  if (source.kind !== 'folder') throw new Error('a simulated source is a folder')
  const file = SpoolFile.create(outputPath, job.outputBytesMax)
  const writer = new ArchiveWriter(file, { ...job, source }, () => {})
  try {
    const steps: (() => Promise<void>)[] = []
    const reader = new RingReader(ring)
    const filled = new RingWriter(ring, (lengthBytes) => {
      steps.push(() => writer.addBlock(reader.next(lengthBytes), () => reader.release()))
    })
    const index = new IndexEncoder((block) => {
      steps.push(() => writer.addMembers({ ...block, bytes: Buffer.from(block.bytes) }))
    })
    const tar = new TarWriter(filled, (member, place) => index.add(member, place), {
      keep: () => {},
      fill: () => {},
    })
    const findings = new Findings(WARNINGS_KEPT_MAX)
    const totals = walkFolder({
      ...{ source, ownPaths: [...ownPaths, outputPath], pathBytesMax: PATH_BYTES_MAX },
      ...{ ownerNames, findings, sink: tar },
      checkpoint: (path: string) => filled.checkpoint(path),
      files: watchedFiles(() => filled.beat()),
    })
    tar.end()
    index.flush()
    for (const step of steps) await step()
    const { warningCount, warnings, notes } = findings
    return await writer.finish({ ...totals, warningCount, warnings, notes })
  } finally {
    await writer.close()
    file.close()
  }
}

export function partReaderInOneThread(): PartReader {
  return new WorkerPartReader(() => {
    const events = new EventEmitter()
    const thread = {
      on: (event: string, listener: (...values: unknown[]) => void) => events.on(event, listener),
      postMessage: (request: PartRequest) =>
        void setImmediate(() => events.emit('message', readHashed(request))),
      ref: () => {},
      unref: () => {},
      terminate: async () => undefined,
    }
    return thread as unknown as PartThread
  })
}

export function unpackerInOneThread(): Unpacker {
  return createUnpackerWith(openTreeSink)
}
