// What the self-test of a server lays down there, or may have laid down, and how it is taken away again,
// also after a failure or Ctrl-C. What cannot be is told.

import { failureOf, isFailure, messageOf } from '../domain/errors.ts'
import type { OpenUpload, Storage } from '../storage/storage.ts'

// Cleaning up must not hold the user longer than the test itself.
const SWEEP_MS = 10_000

export class CheckTraces {
  readonly #storage: Storage
  readonly #token: string
  /** Begun, and neither completed nor aborted. */
  readonly #uploads = new Set<OpenUpload>()
  /** Keys of uploads that may have been begun: nobody knows their ids. */
  readonly #lostUploads = new Set<string>()
  /** What may be there, with its version where that is known. */
  readonly #objects = new Map<string, string | undefined>()
  readonly #leftovers: string[] = []

  constructor(storage: Storage, token: string) {
    this.#storage = storage
    this.#token = token
  }

  get leftovers(): readonly string[] {
    return this.#leftovers
  }

  get objects(): ReadonlyMap<string, string | undefined> {
    return this.#objects
  }

  async begin(key: string, signal: AbortSignal): Promise<OpenUpload> {
    try {
      const upload = await this.#storage.begin({ key, token: this.#token }, signal)
      this.#uploads.add(upload)
      return upload
    } catch (error) {
      if (isDoubtful(error)) this.#lostUploads.add(key)
      throw error
    }
  }

  /** Completed, or aborted. */
  noteEnded(upload: OpenUpload): void {
    this.#uploads.delete(upload)
  }

  noteObject(key: string, versionId: string | undefined): void {
    this.#objects.set(key, versionId)
  }

  /** Of what failed to be stored: it may be there all the same. */
  noteFailedObject(key: string, error: unknown): void {
    if (isDoubtful(error)) this.#objects.set(key, undefined)
  }

  noteRemoved(key: string): void {
    this.#objects.delete(key)
  }

  async sweep(): Promise<void> {
    for (const upload of this.#uploads)
      await this.#clear(`an unfinished upload of ${upload.key}`, (signal) =>
        this.#storage.abort(upload, signal),
      )
    for (const key of this.#lostUploads)
      await this.#clear(`what may be an unfinished upload of ${key}`, (signal) =>
        this.#abortLost(key, signal),
      )
    for (const [key, versionId] of this.#objects)
      await this.#clear(key, async (signal) => {
        // Where there are versions, deleting without one only hides the object.
        const known = versionId ?? (await this.#storage.head(key, signal).catch(none))?.versionId
        await this.#storage.remove(key, known, signal)
      })
  }

  async #abortLost(lostKey: string, signal: AbortSignal): Promise<void> {
    for await (const upload of this.#storage.listUploads(lostKey, signal))
      await this.#storage.abort({ ...upload, token: this.#token }, signal)
  }

  async #clear(what: string, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const signal = AbortSignal.timeout(SWEEP_MS)
    try {
      await work(signal)
    } catch (error) {
      const why = signal.aborted ? `no answer in ${SWEEP_MS / 1_000} s` : messageOf(error)
      this.#leftovers.push(`${what} (${why})`)
    }
  }
}

/** It may have been done all the same: the answer was lost, or nobody waited for it. */
function isDoubtful(error: unknown): boolean {
  if (isFailure(error, 'SERVER_UNREACHABLE')) return false
  return (
    failureOf(error).server === 'dead' ||
    isFailure(error, 'SERVER_UNPROVEN', 'SERVER_NOT_S3', 'INTERRUPTED')
  )
}

function none(): undefined {
  return undefined
}
