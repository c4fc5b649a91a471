// Where the entry of a worker thread lies. Node 20 cannot run TypeScript, so a caller that runs from
// the sources (vitest) starts the compiled entry of dist/, which the tests bring up to date first.

import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'

export type WorkerPort = MessagePort

/** The compiled entry `name`.js of src/: in dist/src/, wherever the caller's own code has come to lie. */
export function workerUrl(name: string): URL {
  return new URL(`${wayToEntries(import.meta.url)}${name}.js`, import.meta.url)
}

function wayToEntries(caller: string): string {
  if (caller.endsWith('.ts')) return '../../dist/src/'
  // An entry itself; else a chunk that entries share, or this file on its own (scripts/build.js, tests).
  return /\/src\/[^/]+$/.test(caller) ? './' : '../'
}

/**
 * In a worker: the first message of the main thread. Rejects, and so ends the thread, when that is no order
 * but the wish that it end.
 * Nothing is lost that comes later: between messages Node runs what waits for a promise, so the caller's
 * own listener is there before the second one.
 */
export async function receiveOrder<Start extends { readonly order: unknown }>(): Promise<Start> {
  const first = await new Promise<object>((resolve) => parentPort?.once('message', resolve))
  if ('order' in first) return first as Start
  throw new Error('this thread was stopped before it had an order')
}
