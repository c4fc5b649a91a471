// Starts the thread that answers questions about the whole catalog, when one is asked.

import { Worker } from 'node:worker_threads'
import { SpillwayError } from './domain/errors.ts'
import { workerUrl } from './lib/worker.ts'
import type { AnswerMessage, CatalogQuestions } from './operations/catalog-questions.ts'
import type { QuestionMessage } from './operations/catalog-questions.ts'
import type { Status } from './operations/status.ts'

// A page that is open asks every few seconds; when nobody asks, its memory goes back.
const IDLE_MS = 60_000

type Waiting = {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
}

export function createCatalogQuestions(): CatalogQuestions {
  const desk = new Desk()
  return {
    status: (config, now) =>
      desk.ask({ question: 'status', config, sources: [], now }) as Promise<Status>,
    prunePlan: (config, sources, now) => desk.ask({ question: 'prunePlan', config, sources, now }),
    close: () => desk.close(),
  }
}

class Desk {
  #worker: Worker | undefined
  #ended: Promise<void> = Promise.resolve()
  #idle: NodeJS.Timeout | undefined
  #waiting = new Map<number, Waiting>()
  #last = 0

  async ask(asked: Omit<Exclude<QuestionMessage, { question: 'close' }>, 'id'>): Promise<unknown> {
    clearTimeout(this.#idle)
    const worker = (this.#worker ??= this.#start())
    const id = (this.#last += 1)
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      worker.postMessage({ id, ...asked })
    })
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    this.#worker?.postMessage({ question: 'close' })
    this.#worker = undefined
    await this.#ended
  }

  #start(): Worker {
    const worker = new Worker(workerUrl('question-worker'))
    const waiting = (this.#waiting = new Map<number, Waiting>())
    const failAll = (error: unknown): void => {
      if (this.#worker === worker) this.#worker = undefined
      for (const { reject } of waiting.values()) reject(error)
      waiting.clear()
    }
    worker.on('message', (reply: AnswerMessage) => {
      const asker = waiting.get(reply.id)
      waiting.delete(reply.id)
      if ('answer' in reply) asker?.resolve(reply.answer)
      else asker?.reject(errorOf(reply.failure))
      if (waiting.size > 0) return
      clearTimeout(this.#idle)
      this.#idle = setTimeout(() => void this.close(), IDLE_MS).unref()
    })
    worker.on('error', failAll)
    this.#ended = new Promise((resolve) => {
      worker.on('exit', () => {
        failAll(new Error('the thread that reads the catalog ended'))
        resolve()
      })
    })
    return worker
  }
}

function errorOf(failure: Extract<AnswerMessage, { failure: unknown }>['failure']): Error {
  const { code, message, hint } = failure
  if (code === undefined) return new Error(message)
  return new SpillwayError(code, message, hint === undefined ? {} : { hint })
}
