// The thread that reads and hashes parts for the uploads. MD5 takes about 1.4 s per GB: on the main
// thread it would hold up every request and timer.

import { parentPort } from 'node:worker_threads'
import { assert } from './lib/assert.ts'
import { readHashed } from './storage/part-messages.ts'
import type { PartRequest } from './storage/part-messages.ts'

const port = parentPort
assert(port !== null, 'part-worker runs as a worker thread only')
port.on('message', (request: PartRequest) => {
  const reply = readHashed(request)
  const bytes = 'bytes' in reply ? reply.bytes : undefined
  port.postMessage(reply, bytes === undefined ? [] : [bytes])
})
