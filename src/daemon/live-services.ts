// The services with the settings as they are now: the env file is read again when it has changed. A file that
// is wrong changes nothing: what was good goes on, and `status` says what is wrong.

import { statSync } from 'node:fs'
import { messageOf } from '../domain/errors.ts'
import type { DaemonServices } from './route.ts'
import type { Services } from '../operations/services.ts'

type Opened = Services & { readonly close: () => Promise<void> }

export class LiveServices {
  readonly #open: () => Promise<Opened>
  readonly #log: (line: string) => void
  /** Absolute; it need not be there yet. undefined: the environment says all. */
  readonly #envFile: string | undefined
  #current: Opened
  /** Requests that began before the settings changed may still use them. */
  #before: Opened | undefined
  #mark: string
  #problem: string | undefined
  #changing: Promise<void> = Promise.resolve()

  constructor(
    first: Opened,
    open: () => Promise<Opened>,
    log: (line: string) => void,
    envFile = first.config.envFile,
  ) {
    this.#envFile = envFile
    this.#current = first
    this.#open = open
    this.#log = log
    this.#mark = this.#markOf()
  }

  readonly get = async (): Promise<DaemonServices> => {
    if (this.#markOf() !== this.#mark) this.#changing = this.#changing.then(() => this.#change())
    await this.#changing
    return { ...this.#current, configProblem: this.#problem }
  }

  /** Also where the file looks as it did: clocks are coarse, and numbers of files come back. */
  async reload(): Promise<void> {
    this.#mark = 'unread'
    await this.get()
  }

  async close(): Promise<void> {
    await this.#before?.close()
    await this.#current.close()
  }

  async #change(): Promise<void> {
    const mark = this.#markOf()
    if (mark === this.#mark) return
    this.#mark = mark
    try {
      const opened = await this.#open()
      await this.#before?.close()
      this.#before = this.#current
      this.#current = opened
      this.#problem = undefined
      this.#log('the settings were read again')
    } catch (error) {
      this.#problem = messageOf(error)
      this.#log(`the changed settings are wrong, so the old ones stay: ${this.#problem}`)
    }
  }

  #markOf(): string {
    if (this.#envFile === undefined) return ''
    const stats = statSync(this.#envFile, { throwIfNoEntry: false, bigint: true })
    return stats === undefined ? 'gone' : `${stats.ino} ${stats.size} ${stats.mtimeNs}`
  }
}
