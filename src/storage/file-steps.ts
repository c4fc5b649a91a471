// One call after the other on a disk that may stop answering: each is raced against silence and the
// signal. A call of the system cannot be taken back, so the one that lost is left behind, and with it its
// thread: the pool has four for everything that Node does, names of servers included. So a disk is asked
// two things at once at most, whoever asks, and nothing more once it was silent, until its call has come back.

import type { FileHandle } from 'node:fs/promises'
import { SpillwayError } from '../domain/errors.ts'
import { leaveBehind } from '../lib/left-behind.ts'
import { interrupted } from './retry.ts'

/** Runs one call, or a few that belong together. Rejects with SERVER_SILENT or INTERRUPTED. */
export type Step = <T>(work: () => Promise<T>) => Promise<T>

const AT_ONCE = 2

type Waiter = { readonly go: () => void; readonly giveUp: (error: Error) => void }

export class FileSteps {
  readonly #place: string
  readonly #silenceMs: number
  #underWay = 0
  #waiting: Waiter[] = []
  /** Calls that were silent for too long and have not come back. */
  readonly #hanging = new Set<Promise<unknown>>()

  constructor(place: string, silenceMs: number) {
    this.#place = place
    this.#silenceMs = silenceMs
  }

  until(signal: AbortSignal): Step {
    return (work) => this.#run(work, signal)
  }

  async #run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (signal.aborted) throw interrupted()
    if (this.#hanging.size > 0) throw this.#silent()
    if (this.#underWay < AT_ONCE) this.#underWay += 1
    else await this.#turn(signal)
    const step = work()
    const leave = (): void => this.#leave()
    step.then(leave, leave)
    let timer: NodeJS.Timeout | undefined
    let onAbort = (): void => {}
    const end = new Promise<'silent' | 'aborted'>((resolve) => {
      timer = setTimeout(() => resolve('silent'), this.#silenceMs)
      onAbort = () => resolve('aborted')
      signal.addEventListener('abort', onAbort, { once: true })
    })
    try {
      const done = step.then((value) => ({ value }))
      const first = await Promise.race([done, end])
      if (typeof first === 'object') return first.value
      leaveBehind(done)
      if (first === 'aborted') throw interrupted()
      this.#noteHanging(done)
      throw this.#silent()
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** A call has come back: its place goes to who has waited longest. */
  #leave(): void {
    const next = this.#waiting[0]
    if (next === undefined) this.#underWay -= 1
    else next.go()
  }

  /** Resolves with the place of a call that has come back. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => waiter.giveUp(interrupted())
      const end = (): void => {
        signal.removeEventListener('abort', onAbort)
        this.#waiting = this.#waiting.filter((each) => each !== waiter)
      }
      const waiter: Waiter = {
        go: () => {
          end()
          resolve()
        },
        giveUp: (error) => {
          end()
          reject(error)
        },
      }
      this.#waiting.push(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  #noteHanging(step: Promise<unknown>): void {
    for (const { giveUp } of [...this.#waiting]) giveUp(this.#silent())
    this.#hanging.add(step)
    const forget = (): void => void this.#hanging.delete(step)
    step.then(forget, forget)
  }

  #silent(): SpillwayError {
    const what = `${this.#place}: the disk did not answer for ${this.#silenceMs} ms`
    return new SpillwayError('SERVER_SILENT', what, { facts: { code: 'TimeoutError' } })
  }
}

/** Opens, works, closes. An error of `close` is one of the write before it (NFS, quotas). */
export async function withFile<T>(
  step: Step,
  openFile: () => Promise<FileHandle>,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await opened(step, openFile)
  let result: T
  try {
    result = await work(file)
  } catch (error) {
    // Not awaited: after a call that hangs, `close` waits for it.
    leaveBehind(file.close())
    throw error
  }
  await step(() => file.close())
  return result
}

/** An open that comes back when nobody waits for it any more is closed again. */
export async function opened(step: Step, openFile: () => Promise<FileHandle>): Promise<FileHandle> {
  let isWanted = true
  const open = async (): Promise<FileHandle> => {
    const file = await openFile()
    if (!isWanted) await file.close()
    return file
  }
  try {
    return await step(open)
  } catch (error) {
    isWanted = false
    throw error
  }
}
