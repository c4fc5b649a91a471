// The model server as a process of its own: `node s3-model-main.js '{"buckets":["archives"]}'` prints
// one JSON line {"endpoint", "port", "keys"} when it is ready, and runs until SIGTERM or SIGINT.
//
// With an IPC channel (`stdio: [..., 'ipc']`) it answers every message with its traffic so far, and ends with its parent.

import { startS3Model } from './s3-model.ts'
import type { S3ModelOptions } from './s3-model.ts'

const model = await startS3Model(JSON.parse(process.argv[2] ?? '{}') as S3ModelOptions)
const { endpoint, port, keys } = model
process.stdout.write(`${JSON.stringify({ endpoint, port, keys })}\n`)

const end = (): void => void model.close().then(() => process.exit(0))
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end)

if (process.connected) {
  process.on('message', () => process.send?.(model.traffic()))
  process.once('disconnect', end)
}
