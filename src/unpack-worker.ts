// The thread that writes the tree of a restore, with synchronous calls. Ended from outside when the
// restore is interrupted; Node then closes its descriptors.

import { parentPort, workerData } from 'node:worker_threads'
import { assert } from './lib/assert.ts'
import { openTreeSink } from './pack/extract-archive.ts'
import { placeAt, sendFailure } from './pack/extract-messages.ts'
import type { UnpackOrder, UnpackReport, UnpackWorkerData } from './pack/extract-messages.ts'

const port = parentPort
assert(port !== null, 'unpack-worker runs as a worker thread only')
const { directory, limits, places } = workerData as UnpackWorkerData

const report = (message: UnpackReport) => port.postMessage(message)
let progress = { memberCount: 0, sourceBytes: 0 }
const sink = openTreeSink({ directory, limits, onProgress: (now) => (progress = now) })

// One order after the other; after the first failure there is nothing more to do.
let work: Promise<unknown> = sink.then(() => report({ kind: 'ready' }))
work.catch((error: unknown) => report({ kind: 'failed', failure: sendFailure(error) }))

port.on('message', (order: UnpackOrder) => {
  const before = work
  work = before.then(async () => {
    try {
      await follow(order)
    } catch (error) {
      report({ kind: 'failed', failure: sendFailure(error) })
      throw error
    }
  })
  // It was reported where it happened.
  work.catch(() => undefined)
})

async function follow(order: UnpackOrder): Promise<void> {
  const tree = await sink
  if (order.kind === 'block') {
    await tree.write(placeAt(places, order.place, order.sizeBytes))
    report({ kind: 'written', place: order.place, progress })
  } else {
    report({ kind: 'finished', result: await tree.finish() })
  }
}
