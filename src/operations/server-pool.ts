// The servers of one run: their open connections, and what this run has found out about them.
//
// A server that turned out dead or misconfigured is not asked again in the same run; the next run
// asks all of them again, since what was wrong may have been mended on the other side.

import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { archiveNameIn, keyOnServer } from '../domain/archive.ts'
import { isRecent } from '../domain/recent.ts'
import { formatBytes } from '../domain/sizes.ts'
import { addListed } from './listed-bytes.ts'
import { LAST_RUN_ELSEWHERE } from './data-machine.ts'
import { CLOCK_TOLERANCE_MS } from '../domain/retention.ts'
import type { Catalog, ServerRow } from '../catalog/catalog.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { Storage } from '../storage/storage.ts'

// Less than a day, so that every nightly run counts anew what other hosts put there; more than what
// lies between runs by hand.
const LISTED_FOR_MS = 20 * 60 * 60 * 1_000

export type OpenStorage = (server: Server, isKnown: boolean) => Storage

type PoolInput = {
  readonly servers: readonly Server[]
  readonly catalog: Catalog
  readonly host: string
  /** Asked once a server is used: loading what talks to servers takes as long as packing 50 MB. */
  readonly openStorage: () => Promise<OpenStorage>
  /** The last run with this catalog was on another machine, which may go on beside this one. */
  readonly isMoved?: boolean
}

export class ServerPool {
  /** Enabled ones, in numeric order. */
  readonly servers: readonly Server[]
  /** Servers hold archives of this host that the catalog does not know: it may be a new one. */
  hasStrangers = false
  readonly #warnings: string[] = []
  readonly #catalog: Catalog
  readonly #host: string
  readonly #openStorage: () => Promise<OpenStorage>
  readonly #isMoved: boolean
  readonly #storages = new Map<ServerIdentity, Storage>()
  readonly #ready = new Map<ServerIdentity, Promise<Storage>>()
  readonly #down = new Map<ServerIdentity, unknown>()

  /** Disabled ones, too: that word says only that nothing new goes there. */
  static ofAll(input: PoolInput): ServerPool {
    const servers = input.servers.map((server) => ({ ...server, isEnabled: true }))
    return new ServerPool({ ...input, servers })
  }

  constructor(input: PoolInput) {
    this.servers = input.servers.filter((server) => server.isEnabled)
    this.#catalog = input.catalog
    this.#host = input.host
    this.#openStorage = input.openStorage
    this.#isMoved = input.isMoved ?? false
    if (this.#isMoved) this.#warnings.push(MOVED)
  }

  /** For the report: what is wrong with a server and stops nothing. */
  get warnings(): readonly string[] {
    const found = this.servers.flatMap((server) => {
      const storage = this.#storages.get(server.identity)
      const shortfalls = storage?.shortfalls?.() ?? []
      const offsetMs = storage?.clockOffsetMs?.() ?? 0
      return [
        ...shortfalls.map((what) => `${server.label} ${what}`),
        ...(Math.abs(offsetMs) > CLOCK_TOLERANCE_MS ? [clockDiffers(server, offsetMs)] : []),
      ]
    })
    return [...this.#warnings, ...found]
  }

  /**
   * Why rules must not delete anything now; undefined: nothing is known that speaks against it. A second machine, or a
   * newer catalog, may rely on what this catalog would delete; and what it has pinned, this one does not know.
   */
  get retentionDoubt(): string | undefined {
    if (this.hasStrangers)
      return 'servers hold archives of this host that its catalog does not know'
    if (this.#isMoved) return LAST_RUN_ELSEWHERE
    return undefined
  }

  /** The failure that took this server out of the run; undefined while it may be asked. */
  downBecause(server: Server): unknown {
    return this.#down.get(server.identity)
  }

  /**
   * A storage that may be used. Before the first use of a server in a run it is prepared, and before
   * its first use ever, and again once a day, it is listed, so that what others put there counts
   * against its limit. While the catalog may be new in the place of a lost one, every run lists it, and
   * so says and does what the first one did.
   */
  ready(server: Server, signal: AbortSignal): Promise<Storage> {
    const { identity } = server
    const begun = this.#ready.get(identity)
    if (begun !== undefined) return begun
    const ready = this.#prepare(server, signal)
    this.#ready.set(identity, ready)
    // Also two archives that come at once ask once; whoever comes after a failure asks again.
    ready.catch(() => this.#ready.delete(identity))
    return ready
  }

  /** Takes note of how an attempt went: the run's memory, and `status`. */
  async settle(server: Server, error: unknown): Promise<void> {
    const says = error === undefined ? 'alive' : failureOf(error).server
    if (says === undefined) return
    if (says === 'dead' || says === 'misconfigured') this.#down.set(server.identity, error)
    const health = says === 'failed' ? 'alive' : says
    const reason = error === undefined ? undefined : messageOf(error)
    await this.#catalog.setHealth(server.identity, health, reason, new Date())
  }

  close(): void {
    for (const storage of this.#storages.values()) storage.close()
    this.#storages.clear()
  }

  async #prepare(server: Server, signal: AbortSignal): Promise<Storage> {
    const row = await this.#rowOf(server)
    const known = row?.listedAt !== undefined
    const open = await this.#openStorage()
    const storage = this.#storages.get(server.identity) ?? open(server, known)
    this.#storages.set(server.identity, storage)
    await storage.prepare(signal)
    const isKnown = isRecent(row?.listedAt, LISTED_FOR_MS, Date.now()) && !this.#isMoved
    if (!isKnown || (await this.#hasNoCopies())) await this.#list({ server, storage, row }, signal)
    return storage
  }

  /** Without `listedAt`: never used before. */
  async #rowOf(server: Server): Promise<ServerRow | undefined> {
    const rows = await this.#catalog.servers()
    return rows.find((row) => row.identity === server.identity)
  }

  /** The catalog lies nowhere yet: none but a new one is so for long. */
  async #hasNoCopies(): Promise<boolean> {
    return (await this.#catalog.snapshots()).length === 0
  }

  async #list({ server, storage, row }: Listed, signal: AbortSignal): Promise<void> {
    const ours = await this.#catalog.keysOn(server.identity)
    const unknown = new UnknownArchives(this.#catalog, server, this.#host)
    let otherBytes = 0
    let listedAt: Date | undefined
    try {
      for await (const object of storage.list(keyOnServer(server.prefix, ''), signal)) {
        const isOurs = ours.has(object.key)
        // Somebody's, or what somebody wrote over ours beyond what its row counts.
        const counted = ours.get(object.key) ?? (isOurs ? object.sizeBytes : 0)
        const sizeBytes = Math.max(0, object.sizeBytes - counted)
        otherBytes = addListed(otherBytes, { ...object, sizeBytes }, server)
        if (!isOurs) await unknown.look(object.key)
      }
    } catch (error) {
      // A key without the right to list still works for archives: only the others' bytes there stay
      // unknown, and that is said. Anything else is what the upload would meet, too.
      if (!isFailure(error, 'SERVER_DENIED')) throw error
      otherBytes = Math.max(otherBytes, row?.otherBytes ?? 0)
      // Of bytes that are known from before, the next run asks and tells again.
      if (otherBytes > 0) listedAt = row?.listedAt
      this.#warnings.push(
        `${server.label} may not be listed with this key: ${howCounted(otherBytes)}`,
      )
    }
    // Until they are taken in, each run looks again: what hangs on it hangs on it for every run.
    if (unknown.count > 0) listedAt = new Date(Date.now() - LISTED_FOR_MS)
    await this.#catalog.setOtherBytes(server.identity, otherBytes, listedAt ?? new Date())
    if (unknown.count === 0) return
    this.hasStrangers = true
    this.#warnings.push(unknown.tell())
  }
}

const MOVED =
  'the last run with this DATA_DIR was on another machine (/etc/machine-id differs): retention deletes nothing in this run; ' +
  'if that machine goes on, give one of them another SERVER_ID'

export function clockDiffers({ label }: Pick<Server, 'label'>, offsetMs: number): string {
  const minutes = Math.round(Math.abs(offsetMs) / 60_000)
  const way = offsetMs > 0 ? 'behind' : 'ahead of'
  return `the clock of this machine is ${minutes} min ${way} that of ${label}`
}

type Listed = {
  readonly server: Server
  readonly storage: Storage
  readonly row: ServerRow | undefined
}

function howCounted(otherBytes: number): string {
  const others = 'what others put there'
  if (otherBytes === 0) return `${others} does not count against its limit`
  return `${others} counts against its limit as it was last seen, with ${formatBytes(otherBytes)}`
}

/**
 * Counts archives of this host that no row names: after the loss of a catalog the next run makes a new one
 * and all looks well, but nothing finds, keeps or prunes what was there before.
 */
class UnknownArchives {
  count = 0
  readonly #catalog: Catalog
  readonly #server: Server
  readonly #host: string
  #known: ReadonlySet<string> | undefined

  constructor(catalog: Catalog, server: Server, host: string) {
    this.#catalog = catalog
    this.#server = server
    this.#host = host
  }

  async look(key: string): Promise<void> {
    const name = archiveNameIn(this.#server, key)
    if (name?.host !== this.#host) return
    // Also what was deleted once: its deletion may not have been confirmed yet.
    this.#known ??= await this.#catalog.archiveKeys()
    if (!this.#known.has(name.key)) this.count += 1
  }

  tell(): string {
    const what = this.count === 1 ? '1 archive' : `${this.count} archives`
    const holds = `${this.#server.label} holds ${what} of ${this.#host} that this catalog does not know`
    const back =
      'bring it back: move the new catalog away first (DATA_DIR/catalog.db*), then "spillway reconcile --rebuild"'
    return (
      `${holds}: if another machine has this SERVER_ID, give one of them another; ` +
      `if the catalog was lost, ${back}; else take them in with "spillway reconcile --adopt"`
    )
  }
}

/** The word for the journal: the server's or the system's own where there is one. */
export function journalCode(error: unknown): string {
  if (!(error instanceof SpillwayError)) return error instanceof Error ? error.name : 'Error'
  const code = error.facts['code']
  return typeof code === 'string' ? code : error.code
}
