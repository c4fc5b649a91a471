// The connectivity self-test of one server: every permission that the nightly job needs is proved by
// using it, and every trace is removed again. Used by `self-test` and by the wizard.

import { createHash, randomBytes } from 'node:crypto'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { CheckTraces } from './check-traces.ts'
import { isProvenBy } from '../storage/storage.ts'
import { keyOnServer } from '../domain/archive.ts'
import type { OpenUpload, PartBody, PartReceipt, Storage } from '../storage/storage.ts'
import type { Server } from '../domain/server.ts'

export type Check = {
  /** What it stands for: `put`, `multipart`, `head`, `read`, `list`, `abort`, `delete`. */
  readonly name: CheckName
  readonly needed: string
  readonly outcome: 'ok' | 'failed' | 'skipped'
  readonly message: string | undefined
  readonly hint: string | undefined
  readonly seconds: number
}

export type CheckName = (typeof CHECKS)[number]['name']

export type ServerCheck = {
  readonly checks: readonly Check[]
  /** The nightly job could store an archive there. */
  readonly isUsable: boolean
  /** Time of the quickest small request. */
  readonly latencyMs: number | undefined
  readonly bytesPerSecond: number | undefined
  /** Server's clock minus ours, to about a second. */
  readonly clockSkewSeconds: number | undefined
  /** Left on the server because it could not be removed. */
  readonly leftovers: readonly string[]
  /** What was asked of it and it does not do, each as `does not ...`. */
  readonly shortfalls: readonly string[]
}

// In the order in which they run. `isVital`: without it no archive can be stored.
const CHECKS = [
  { name: 'connect', needed: 'reach the server', isVital: true },
  { name: 'multipart', needed: 'store archives', isVital: true },
  { name: 'head', needed: 'prove that an archive is stored', isVital: true },
  { name: 'read', needed: 'restore', isVital: false },
  { name: 'put', needed: 'store small objects', isVital: false },
  { name: 'list', needed: 'count what others put there against the limit', isVital: false },
  { name: 'abort', needed: 'give up unfinished uploads', isVital: false },
  { name: 'delete', needed: 'apply retention', isVital: false },
] as const

// The smallest part but the last is 5 MiB everywhere; with the byte after it there are two parts.
const FIRST_PART_BYTES = 5 * 1024 * 1024
const LAST_PART_BYTES = 1_024

/** What the test lays down for a moment: it must fit under the limit, too. */
export const CHECK_BYTES = FIRST_PART_BYTES + LAST_PART_BYTES

export async function checkServer(
  input: {
    readonly server: Server
    readonly storage: Storage
    readonly serverId: string
    /** Bytes that may still be put there; with less than CHECK_BYTES a single small part is sent. */
    readonly spareBytes: number
  },
  signal: AbortSignal,
): Promise<ServerCheck> {
  const test = new ServerTest(input, signal)
  await test.run()
  return test.result()
}

class ServerTest {
  readonly #storage: Storage
  readonly #signal: AbortSignal
  readonly #token = randomBytes(16).toString('hex')
  readonly #key: string
  readonly #parts: readonly Buffer[]
  readonly #checks: Check[] = []
  readonly #traces: CheckTraces
  #latencyMs: number | undefined
  #bytesPerSecond: number | undefined
  #clockSkewSeconds: number | undefined
  /** Where the server stopped answering. */
  #goneAt: CheckName | undefined

  constructor(
    input: { server: Server; storage: Storage; serverId: string; spareBytes: number },
    signal: AbortSignal,
  ) {
    this.#storage = input.storage
    this.#signal = signal
    this.#traces = new CheckTraces(input.storage, this.#token)
    this.#key = keyOnServer(
      input.server.prefix,
      `spillway-self-test/${input.serverId}/${this.#token}`,
    )
    const sizes =
      input.spareBytes >= CHECK_BYTES ? [FIRST_PART_BYTES, LAST_PART_BYTES] : [LAST_PART_BYTES]
    this.#parts = sizes.map((size) => randomBytes(size))
  }

  async run(): Promise<void> {
    const steps: Record<CheckName, () => Promise<string | undefined>> = {
      connect: () => this.#connect(),
      multipart: () => this.#multipart(),
      head: () => this.#head(),
      read: () => this.#read(),
      put: () => this.#put(),
      list: () => this.#list(),
      abort: () => this.#abort(),
      delete: () => this.#delete(),
    }
    try {
      for (const { name, needed } of CHECKS) await this.#step(name, needed, steps[name])
    } finally {
      await this.#traces.sweep()
    }
  }

  result(): ServerCheck {
    const isOk = (name: CheckName) =>
      this.#checks.some((check) => check.name === name && check.outcome === 'ok')
    return {
      checks: this.#checks,
      isUsable: CHECKS.every(({ name, isVital }) => !isVital || isOk(name)),
      latencyMs: this.#latencyMs,
      bytesPerSecond: this.#bytesPerSecond,
      clockSkewSeconds: this.#clockSkewSeconds,
      leftovers: this.#traces.leftovers,
      shortfalls: this.#storage.shortfalls?.() ?? [],
    }
  }

  async #step(
    name: CheckName,
    needed: string,
    work: () => Promise<string | undefined>,
  ): Promise<void> {
    // What needs a server that is gone, or an object that was not stored, would only repeat why.
    const hopeless =
      this.#goneAt ??
      (USES_OBJECT.has(name) && this.#hasFailed('multipart') ? 'multipart' : undefined)
    if (hopeless !== undefined) {
      const message = `not tried: "${hopeless}" failed`
      this.#checks.push({ name, needed, outcome: 'skipped', message, hint: undefined, seconds: 0 })
      return
    }
    const begun = performance.now()
    const seconds = () => (performance.now() - begun) / 1_000
    try {
      const message = await work()
      this.#checks.push({
        name,
        needed,
        outcome: 'ok',
        message,
        hint: undefined,
        seconds: seconds(),
      })
    } catch (error) {
      if (isFailure(error, 'INTERRUPTED')) throw error
      const hint = error instanceof SpillwayError ? error.hint : undefined
      this.#checks.push({
        name,
        needed,
        outcome: 'failed',
        message: messageOf(error),
        hint,
        seconds: seconds(),
      })
      if (name === 'connect' || endsTest(error)) this.#goneAt = name
    }
  }

  #hasFailed(name: CheckName): boolean {
    return this.#checks.some((check) => check.name === name && check.outcome === 'failed')
  }

  async #connect(): Promise<undefined> {
    await this.#storage.prepare(this.#signal)
    const begun = performance.now()
    await this.#storage.head(`${this.#key}-absent`, this.#signal).catch((error: unknown) => {
      // A key that may not look at absent objects gets "denied" for them: the server was reached.
      if (!isFailure(error, 'SERVER_DENIED')) throw error
    })
    this.#latencyMs = performance.now() - begun
  }

  async #multipart(): Promise<string> {
    const upload = await this.#traces.begin(this.#key, this.#signal)
    this.#traces.noteObject(this.#key, undefined)
    const begun = performance.now()
    const receipts = await this.#putParts(upload)
    const bytes = this.#bytes
    if (bytes >= FIRST_PART_BYTES)
      this.#bytesPerSecond = bytes / ((performance.now() - begun) / 1_000)
    await this.#storage.complete(upload, receipts, this.#signal)
    this.#traces.noteEnded(upload)
    return `${receipts.length} ${receipts.length === 1 ? 'part' : 'parts'}`
  }

  async #putParts(upload: OpenUpload): Promise<PartReceipt[]> {
    const receipts: PartReceipt[] = []
    let offsetBytes = 0
    for (const [index, bytes] of this.#parts.entries()) {
      const part = { number: index + 1, offsetBytes, body: bodyOf(bytes) }
      receipts.push(await this.#storage.putPart(upload, part, this.#signal))
      offsetBytes += bytes.length
    }
    return receipts
  }

  async #head(): Promise<undefined> {
    const begun = performance.now()
    const head = await this.#storage.head(this.#key, this.#signal)
    const took = performance.now() - begun
    this.#latencyMs = Math.min(this.#latencyMs ?? took, took)
    if (!isProvenBy(head, { token: this.#token, sizeBytes: this.#bytes })) {
      throw new SpillwayError(
        'SERVER_UNPROVEN',
        'the object that was just stored is not there as it was sent',
      )
    }
    this.#traces.noteObject(this.#key, head?.versionId)
    if (head?.modifiedAt) this.#clockSkewSeconds = (head.modifiedAt.getTime() - Date.now()) / 1_000
  }

  async #read(): Promise<string> {
    const whole = Buffer.concat([...this.#parts])
    const range = {
      offsetBytes: Math.max(0, whole.length - 1_500),
      sizeBytes: Math.min(1_000, whole.length),
    }
    const chunks: Uint8Array[] = []
    for await (const chunk of this.#storage.read(this.#key, range, this.#signal)) chunks.push(chunk)
    const expected = whole.subarray(range.offsetBytes, range.offsetBytes + range.sizeBytes)
    if (!Buffer.concat(chunks).equals(expected)) {
      throw new SpillwayError(
        'SERVER_DAMAGED_DATA',
        'a ranged read gave other bytes than were stored',
      )
    }
    return 'ranged'
  }

  async #put(): Promise<undefined> {
    const key = `${this.#key}-small`
    const body = bodyOf(Buffer.from('spillway')).open()
    try {
      await this.#storage.putSmall(key, body, this.#token, this.#signal)
    } catch (error) {
      this.#traces.noteFailedObject(key, error)
      throw error
    }
    this.#traces.noteObject(key, undefined)
    this.#traces.noteObject(key, (await this.#storage.head(key, this.#signal))?.versionId)
  }

  async #list(): Promise<undefined> {
    for await (const { key } of this.#storage.list(this.#key, this.#signal)) {
      if (key === this.#key) return undefined
    }
    throw new SpillwayError(
      'SERVER_UNPROVEN',
      'the listing does not show the object that was just stored',
    )
  }

  async #abort(): Promise<undefined> {
    const key = `${this.#key}-aborted`
    const upload = await this.#traces.begin(key, this.#signal)
    await this.#storage.abort(upload, this.#signal)
    this.#traces.noteEnded(upload)
  }

  async #delete(): Promise<undefined> {
    for (const [key, versionId] of this.#traces.objects) {
      await this.#storage.remove(key, versionId, this.#signal)
      this.#traces.noteRemoved(key)
    }
    if ((await this.#storage.head(this.#key, this.#signal)) !== undefined) {
      throw new SpillwayError('SERVER_UNPROVEN', 'the object is still there after it was deleted')
    }
  }

  get #bytes(): number {
    return this.#parts.reduce((sum, part) => sum + part.length, 0)
  }
}

/** Gone, or refused for a reason that every other request would meet, too. */
function endsTest(error: unknown): boolean {
  return (
    failureOf(error).server === 'dead' ||
    isFailure(error, 'SERVER_KEYS', 'SERVER_BUCKET', 'SERVER_TLS')
  )
}

const USES_OBJECT: ReadonlySet<CheckName> = new Set(['head', 'read', 'list', 'delete'])

function bodyOf(bytes: Buffer): PartBody {
  return {
    sizeBytes: bytes.length,
    open: async function* () {
      yield bytes
    },
    md5: createHash('md5').update(bytes).digest(),
    sha256: createHash('sha256').update(bytes).digest(),
  }
}
