// The dear proof: every byte of the copies read back, within a budget if there is one.
//
// Progress is noted in the catalog while it goes on, so that a process that is killed loses some
// seconds of it. A server that fails is asked no more; the others' copies are read all the same.

import { FAILURES, failureOf, isFailure, messageOf } from '../domain/errors.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Finding, FrameStretch } from '../domain/proof.ts'
import type { ServerIdentity } from '../domain/server.ts'
import type { Storage } from '../storage/storage.ts'
import { findTailDamage } from '../pack/verify-front-to-back.ts'
import { readLayout } from '../pack/verify-layout.ts'
import type { ArchiveLayout, ExpectedArchive } from '../pack/verify-layout.ts'
import { BudgetSpent, isDamage } from '../pack/verify-source.ts'
import type { VerifySource } from '../pack/verify-source.ts'
import { verifyStretch } from '../pack/verify-stretch.ts'
import { DELETED_MEANWHILE, isStored } from './verify-heads.ts'
import type { HeadServices } from './verify-heads.ts'
import type { DueWork } from './verify-plan.ts'
import type { CopyTask } from './verify-report.ts'

export type DeepServices = HeadServices & {
  readonly onProgress?: (progress: { readonly task: CopyTask; readonly readBytes: number }) => void
}

export type DeepResult = {
  readonly findings: readonly { readonly task: CopyTask; readonly finding: Finding }[]
  /** Copies that could not be read to their end, and why. */
  readonly unread: ReadonlyMap<CopyTask, { readonly message: string; readonly exit: number }>
  readonly readBytes: number
  readonly isBudgetSpent: boolean
  /** Labels of servers whose time was up. */
  readonly outOfTime: readonly string[]
}

export type DeepLimits = {
  /** undefined: everything is read. */
  readonly budgetBytes: number | undefined
  /** What the reading of one server may take, so that a slow one has not the time of the others. */
  readonly serverMsMax: number | undefined
}

// A commit takes some milliseconds, 32 MiB some hundred.
const NOTE_EVERY_BYTES = 32 * 1024 * 1024
const NOTE_EVERY_MS = 1_000

export async function verifyDeep(
  services: DeepServices,
  work: readonly DueWork[],
  limits: DeepLimits,
  signal: AbortSignal,
): Promise<DeepResult> {
  const budget = new ReadBudget(limits)
  const outOfTime = new Set<string>()
  const findings: { task: CopyTask; finding: Finding }[] = []
  const unread = new Map<CopyTask, { message: string; exit: number }>()
  const down = new Map<ServerIdentity, { message: string; exit: number }>()
  let isBudgetSpent = false
  for (const due of work) {
    const { task } = due
    const { identity } = task.copy
    const before = down.get(identity)
    if (before !== undefined) {
      unread.set(task, before)
      continue
    }
    if (outOfTime.has(task.label)) continue
    try {
      const found = (finding: Finding) => void findings.push({ task, finding })
      const work = { services, due, budget, found, signal }
      const ended = await budget.ofServer(identity, () => verifyCopy(work))
      if (ended === 'done') continue
      isBudgetSpent = true
      if (!budget.isLate) break
      outOfTime.add(task.label)
    } catch (error) {
      const { server, exit } = failureOf(error)
      if (isFailure(error, 'ARCHIVE_MISSING')) {
        unread.set(task, await wentAway(services, task))
        continue
      }
      if (server === undefined) throw error
      const reason = { message: messageOf(error), exit }
      if (server !== 'failed') down.set(identity, reason)
      unread.set(task, reason)
    }
  }
  const { readBytes } = budget
  return { findings, unread, readBytes, isBudgetSpent, outOfTime: [...outOfTime] }
}

/** It was there some moments ago: retention took it, or the next HEAD tells that it is gone. */
async function wentAway(
  { catalog }: DeepServices,
  task: CopyTask,
): Promise<{ message: string; exit: number }> {
  if (!(await isStored(catalog, task))) return { message: DELETED_MEANWHILE, exit: 0 }
  const message = `${task.copy.key} went away while it was read`
  return { message, exit: FAILURES.ARCHIVE_MISSING.exit }
}

class ReadBudget {
  /** What has arrived; what was asked for counts in `leftBytes` at once. */
  readBytes = 0
  leftBytes: number
  readonly #serverMsMax: number
  readonly #spentMs = new Map<ServerIdentity, number>()
  #deadline = Infinity

  constructor({ budgetBytes, serverMsMax }: DeepLimits) {
    this.leftBytes = budgetBytes ?? Infinity
    this.#serverMsMax = serverMsMax ?? Infinity
  }

  /** The time of this server is what passes until `work` has ended. */
  async ofServer<Result>(identity: ServerIdentity, work: () => Promise<Result>): Promise<Result> {
    const begun = performance.now()
    const spentMs = this.#spentMs.get(identity) ?? 0
    this.#deadline = begun + this.#serverMsMax - spentMs
    try {
      return await work()
    } finally {
      this.#spentMs.set(identity, spentMs + performance.now() - begun)
    }
  }

  get isLate(): boolean {
    return performance.now() >= this.#deadline
  }

  /** Throws BudgetSpent; then nothing may be read. */
  take(bytes: number): void {
    if (bytes > this.leftBytes) throw new BudgetSpent(`${bytes} more bytes are too much`)
    this.#beInTime()
    this.leftBytes -= bytes
  }

  /** Throws BudgetSpent when the time is up, also in the middle. */
  async *count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.readBytes += chunk.length
      this.#beInTime()
      yield chunk
    }
  }

  #beInTime(): void {
    if (this.isLate) throw new BudgetSpent('the time of this server is up')
  }
}

type CopyWork = {
  readonly services: DeepServices
  readonly due: DueWork
  readonly budget: ReadBudget
  readonly found: (finding: Finding) => void
  readonly signal: AbortSignal
}

async function verifyCopy(work: CopyWork): Promise<'done' | 'budget spent'> {
  const { services, due, budget, signal } = work
  const { task } = due
  if (task.server === undefined) return 'done'
  const storage = await services.storageOf(task.server, signal)
  const source = sourceOf(storage, task, budget, signal)
  try {
    const layout = await layoutOf(work, source)
    if (layout === undefined) return 'done'
    return await verifyStretches(work, source, layout)
  } catch (error) {
    if (error instanceof BudgetSpent) return 'budget spent'
    throw error
  }
}

/** undefined: the end of the copy is damaged, and all that can be said of it was said. */
async function layoutOf(
  { services, due, budget, found }: CopyWork,
  source: VerifySource,
): Promise<ArchiveLayout | undefined> {
  const { archive, copy } = due.task
  const expected: ExpectedArchive = {
    archiveId: archive.id,
    sha256: archive.sha256,
    memberCount: archive.memberCount,
    sourceBytes: archive.sourceBytes,
  }
  const note = async (findings: readonly Finding[]) => {
    await services.catalog.setProblems(copy.id, 'tail', findings, new Date())
    findings.forEach(found)
  }
  try {
    const layout = await readLayout(source, expected)
    await note(layout.findings)
    return layout
  } catch (error) {
    if (!isDamage(error)) throw error
    await note(await damageOfTail(source, expected, error.message, budget))
    return undefined
  }
}

/** Told exactly where all of it may be read for that, by bytes and by time. */
async function damageOfTail(
  source: VerifySource,
  expected: ExpectedArchive,
  what: string,
  budget: ReadBudget,
): Promise<readonly Finding[]> {
  try {
    if (budget.leftBytes >= 2 * source.fileBytes)
      return await findTailDamage(source, expected, what)
  } catch (error) {
    if (!(error instanceof BudgetSpent)) throw error
  }
  return [endOf(source, `${what}; verify --deep without a budget can say more`)]
}

/** Where an end lies that cannot be read is not known: the last 128 KiB hold the beginning of it. */
function endOf({ fileBytes }: VerifySource, what: string): Finding {
  const fromByte = Math.max(0, fileBytes - 128 * 1024)
  return {
    place: 'tail',
    frame: null,
    fromByte,
    toByte: fileBytes,
    what,
    memberCount: 0,
    members: [],
  }
}

async function verifyStretches(
  { services, due, found, budget }: CopyWork,
  source: VerifySource,
  layout: ArchiveLayout,
): Promise<'done' | 'budget spent'> {
  const { task } = due
  const { catalog } = services
  const progress = new Progress(catalog, task, layout.frameCount, budget)
  try {
    for (const { firstFrame, endFrame } of due.stretches) {
      const stretch = { firstFrame, endFrame: Math.min(endFrame, layout.frameCount) }
      const sink = {
        proven: async (proven: FrameStretch) => {
          await progress.proven(proven)
          services.onProgress?.({ task, readBytes: budget.readBytes })
        },
        found: async (findings: readonly Finding[]) => {
          await progress.note()
          await catalog.addFrameProblems(task.copy.id, findings, new Date())
          findings.forEach(found)
        },
      }
      const ended = await verifyStretch({ source, layout, stretch, sink })
      if (ended !== 'done') return ended
    }
    return 'done'
  } finally {
    // Also after Ctrl-C and when the server failed: what was proven stays proven.
    await progress.note()
  }
}

/** What was proven and is not in the catalog yet. */
class Progress {
  readonly #catalog: Catalog
  readonly #task: CopyTask
  readonly #frameCount: number
  readonly #budget: ReadBudget
  #pending: FrameStretch | undefined
  #notedBytes: number
  #notedMs = performance.now()

  constructor(catalog: Catalog, task: CopyTask, frameCount: number, budget: ReadBudget) {
    this.#catalog = catalog
    this.#task = task
    this.#frameCount = frameCount
    this.#budget = budget
    this.#notedBytes = budget.readBytes
  }

  async proven({ firstFrame, endFrame }: FrameStretch): Promise<void> {
    if (this.#pending?.endFrame !== firstFrame) await this.note()
    this.#pending = { firstFrame: this.#pending?.firstFrame ?? firstFrame, endFrame }
    const isDue =
      this.#budget.readBytes - this.#notedBytes >= NOTE_EVERY_BYTES ||
      performance.now() - this.#notedMs >= NOTE_EVERY_MS
    if (isDue) await this.note()
  }

  async note(): Promise<void> {
    const pending = this.#pending
    this.#notedBytes = this.#budget.readBytes
    this.#notedMs = performance.now()
    if (pending === undefined) return
    this.#pending = undefined
    const proven = { ...pending, provenAt: new Date(), frameCount: this.#frameCount }
    await this.#catalog.addProven(this.#task.copy.id, proven)
  }
}

function sourceOf(
  storage: Storage,
  { copy }: CopyTask,
  budget: ReadBudget,
  signal: AbortSignal,
): VerifySource {
  const fileBytes = copy.sizeBytes
  // The end is asked for piece by piece, and was read in one.
  let end: Uint8Array = new Uint8Array(0)
  return {
    fileBytes,
    leftBytes: () => budget.leftBytes,
    readRange: async (offsetBytes, sizeBytes) => {
      const endAt = fileBytes - end.length
      if (offsetBytes >= endAt)
        return end.subarray(offsetBytes - endAt, offsetBytes - endAt + sizeBytes)
      budget.take(sizeBytes)
      const range = { offsetBytes, sizeBytes }
      const bytes = await collect(budget.count(storage.read(copy.key, range, signal)))
      if (offsetBytes + sizeBytes === fileBytes) end = bytes
      return bytes
    },
    read: (offsetBytes, sizeBytes) => {
      budget.take(sizeBytes)
      return budget.count(storage.read(copy.key, { offsetBytes, sizeBytes }, signal))
    },
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const chunk of chunks) pieces.push(Buffer.from(chunk))
  return Buffer.concat(pieces)
}
