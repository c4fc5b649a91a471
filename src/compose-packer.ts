// The packer: joins the walk (sources/) and the archive (pack/) in two worker threads, and is the
// main thread's side of them. It hears of progress, and sees to it that both end, whatever happens.

import { MessageChannel, Worker } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { SpillwayError } from './domain/errors.ts'
import { workerUrl } from './lib/worker.ts'
import { createRingMemory, stopRing } from './pack/block-ring.ts'
import type { RingMemory } from './pack/block-ring.ts'
import type { Packer, PackJob, PackProgress, PackResult } from './pack/packer.ts'
import { SpoolFile } from './pack/spool-file.ts'
import { decodeFailure } from './pack-messages.ts'
import type { FrameMessage, FrameOrder, WalkOrder, WorkerMessage } from './pack-messages.ts'

export function createPacker(): Packer {
  return { pack, survey }
}

// Both threads make short-lived objects only; the usual 48 MiB for those would be a third of all the
// memory that packing needs.
const YOUNG_OBJECTS_MIB = 4

// A thread that was told to stop needs some milliseconds; a frame at level 19 takes 1.5 s. Who does
// not end by then hangs in a call of the system (a dead file server) and is no longer waited for.
const STOP_TIMEOUT_MS = 1_000

async function pack(
  job: PackJob,
  onProgress: (progress: PackProgress) => void,
  signal: AbortSignal,
): Promise<PackResult> {
  throwIfInterrupted(signal, job.source.name)
  const { outputBytesMax, source, ownPaths } = job
  const { archiveId, host, outputPath, startedAt, zstdLevel, verifies } = job
  // Created here, so that the walk knows it by its inode before it can meet it.
  const file = SpoolFile.create(outputPath)
  const ring = createRingMemory()
  const { port1: frames, port2: walker } = new MessageChannel()
  const frameOrder: FrameOrder = {
    job: {
      archiveId,
      host,
      outputPath,
      startedAt,
      zstdLevel,
      verifies,
      source: { name: source.name, kind: source.kind },
    },
    outputFd: file.fd,
    outputBytesMax,
    ring,
  }
  const walkOrder: WalkOrder = { source, ownPaths: [...ownPaths, outputPath], ring }
  const workers: Running[] = []
  try {
    // Each may fail to start, and then the other one must end.
    workers.push(start('frame-worker', { order: frameOrder, walker }, walker))
    workers.push(start('pack-worker', { order: walkOrder, frames }, frames))
    const result = await outcomeOf<PackResult>(workers, signal, source.name, (message, settle) => {
      if (message.kind === 'progress') onProgress(message.progress)
      if (message.kind === 'done') settle(message.result)
    })
    const { outputBytes, sourceBytes, memberCount } = result
    onProgress({ outputBytes, sourceBytes, memberCount })
    return result
  } finally {
    // A number that is closed may become another file's: never under a thread that still writes.
    void Promise.all(workers.map(({ exited }) => exited)).then(() => file.close())
    await stop(ring, workers)
  }
}

async function survey(
  { source, ownPaths }: Pick<PackJob, 'source' | 'ownPaths'>,
  signal: AbortSignal,
): Promise<{ readonly sourceBytes: number; readonly memberCount: number }> {
  throwIfInterrupted(signal, source.name)
  const ring = createRingMemory(0)
  const worker = start('pack-worker', { order: { source, ownPaths, ring } satisfies WalkOrder })
  try {
    return await outcomeOf([worker], signal, source.name, (message, settle) => {
      if (message.kind === 'surveyed') settle(message.totals)
    })
  } finally {
    await stop(ring, [worker])
  }
}

type Running = { readonly worker: Worker; readonly exited: Promise<void> }

function start(name: string, workerData: unknown, port?: MessagePort): Running {
  const worker = new Worker(workerUrl(name), {
    workerData,
    name,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_OBJECTS_MIB },
    transferList: port === undefined ? [] : [port],
  })
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  return { worker, exited }
}

/** Settles with what `onMessage` settles, or with the first failure of any worker, or when aborted. */
async function outcomeOf<Result>(
  running: readonly Running[],
  signal: AbortSignal,
  sourceName: string,
  onMessage: (message: WorkerMessage, settle: (result: Result) => void) => void,
): Promise<Result> {
  let forget = (): void => undefined
  try {
    return await new Promise<Result>((resolve, reject) => {
      const onAbort = () => reject(interrupted(sourceName))
      signal.addEventListener('abort', onAbort, { once: true })
      forget = () => signal.removeEventListener('abort', onAbort)
      let left = running.length
      for (const { worker } of running) {
        worker.on('message', (message: WorkerMessage) => {
          if (message.kind === 'failed') reject(decodeFailure(message.failure))
          else onMessage(message, resolve)
        })
        worker.once('error', reject)
        worker.once('exit', (code) => {
          left -= 1
          // The walk ends before the archive is whole; without a word only after a crash.
          if (code !== 0 || left === 0)
            reject(new Error(`a packing thread ended with ${code} and said nothing`))
        })
      }
    })
  } finally {
    forget()
  }
}

/** Resolves when all of them ended, or when the time for that is over. */
async function stop(ring: RingMemory, running: readonly Running[]): Promise<void> {
  stopRing(ring)
  for (const { worker } of running) worker.postMessage({ kind: 'stop' } satisfies FrameMessage)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), STOP_TIMEOUT_MS)
  })
  const ended = Promise.all(running.map(({ exited }) => exited))
  if ((await Promise.race([ended, late])) === 'late') {
    for (const { worker } of running) {
      worker.unref()
      // Resolves when the thread ends, which may be never; nobody waits for it.
      void worker.terminate()
    }
  }
  clearTimeout(timer)
}

function throwIfInterrupted(signal: AbortSignal, sourceName: string): void {
  if (signal.aborted) throw interrupted(sourceName)
}

function interrupted(sourceName: string): SpillwayError {
  return new SpillwayError('INTERRUPTED', `packing ${sourceName} was interrupted`)
}
