// What happens to one host on one day: people change things, a run goes on and may be killed, other commands follow,
// and now and then somebody, or a disk, harms what lies on a server. Everything is drawn from the seed, the host and
// the day.

import { setMaxListeners } from 'node:events'
import { inProcess } from './process.ts'
import { lies, lostArchives, violationsOf } from './oracle.ts'
import { Life } from './life.ts'
import { ModelStorage } from './model-storage.ts'
import { BUCKET, isSnapshotKey, PART_BYTES_MIN } from './fleet.ts'
import { Book } from './book.ts'
import { CatalogEye } from './catalog-eye.ts'
import type { Random } from './random.ts'
import { run } from '../../src/operations/run.ts'
import { S3Storage } from '../../src/storage/s3-storage.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import { troubled } from './troubled-storage.ts'
import { watchCatalog, watchPacker } from './watch.ts'
import { QUICK } from '../support/quick-limits.ts'
import type { Counts } from './counts.ts'
import type { OpenStorage } from '../../src/operations/server-pool.ts'
import type { ProcessInput, ProcessServices } from './process.ts'
import type { RunReport } from '../../src/domain/run-report.ts'
import type { RunEvent } from '../../src/domain/run-events.ts'
import type { SimHost } from './sim-host.ts'
import { DAY_MS } from './virtual-time.ts'
import type { VirtualTime } from './virtual-time.ts'
import type { Weather } from './fleet.ts'

export type Night = {
  readonly day: number
  /** Nothing goes wrong any more: what was wrong must heal. */
  readonly isCalm: boolean
  readonly random: Random
}

export type ProcessKind = {
  readonly name: string
  /** It may be killed. */
  readonly mayDie: boolean
  /** Only what the weather forbids altogether fails: what it says is then held to be complete. */
  readonly isExact?: boolean
  readonly beforeCatalog?: ProcessInput['beforeCatalog']
  readonly atBegin?: (eye: CatalogEye) => void
  /** Also when it was killed. */
  readonly atEnd?: (eye: CatalogEye) => void
}

// A run asks some 250 steps of catalog, servers and packer; a number beyond them kills nothing.
const STEPS_MAX = 300

// Some days of its story, for whoever has to find out.
const STORY_LINES = 120

// Well enough that a command is answered, apart from mishaps.
const ANSWERING: ReadonlySet<Weather> = new Set(['well', 'full', 'keeps all'])

export class Inhabitant {
  readonly host: SimHost
  readonly book: Book
  readonly story: string[] = []
  readonly violations: string[] = []
  catalog: 'known' | 'lost' = 'known'
  readonly strangers = new Set<string>()
  readonly orphans = new Set<string>()
  readonly #time: VirtualTime
  readonly #counts: Counts

  constructor(host: SimHost, time: VirtualTime, counts: Counts) {
    this.host = host
    this.book = new Book(host)
    this.#time = time
    this.#counts = counts
  }

  tell(line: string): void {
    this.story.push(line)
    if (this.story.length > STORY_LINES) this.story.shift()
  }

  violation(what: string): void {
    this.violations.push(what)
    this.tell(`VIOLATION: ${what}`)
  }

  /** One process of Spillway; undefined when it was killed or failed, which is told and looked into. */
  async process<Result>(
    kind: ProcessKind,
    { random, isCalm }: Night,
    work: (services: ProcessServices, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result | undefined> {
    const dies = kind.mayDie && !isCalm && random.chance(0.08)
    const life = new Life(dies ? random.between(1, STEPS_MAX) : undefined)
    this.tell(`${kind.name} begins`)
    let eye: CatalogEye | undefined
    // One of its own: a command that was killed goes on listening. As many listeners as `watchSignals` allows.
    const { signal } = new AbortController()
    setMaxListeners(1_000, signal)
    const watch = {
      ...this,
      host: this.host,
      book: this.book,
      violation: (what: string) => this.violation(what),
    }
    try {
      const result = await inProcess(
        {
          envFile: this.host.envFile,
          life,
          openStorage: this.#openStorage(kind, random, isCalm),
          onEvent: (event) => this.#hear(event),
          watchCatalog: (catalog, config) => {
            eye = new CatalogEye(config.catalogPath, this.host.name)
            kind.atBegin?.(eye)
            return watchCatalog(watch, catalog, eye)
          },
          watchPacker: (packer) => watchPacker(watch, packer),
          atEnd: () => {
            for (const { server } of this.host.entries) server.bringOut(this.host.name)
            for (const what of violationsOf(this, eye!)) this.violation(what)
            kind.atEnd?.(eye!)
            this.#lookAtFuture(eye!)
            eye!.close()
          },
          ...(kind.beforeCatalog === undefined ? {} : { beforeCatalog: kind.beforeCatalog }),
        },
        (services) => work(services, signal),
      )
      if (result !== 'died') return result
      this.#counts.crashes += 1
      this.tell(`${kind.name} is killed ${life.diedAt}`)
    } catch (error) {
      this.#counts.failedCommands += 1
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      if (!(error instanceof SpillwayError)) this.violation(`${kind.name} ends with a bug: ${text}`)
      else if (isCalm) this.violation(`${kind.name} fails although all is well: ${error.message}`)
      else this.tell(`${kind.name} fails with ${error.code}: ${error.message}`)
    } finally {
      if (eye === undefined) for (const what of lostArchives(this, undefined)) this.violation(what)
    }
    return undefined
  }

  async run(night: Night): Promise<void> {
    let waitingBefore: readonly string[] = []
    let report: RunReport | undefined
    const kind: ProcessKind = {
      name: 'run',
      mayDie: true,
      atBegin: (eye) => {
        waitingBefore = eye.waiting(this.host).map(({ id }) => id)
      },
      atEnd: (eye) => {
        if (report === undefined || this.catalog === 'lost') return
        for (const what of lies(this, { report, waitingBefore }, eye)) this.violation(what)
      },
    }
    await this.process(kind, night, async (services, signal) => {
      report = await run(services, { sourceNames: [] }, signal)
    })
    if (report === undefined) return
    this.#counts.noteRun(report)
    const told = report.sources.map(({ name, outcome, code }) => `${name} ${outcome} ${code ?? ''}`)
    this.tell(`run ends with ${report.exit}: ${told.join(', ')} ${report.warnings.join(' | ')}`)
    for (const { source, reason } of report.retention.held) this.tell(`${source} held: ${reason}`)
    this.lastReport = report
  }

  /** Ids of archives that were begun after now, and are not pinned. */
  fromTheFuture: readonly string[] = []
  lastReport: RunReport | undefined

  #lookAtFuture(eye: CatalogEye): void {
    const latestMs = this.#time.nowMs - this.host.clockOffsetMs + DAY_MS / 2
    const latest = new Date(latestMs).toISOString()
    this.fromTheFuture = eye
      .archives()
      .filter(({ startedAt, isPinned }) => isPinned === 0 && startedAt > latest)
      .map(({ id }) => id)
  }

  #openStorage(kind: ProcessKind, random: Random, isCalm: boolean): OpenStorage {
    const { host } = this
    // One night of some is sent by the real client over HTTP, to the same stores.
    const isOverHttp = !isCalm && host.clockOffsetMs === 0 && random.chance(0.01)
    if (isOverHttp) this.#counts.overHttp += 1
    return (server) => {
      const entry = host.entryOf(server.identity)
      if (entry === undefined || server.kind !== 's3') throw new Error(`no server ${server.label}`)
      const { model, weather } = entry.server
      const limits = {
        ...{ partsMax: 1_000, partBytesMin: PART_BYTES_MIN, partBytesDefault: 8_192 },
        partsAtOnce: 3,
      }
      const storage = isOverHttp
        ? new S3Storage(server, { ...NO_PROXY, limits: QUICK.network! })
        : new ModelStorage({
            ...{ store: model.store, bucket: BUCKET, limits },
            clockOffsetMs: () => -host.clockOffsetMs,
            abortOfNone: entry.server.abortOfNone,
          })
      return troubled(storage, {
        ...{ server: entry.server, host: host.name, random },
        isOn: !isCalm && !(kind.isExact === true && ANSWERING.has(weather)),
        hasWrongKeys: host.hasWrongKeys && !isCalm,
        onTrouble: (what) => {
          this.#counts.troubles += 1
          this.tell(`  ${what}`)
        },
        onForeignKey: (what) => this.violation(what),
      })
    }
  }

  #hear(event: RunEvent): void {
    if (CHATTER.has(event.kind)) return
    const words = Object.values(event).filter((value) => value !== undefined && value !== 0)
    this.tell(`  ${words.map((word) => String(word).slice(0, TOLD_CHARACTERS)).join(', ')}`)
  }

  /** Somebody, or a disk: one object of this host, of those that rows call stored. */
  harm(random: Random): void {
    const { server } = random.pick(this.host.entries)
    const keys = [...server.objectsOf(this.host.name).keys()].filter(
      (key) => !server.harmed.has(key),
    )
    if (keys.length === 0) return
    const key = random.pick(keys)
    // Of copies of the catalog, only rot and loss: what else lies there is never looked at.
    const harm = random.pick(isSnapshotKey(key) ? (['rot', 'vanish'] as const) : HARMS)
    server.harm(key, harm, random)
    this.#counts.harms += 1
    this.tell(`${harm} of ${key} on ${server.name}`)
    const places = this.book.places()
    for (const entry of this.book.entries.values())
      if (
        entry.releasedBecause === undefined &&
        !places.has(entry.id) &&
        !this.book.isInSpool(entry)
      )
        entry.releasedBecause = 'the soak destroyed its last copy'
  }
}

const CHATTER: ReadonlySet<string> = new Set<RunEvent['kind']>([
  ...(['uploading', 'upload-started', 'source-started', 'packing', 'packed', 'run-ended'] as const),
])

// Of one value of an event: a message says in its beginning what it is about.
const TOLD_CHARACTERS = 150

const HARMS = ['rot', 'rot', 'vanish', 'overwrite'] as const

const NO_PROXY = { proxy: { httpsProxy: undefined, noProxy: undefined }, rateLimit: undefined }
