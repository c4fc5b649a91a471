// The cheap proof: does the server still show each copy, with our token and its size.
//
// What is gone becomes `missing`, and what is there again `stored`. What is there and not ours is said and
// left alone. A server that does not answer is asked no more, and nothing is concluded about what it holds.

import { setTimeout as sleep } from 'node:timers/promises'
import { FAILURES, failureOf, messageOf, SpillwayError } from '../domain/errors.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { HeadResult, Storage } from '../storage/storage.ts'
import type { CopyState } from '../domain/archive.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import { wholeObject } from './verify-report.ts'
import type { CopyTask, HeadOutcome } from './verify-report.ts'

export type HeadServices = {
  readonly catalog: Catalog
  /** Ready to be asked; rejects with why it is not. */
  readonly storageOf: (server: Server, signal: AbortSignal) => Promise<Storage>
  /** Before a "not there" is believed; some servers are late. */
  readonly headDelayMs?: number
}

export type HeadFound = {
  readonly outcome: HeadOutcome
  readonly message: string | undefined
  /** Of what is there. */
  readonly head: HeadResult | undefined
  /** Set where a server or its entry is at fault. */
  readonly exit: number
}

// A HEAD takes a round trip and nothing else: eight at once go through 1 000 copies in some seconds.
const AT_ONCE = 8

const HEAD_DELAY_MS = 1_000

export async function headCopies(
  services: HeadServices,
  tasks: readonly CopyTask[],
  signal: AbortSignal,
): Promise<ReadonlyMap<CopyTask, HeadFound>> {
  const found = new Map<CopyTask, HeadFound>()
  const byServer = new Map<ServerIdentity, CopyTask[]>()
  for (const task of tasks) {
    const { identity } = task.copy
    byServer.set(identity, [...(byServer.get(identity) ?? []), task])
  }
  const ended = await Promise.allSettled(
    [...byServer.values()].map((group) => headServer(services, group, found, signal)),
  )
  for (const each of ended) if (each.status === 'rejected') throw each.reason
  return found
}

async function headServer(
  services: HeadServices,
  tasks: readonly CopyTask[],
  found: Map<CopyTask, HeadFound>,
  signal: AbortSignal,
): Promise<void> {
  const server = tasks[0]?.server
  if (server === undefined) {
    const message = 'the server is not configured any more'
    for (const task of tasks) found.set(task, unasked(message, 3))
    return
  }
  const waiting = [...tasks]
  let down: HeadFound | undefined
  const work = async (storage: Storage): Promise<void> => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      if (down !== undefined) {
        found.set(task, down)
        continue
      }
      try {
        found.set(task, await headCopy(services, storage, task, signal))
      } catch (error) {
        down ??= unaskedBecause(error)
        found.set(task, down)
      }
    }
  }
  try {
    const storage = await services.storageOf(server, signal)
    const workers = await Promise.allSettled(Array.from({ length: AT_ONCE }, () => work(storage)))
    for (const worker of workers) if (worker.status === 'rejected') throw worker.reason
  } catch (error) {
    const because = unaskedBecause(error)
    for (const task of waiting) found.set(task, because)
  }
}

/** Throws again what says nothing about the server: an interruption, a catalog that failed, a bug. */
function unaskedBecause(error: unknown): HeadFound {
  const { server, exit } = failureOf(error)
  if (server === undefined) throw error
  return unasked(messageOf(error), exit)
}

function unasked(message: string, exit: number): HeadFound {
  return { outcome: 'unasked', message, head: undefined, exit }
}

async function headCopy(
  services: HeadServices,
  storage: Storage,
  task: CopyTask,
  signal: AbortSignal,
): Promise<HeadFound> {
  const { catalog } = services
  const { copy } = task
  let head = await storage.head(copy.key, signal)
  if (head === undefined && copy.state === 'stored') {
    await pause(services.headDelayMs ?? HEAD_DELAY_MS, signal)
    head = await storage.head(copy.key, signal)
  }
  const at = new Date()
  if (head === undefined) return noteMissing(catalog, task, at)
  const wrong = differenceOf(task, head)
  if (copy.state === 'missing' && wrong?.outcome !== 'replaced') {
    if (!(await noteFound(catalog, task))) return unasked(GIVEN_UP_MEANWHILE, 3)
  }
  if (wrong === undefined) {
    await catalog.setCopyHeaded(copy.id, at)
    return { outcome: 'proven', message: undefined, head, exit: 0 }
  }
  const { outcome, message } = wrong
  await catalog.setProblems(copy.id, 'object', [wholeObject(task, message, outcome)], at)
  return {
    outcome,
    message,
    head,
    exit: outcome === 'rewritten' ? 3 : FAILURES.ARCHIVE_CORRUPT.exit,
  }
}

/** undefined: it is what was stored, as far as a HEAD can say. */
function differenceOf(
  { copy }: CopyTask,
  head: HeadResult,
): { readonly outcome: 'replaced' | 'rewritten'; readonly message: string } | undefined {
  if (head.token !== copy.token) {
    const whose =
      head.token === undefined ? 'has no write token of Spillway' : 'is of another upload'
    const size =
      head.sizeBytes === copy.sizeBytes
        ? ''
        : `, and ${head.sizeBytes} bytes where ${copy.sizeBytes} were stored`
    return { outcome: 'replaced', message: `what lies at ${copy.key} ${whose}${size}` }
  }
  if (head.sizeBytes !== copy.sizeBytes) {
    const message = `${copy.key} has ${head.sizeBytes} bytes, and ${copy.sizeBytes} were stored`
    return { outcome: 'replaced', message }
  }
  if (copy.etag === undefined || head.etag === undefined || head.etag === copy.etag)
    return undefined
  const message =
    `${copy.key} was written again since it was stored (its ETag is ${head.etag} now): ` +
    'only verify --deep can prove it'
  return { outcome: 'rewritten', message }
}

/** Retention or another process may have taken the copy away meanwhile: then nothing is missing. */
async function noteMissing(catalog: Catalog, task: CopyTask, at: Date): Promise<HeadFound> {
  const message = `${task.copy.key} is gone: the server says that there is no such object`
  const { exit } = FAILURES.ARCHIVE_MISSING
  const missing = { outcome: 'missing', message, head: undefined, exit } as const
  const { id, state } = task.copy
  if (state === 'stored') {
    try {
      if (!(await isStored(catalog, task))) return unasked(DELETED_MEANWHILE, 0)
      await catalog.markMissing(id, message)
    } catch (error) {
      if (await isStored(catalog, task)) throw error
      return unasked(DELETED_MEANWHILE, 0)
    }
  }
  await catalog.setProblems(id, 'object', [wholeObject(task, message, 'missing')], at)
  return missing
}

export const DELETED_MEANWHILE = 'it was deleted meanwhile'

const GIVEN_UP_MEANWHILE = 'it was given up meanwhile, and is there: spillway reconcile'

/**
 * A disk that was not mounted, a version brought back by somebody. Reconcile may have seen it first; false: a run
 * has just given it up.
 */
async function noteFound(catalog: Catalog, task: CopyTask): Promise<boolean> {
  try {
    await catalog.markFound(task.copy.id)
    return true
  } catch (error) {
    const state = await stateOf(catalog, task)
    if (state === 'missing') throw error
    return state === 'stored'
  }
}

/** As the catalog has it now. */
export async function isStored(catalog: Catalog, { archive, copy }: CopyTask): Promise<boolean> {
  return (await stateOf(catalog, { archive, copy })) === 'stored'
}

async function stateOf(
  catalog: Catalog,
  { archive, copy }: Pick<CopyTask, 'archive' | 'copy'>,
): Promise<CopyState | undefined> {
  const { copies } = await catalog.findArchive(archive.id)
  return copies.find(({ id }) => id === copy.id)?.state
}

async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal })
  } catch (cause) {
    throw new SpillwayError('INTERRUPTED', 'interrupted while verifying', { cause })
  }
}
