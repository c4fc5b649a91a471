// The packer: joins the walk (sources/) and the archive (pack/) in two worker threads, and is the
// main thread's side of them. It hears of progress, and sees to it that both end, whatever happens.

import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import { SpillwayError } from './domain/errors.ts'
import { describeSource } from './domain/source.ts'
import type { Source } from './domain/source.ts'
import { answeringPaths } from './lib/answering-paths.ts'
import { leaveBehind } from './lib/left-behind.ts'
import { keepNativeLibraries } from './lib/native-library.ts'
import { printablePath } from './lib/printable-path.ts'
import { workerUrl } from './lib/worker.ts'
import { beatsOf, createRingMemory, placeOf, stopRing } from './pack/block-ring.ts'
import type { RingMemory } from './pack/block-ring.ts'
import { framesAhead } from './pack/frames-ahead.ts'
import type { Packer, PackJob, PackProgress, PackResult, Surveyed } from './pack/packer.ts'
import { Outputs } from './compose-outputs.ts'
import { stopPartMemory } from './pack/part-memory.ts'
import { SpoolFile } from './pack/spool-file.ts'
import { decodeFailure } from './pack-messages.ts'
import type {
  FrameMessage,
  FrameOrder,
  FrameStart,
  WalkOrder,
  WalkStart,
  WorkerMessage,
} from './pack-messages.ts'
import { requireHooks } from './sources/child-program.ts'
import { surveyOutputs } from './sources/output-series.ts'
import { removeLeftSecrets } from './sources/secret-folder.ts'

export type PackerOptions = {
  /** Its threads load while the caller opens the catalog: 0.15 s of the first archive. */
  readonly startsNow?: boolean
  /** Scaled down by tests. */
  readonly sourceSilenceMs?: number
  /** The script of the thread that walks; another one in tests of disks that hang. */
  readonly walker?: URL
}

/** `close` ends threads that were started and not needed. */
export function createPacker(options: PackerOptions = {}): Packer & { readonly close: () => void } {
  const walker = options.walker ?? workerUrl('pack-worker')
  const startPair = (): ThreadPair => ({
    frames: start(workerUrl('frame-worker')),
    walk: start(walker),
  })
  let spare = options.startsNow === true ? startPair() : undefined
  const chosen: PackerTools = {
    sourceSilenceMs: options.sourceSilenceMs ?? SOURCE_SILENCE_MS,
    startWalk: () => start(walker),
    takePair: () => {
      const pair = spare ?? startPair()
      spare = undefined
      return pair
    },
  }
  return {
    pack: (job, onProgress, signal) => pack(job, onProgress, signal, chosen),
    survey: (job, signal) => survey(job, signal, chosen),
    close: () => {
      for (const { worker } of spare === undefined ? [] : Object.values(spare))
        void worker.terminate()
      spare = undefined
    },
  }
}

type ThreadPair = { readonly frames: Running; readonly walk: Running }

type PackerTools = {
  readonly sourceSilenceMs: number
  readonly startWalk: () => Running
  readonly takePair: () => ThreadPair
}

// No call of the system has come back: ten minutes are more than a disk needs to spin up, a RAID to retry
// a bad sector, or a file server to reboot, and little of a night.
const SOURCE_SILENCE_MS = 600_000

// Both threads make short-lived objects only; the usual 48 MiB for those would be a third of all the
// memory that packing needs.
const YOUNG_OBJECTS_MIB = 4

// The walk looks at our own paths to know them by their inodes. A local server whose disk does not answer
// would hold every walk, also of sources that have nothing to do with it.
const OWN_PATH_MS = 5_000

// A thread that was told to stop needs some milliseconds; a frame at level 19 takes 1.5 s. Who does
// not end by then hangs in a call of the system (a dead file server) and is no longer waited for.
const STOP_TIMEOUT_MS = 1_000

async function pack(
  job: PackJob,
  onProgress: (progress: PackProgress) => void,
  signal: AbortSignal,
  tools: PackerTools,
): Promise<PackResult> {
  const { outputBytesMax, source } = job
  const ownPaths = await answeringPaths(job.ownPaths, OWN_PATH_MS)
  throwIfInterrupted(signal, source.name)
  const { archiveId, host, outputPath, startedAt, zstdLevel, verifies } = job
  // Created here, so that the walk knows it by its inode before it can meet it.
  const { outputMemory: memory } = job
  const file = memory === undefined ? SpoolFile.create(outputPath) : undefined
  // One more is filled, and one waits for the slower side.
  const ring = createRingMemory(framesAhead(zstdLevel, verifies) + 2)
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
    output: file === undefined ? { memory: memory! } : { fd: file.fd },
    outputBytesMax,
    ring,
  }
  const folder = source.kind === 'folder' ? source : undefined
  const files = file === undefined ? [] : [outputPath]
  const walkOrder: WalkOrder = { source: folder, ownPaths: [...ownPaths, ...files], ring }
  const pair = tools.takePair()
  const workers = [pair.frames, pair.walk]
  const outputs = outputsOf(source, { worker: pair.walk.worker, ring, folder: dirname(outputPath) })
  const watch =
    outputs === undefined
      ? watchSource(pair.walk, ring, tools.sourceSilenceMs, folderSilence(source, ring, tools))
      : watchSource(pair.walk, ring, outputs.silenceMs, () => outputs.silence())
  try {
    // Answers come in a later turn of the event loop than this one, which ends by listening.
    pair.frames.worker.postMessage({ order: frameOrder, walker } satisfies FrameStart, [walker])
    pair.walk.worker.postMessage({ order: walkOrder, frames } satisfies WalkStart, [frames])
    const ends = { signal, source, watch }
    const packed = outcomeOf<PackResult>(workers, ends, (message, settle) => {
      if (message.kind === 'progress') onProgress(message.progress)
      if (message.kind === 'output-read') outputs?.onRead(message)
      if (message.kind === 'done') settle(message.result)
    })
    // Both are listened to from here on. Outputs that fail fail the archive.
    const [result] = await Promise.all([packed, outputs?.run()])
    const { outputBytes, sourceBytes, memberCount } = result
    onProgress({ outputBytes, kept: undefined, sourceBytes, memberCount })
    return result
  } finally {
    watch.stop()
    // A number that is closed may become another file's: never under a thread that still writes.
    void Promise.all(workers.map(({ exited }) => exited)).then(() => {
      file?.close()
      void outputs?.close()
    })
    if (memory !== undefined) stopPartMemory(memory)
    const stopped = stop(ring, workers)
    await outputs?.stop()
    await stopped
  }
}

function outputsOf(
  source: Source,
  more: Omit<ConstructorParameters<typeof Outputs>[0], 'source'>,
): Outputs | undefined {
  return source.kind === 'folder' ? undefined : new Outputs({ ...more, source })
}

async function survey(
  { source, ownPaths }: Pick<PackJob, 'source' | 'ownPaths'>,
  signal: AbortSignal,
  tools: PackerTools,
): Promise<Surveyed> {
  requireHooks(source)
  if (source.kind !== 'folder') {
    // It takes no lock: in the spool a run could be at work.
    const folder = tmpdir()
    removeLeftSecrets(folder, false)
    return surveyOutputs(source, { folder, signal })
  }
  // What there is to read, only BEFORE brings about.
  if (source.hooks?.before !== undefined) return { sourceBytes: undefined, memberCount: undefined }
  const answering = await answeringPaths(ownPaths, OWN_PATH_MS)
  throwIfInterrupted(signal, source.name)
  const ring = createRingMemory(0)
  const walk = tools.startWalk()
  const silence = folderSilence(source, ring, tools)
  const watch = watchSource(walk, ring, tools.sourceSilenceMs, silence)
  try {
    const order: WalkOrder = { source, ownPaths: answering, ring }
    walk.worker.postMessage({ order, frames: undefined } satisfies WalkStart)
    return await outcomeOf<Surveyed>([walk], { signal, source, watch }, (message, settle) => {
      if (message.kind === 'surveyed') settle(message.surveyed)
    })
  } finally {
    watch.stop()
    await stop(ring, [walk])
  }
}

type Running = {
  readonly worker: Worker
  /** Resolves to its exit code. */
  readonly exited: Promise<number>
  /** Never resolves; rejects when it could not start, or threw what nobody caught. */
  readonly broken: Promise<never>
}

/** A thread that waits for its order. */
function start(script: URL): Running {
  const worker = new Worker(script, {
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_OBJECTS_MIB },
  })
  keepNativeLibraries()
  const exited = new Promise<number>((resolve) => worker.once('exit', resolve))
  const broken = new Promise<never>((_resolve, reject) => worker.once('error', reject))
  // It may come before anybody listens, or when nobody does any more.
  broken.catch(() => undefined)
  return { worker, exited, broken }
}

type SourceWatch = {
  /** Never resolves; rejects when the source has not answered for too long. */
  readonly silent: Promise<never>
  readonly stop: () => void
}

// So much later than the limit at most.
const LOOKS_PER_SILENCE = 20

/** Watches the thread that walks: it cannot speak while it hangs in a call of the system. */
function watchSource(
  { exited }: Running,
  ring: RingMemory,
  silenceMs: number,
  failure: () => SpillwayError,
): SourceWatch {
  let timer: NodeJS.Timeout | undefined
  const silent = new Promise<never>((_resolve, reject) => {
    let beats = beatsOf(ring)
    let looks = 0
    timer = setInterval(() => {
      const now = beatsOf(ring)
      looks = now === beats ? looks + 1 : 0
      beats = now
      if (looks >= LOOKS_PER_SILENCE) reject(failure())
    }, silenceMs / LOOKS_PER_SILENCE)
  })
  // It may come when nobody listens any more.
  silent.catch(() => undefined)
  const stopWatch = (): void => clearInterval(timer)
  void exited.then(stopWatch)
  return { silent, stop: stopWatch }
}

function folderSilence(
  source: Source,
  ring: RingMemory,
  { sourceSilenceMs: silenceMs }: PackerTools,
): () => SpillwayError {
  const path = describeSource(source)
  return () => {
    const place = placeOf(ring)
    const at = place === '' ? path : `${path}/${printablePath(place)}`
    return diskSilent(path, at, silenceMs)
  }
}

function diskSilent(path: string, at: string, silenceMs: number): SpillwayError {
  return new SpillwayError(
    'SOURCE_UNREADABLE',
    `${path} cannot be read: its disk did not answer for ${silenceMs / 60_000} minutes, at ${at}`,
    {
      hint: 'does its disk or file server still answer? A walk ends there until it does',
      facts: { code: 'TimeoutError' },
    },
  )
}

/** Settles with what `onMessage` settles, or with the first failure of any worker, or when aborted. */
async function outcomeOf<Result>(
  running: readonly Running[],
  { signal, source, watch }: { signal: AbortSignal; source: Source; watch: SourceWatch },
  onMessage: (message: WorkerMessage, settle: (result: Result) => void) => void,
): Promise<Result> {
  let forget = (): void => undefined
  try {
    return await new Promise<Result>((resolve, reject) => {
      watch.silent.catch(reject)
      const onAbort = () => reject(interrupted(source.name))
      signal.addEventListener('abort', onAbort, { once: true })
      forget = () => signal.removeEventListener('abort', onAbort)
      let left = running.length
      for (const { worker, exited, broken } of running) {
        worker.on('message', (message: WorkerMessage) => {
          if (message.kind === 'failed') reject(decodeFailure(message.failure))
          else onMessage(message, resolve)
        })
        broken.catch(reject)
        void exited.then((code) => {
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
      // Resolves when the thread ends, which may be never.
      leaveBehind(worker.terminate())
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
