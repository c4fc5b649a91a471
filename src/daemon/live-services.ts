// The services with the settings and the catalog as they are now: the env file is read again when it, or a file that
// it names, has changed, and the catalog opened anew when another file is in its place. While they are wrong, what is shown and the schedule go by the settings of before, and `status` says what is wrong; runs are
// processes that read the file themselves, and fail.

import { statSync } from 'node:fs'
import { messageOf } from '../domain/errors.ts'
import type { DaemonServices } from './route.ts'
import type { Services } from '../operations/services.ts'

type Opened = Services & {
  readonly close: () => Promise<void>
  /** With secrets that the settings name, and their key. */
  readonly settingsFiles?: readonly string[]
}

// What is wrong may be mended without touching the file: a key is put back, a secret's file is made. To read it
// again takes some milliseconds.
const TRY_AGAIN_EVERY_MS = 5_000

export class LiveServices {
  readonly #open: () => Promise<Opened>
  readonly #log: (line: string) => void
  /** Absolute; it need not be there yet. undefined: the environment says all. */
  readonly #envFile: string | undefined
  #current: Opened
  /** Requests that began before the settings changed may still use them. */
  #before: Opened | undefined
  readonly #nowMs: () => number
  #mark: string
  /** Which file was last seen in the catalog's place; undefined: none yet. */
  #catalogFile: string | undefined
  #triedAtMs = 0
  #problem: string | undefined
  #changing: Promise<void> = Promise.resolve()

  constructor(
    first: Opened,
    open: () => Promise<Opened>,
    log: (line: string) => void,
    envFile = first.config.envFile,
    nowMs = (): number => performance.now(),
  ) {
    this.#nowMs = nowMs
    this.#envFile = envFile
    this.#current = first
    this.#open = open
    this.#log = log
    this.#mark = this.#markOf()
  }

  readonly get = async (): Promise<DaemonServices> => {
    if (this.#isDue()) this.#changing = this.#changing.then(() => this.#change())
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

  #isDue(): boolean {
    if (this.#markOf() !== this.#mark) return true
    if (this.#problem === undefined) return this.#isOtherCatalog()
    return this.#nowMs() - this.#triedAtMs >= TRY_AGAIN_EVERY_MS
  }

  async #change(): Promise<void> {
    // Several asked at once, and the first of them did it.
    if (!this.#isDue()) return
    const isOther = this.#isOtherCatalog()
    const what = isOther ? 'the catalog is another file, and was opened anew' : READ_AGAIN
    this.#mark = this.#markOf()
    this.#triedAtMs = this.#nowMs()
    try {
      const opened = await this.#open()
      await this.#before?.close()
      this.#before = this.#current
      this.#current = opened
      this.#problem = undefined
      this.#catalogFile = undefined
      // It may name other files now.
      if (String(opened.settingsFiles) !== String(this.#before.settingsFiles))
        this.#mark = this.#markOf()
      this.#log(what)
    } catch (error) {
      const problem = messageOf(error)
      if (problem === this.#problem) return
      this.#problem = problem
      this.#log(
        'the settings are wrong, and runs fail until they are mended; what is shown, and the schedule, ' +
          `go by the ones of before: ${problem}`,
      )
    }
  }

  /** While none is in its place there is nothing to open. */
  #isOtherCatalog(): boolean {
    const now = fileAt(this.#current.config.catalogPath)
    if (now === undefined) return false
    this.#catalogFile ??= now
    return this.#catalogFile !== now
  }

  #markOf(): string {
    const named = this.#current.settingsFiles ?? []
    return [...(this.#envFile === undefined ? [] : [this.#envFile]), ...named]
      .map(markOf)
      .join(', ')
  }
}

const READ_AGAIN = 'the settings were read again'

function fileAt(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev} ${ino}`
  } catch {
    // Gone, or out of reach: whoever asks the catalog hears of it.
    return undefined
  }
}

function markOf(path: string): string {
  try {
    const { ino, size, mode, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    // `chmod` changes neither size nor mtime.
    return [ino, size, mode, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable'
  }
}
