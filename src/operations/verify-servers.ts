// The servers of one verification: each is opened and prepared once, when its first copy is asked for.

import type { Server, ServerIdentity } from '../domain/server.ts'
import type { Storage } from '../storage/storage.ts'
import type { OpenStorage } from './server-pool.ts'

export class VerifyServers {
  readonly #openStorage: () => Promise<OpenStorage>
  readonly #ready = new Map<ServerIdentity, Promise<Storage>>()
  readonly #open: Storage[] = []

  constructor(openStorage: () => Promise<OpenStorage>) {
    this.#openStorage = openStorage
  }

  /** A server that was not ready is not tried again: all its copies get the one reason. */
  readonly storageOf = (server: Server, signal: AbortSignal): Promise<Storage> => {
    const known = this.#ready.get(server.identity)
    if (known !== undefined) return known
    const ready = this.#prepare(server, signal)
    this.#ready.set(server.identity, ready)
    return ready
  }

  close(): void {
    for (const storage of this.#open.splice(0)) storage.close()
  }

  async #prepare(server: Server, signal: AbortSignal): Promise<Storage> {
    const open = await this.#openStorage()
    // It holds copies of ours, so it is known: an empty disk in its place must not pass for it.
    const storage = open(server, true)
    this.#open.push(storage)
    await storage.prepare(signal)
    return storage
  }
}
