// The thread that writes the tree of a restore, with synchronous calls. Ended from outside when the
// restore is interrupted; Node then closes its descriptors.

import { parentPort } from 'node:worker_threads'
import { assert } from './lib/assert.ts'
import { openTreeSink } from './pack/extract-sink.ts'
import { receiveOrder } from './lib/worker.ts'
import { placeAt, sendFailure } from './pack/extract-messages.ts'
import type { UnpackOrder, UnpackReport, UnpackStart } from './pack/extract-messages.ts'

const port = parentPort
assert(port !== null, 'unpack-worker runs as a worker thread only')
const { tree: input, places } = (await receiveOrder<UnpackStart>()).order

const report = (message: UnpackReport) => port.postMessage(message)
let progress = { memberCount: 0, sourceBytes: 0 }
const sink = openTreeSink({ tree: input, onProgress: (now) => (progress = now) })

// One order after the other; after the first failure there is nothing more to do but to close.
let work: Promise<unknown> = sink.then(() => report({ kind: 'ready' }))
work.catch((error: unknown) => report({ kind: 'failed', failure: sendFailure(error) }))

port.on('message', (order: UnpackOrder) => {
  const before = work
  if (order.kind === 'close') {
    void before.catch(() => undefined).then(close)
    return
  }
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

async function follow(order: Exclude<UnpackOrder, { kind: 'close' }>): Promise<void> {
  const tree = await sink
  switch (order.kind) {
    case 'block':
      await tree.write(
        placeAt(places, order.place, order.offsetBytes, order.sizeBytes),
        order.expected,
      )
      return report({ kind: 'written', place: order.place, progress })
    case 'lose':
      return tree.lose(order.members)
    case 'take-links':
      return report({ kind: 'links', links: await tree.takeLinks(order.countMax) })
    case 'begin-targets':
      return tree.beginTargets(order.targets)
    case 'finish':
      return report({ kind: 'finished', result: await tree.finish() })
  }
}

async function close(): Promise<void> {
  // A tree that never opened has nothing to close, and has said so.
  const tree = await sink.catch(() => undefined)
  try {
    await tree?.close()
  } finally {
    report({ kind: 'closed' })
  }
}
