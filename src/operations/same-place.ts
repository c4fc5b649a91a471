// Whether two entries are one place under two names: an address and its alias, a directory and a link to it, a
// bucket and its mirror. What is deleted under one name is gone under the other, so copies in both are one copy.
//
// Nothing in the settings tells. So an object is put under one name, and looked for under the other.

import { randomBytes } from 'node:crypto'
import { CheckTraces } from './check-traces.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { keyOnServer } from '../domain/archive.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { Storage } from '../storage/storage.ts'

type Opened = { readonly server: Server; readonly storage: Storage }

/**
 * Both servers have shown an object of theirs before. Leaves nothing behind; rejects with the failure of a server,
 * and then nobody knows.
 */
async function isSamePlace(
  [one, other]: readonly [Opened, Opened],
  host: string,
  signal: AbortSignal,
): Promise<boolean> {
  const token = randomBytes(16).toString('hex')
  const name = `spillway-self-test/${host}/${token}-same`
  const key = keyOnServer(one.server.prefix, name)
  const traces = new CheckTraces(one.storage, token)
  const body = async function* () {
    yield Buffer.from('spillway')
  }
  let isSame: boolean
  try {
    await one.storage.putSmall(key, body(), token, signal).catch((error: unknown) => {
      traces.noteFailedObject(key, error)
      throw error
    })
    traces.noteObject(key, undefined)
    isSame = await isSeen(other, name, token, signal)
  } finally {
    await traces.sweep()
  }
  const [left] = traces.leftovers
  if (left === undefined) return isSame
  throw new SpillwayError('SERVER_UNPROVEN', `could not remove ${left} from ${one.server.label}`, {
    hint: 'remove it by hand',
  })
}

async function isSeen(
  { server, storage }: Opened,
  name: string,
  token: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await storage.head(keyOnServer(server.prefix, name), signal))?.token === token
  } catch (error) {
    // A key that may not list gets "denied" for what is not there.
    if (!isFailure(error, 'SERVER_DENIED')) throw error
    return false
  }
}

/** Of the servers of one session: each two are asked once. */
export class SamePlaces {
  readonly #open: (server: Server, signal: AbortSignal) => Promise<Storage>
  readonly #host: string
  readonly #known = new Map<string, Promise<boolean>>()

  constructor(
    pool: { readonly ready: (server: Server, signal: AbortSignal) => Promise<Storage> },
    host: string,
  ) {
    this.#open = (server, signal) => pool.ready(server, signal)
    this.#host = host
  }

  /**
   * Why what lies on `other` is no copy beside that on `one`: SERVER_TWICE, or SERVER_UNPROVEN where it could not be
   * found out. undefined: they are two places. Rejects with INTERRUPTED.
   */
  async whyOne(
    one: Server,
    other: Server,
    signal: AbortSignal,
  ): Promise<SpillwayError | undefined> {
    const [first, second] = one.number < other.number ? [one, other] : [other, one]
    try {
      return (await this.#areOne(first, second, signal)) ? samePlace(first, second) : undefined
    } catch (error) {
      if (!(error instanceof SpillwayError) || isFailure(error, 'INTERRUPTED')) throw error
      const what = `${second.label} may be the same place as ${first.label}, which could not be found out`
      return new SpillwayError('SERVER_UNPROVEN', `${what}: ${messageOf(error)}`, { cause: error })
    }
  }

  #areOne(one: Server, other: Server, signal: AbortSignal): Promise<boolean> {
    const pair: readonly ServerIdentity[] = [one.identity, other.identity]
    const name = pair.join('\n')
    const known = this.#known.get(name) ?? this.#ask(one, other, signal)
    this.#known.set(name, known)
    return known
  }

  async #ask(one: Server, other: Server, signal: AbortSignal): Promise<boolean> {
    const storages = [await this.#open(one, signal), await this.#open(other, signal)] as const
    const opened = [
      { server: one, storage: storages[0] },
      { server: other, storage: storages[1] },
    ] as const
    return isSamePlace(opened, this.#host, signal)
  }
}

function samePlace(one: Server, other: Server): SpillwayError {
  const names = `S3_SERVER_${one.number} and S3_SERVER_${other.number}`
  return new SpillwayError(
    'SERVER_TWICE',
    `${names} are the same place under two names: what lies there is one copy`,
  )
}
