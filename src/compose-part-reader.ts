// Starts the thread that reads the parts of an archive for the upload.

import { Worker } from 'node:worker_threads'
import { workerUrl } from './lib/worker.ts'
import { WorkerPartReader } from './storage/worker-part-reader.ts'
import type { PartReader } from './storage/part-reader.ts'

export function createPartReader(): PartReader {
  // It makes short-lived objects only: the usual 48 MiB for those would be a fifth of what a run may use.
  const resourceLimits = { maxYoungGenerationSizeMb: 4 }
  return new WorkerPartReader(() => new Worker(workerUrl('part-worker'), { resourceLimits }))
}
