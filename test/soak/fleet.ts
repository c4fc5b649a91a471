// The servers of the soak: model servers that all hosts share, the weather over them (which of them is ill on which
// day), and what was done to their objects by hand. All of a server's own books are here, none of ours.

import { startS3Model } from '../support/s3-model.ts'
import { Random } from './random.ts'
import { TOKEN_METADATA } from '../../src/storage/s3-storage.ts'
import { compositeEtag } from '../../src/storage/composite-etag.ts'
import { pieceOf } from './model-storage.ts'
import type { AbortOutcome, OpenUpload, PartReceipt } from '../../src/storage/storage.ts'
import type { ModelObject } from '../support/s3-model-store.ts'
import type { S3Model } from '../support/s3-model.ts'

/** How a server is on a day. `full`: by a quota of its own, whatever the limits of its users say. */
export type Weather = 'well' | 'unreachable' | 'silent' | 'busy' | 'full' | 'keeps all'

/** Rot: a byte is another. Vanish: somebody deleted it. Overwrite: somebody put something else there. */
export type Harm = 'rot' | 'vanish' | 'overwrite'

export const BUCKET = 'backups'

// Parts as small as the model lets them be: an archive of 20 kB has several.
export const PART_BYTES_MIN = 1_024

const KINDS: readonly [weather: Exclude<Weather, 'well'>, daysMax: number][] = [
  ['unreachable', 6],
  ['silent', 4],
  ['busy', 3],
  ['full', 14],
  ['keeps all', 8],
]

// Of a well server to fall ill on a day: with the lengths above a server is ill on about every sixth day.
const ILLNESS = 0.05

export class SimServer {
  weather: Weather = 'well'
  readonly name: string
  readonly prefix: string
  readonly model: S3Model
  /** It confirms every Abort, as MinIO does. */
  readonly abortOfNone: AbortOutcome
  /** `KEY` of what was harmed, and how. */
  readonly harmed = new Map<string, Harm>()
  readonly #days: readonly Weather[]
  /** Objects that it is still putting together, though nobody waits for the answer any more. */
  #late: { readonly host: string | undefined; readonly appear: () => void }[] = []
  /** Keys of all versions, by host. */
  readonly #keys = new Map<string, Map<string, ModelObject>>()

  private constructor(
    name: string,
    model: S3Model,
    prefix: string,
    days: readonly Weather[],
    abortOfNone: AbortOutcome,
  ) {
    this.name = name
    this.abortOfNone = abortOfNone
    this.model = model
    this.prefix = prefix
    this.#days = days
    this.#index()
  }

  static async start(seed: number, number: number, days: number): Promise<SimServer> {
    const name = `server-${number}`
    const random = new Random(seed, name)
    const model = await startS3Model({
      ...{ buckets: [BUCKET], keep: 'memory', partBytesMin: PART_BYTES_MIN, skewMs: 1 },
      // One with versions, and one whose pages of listings are short.
      isVersioned: number === 4,
      pageEntries: number === 2 ? 7 : 1_000,
      abortOfNone: number === 5 ? '204' : 'NoSuchUpload',
    })
    const abortOfNone = number === 5 ? 'aborted' : 'gone'
    const prefix = number % 3 === 0 ? 'vault' : ''
    return new SimServer(name, model, prefix, weatherOf(random, days), abortOfNone)
  }

  dawn(day: number): void {
    this.weather = this.#days[day] ?? 'well'
    const { heldBytes } = this.model
    // A little more than what is there: the first archives of the night still fit.
    const quota = { bytes: heldBytes + 20_000, status: 403, code: 'QuotaExceeded' } as const
    this.model.change({
      quota: this.weather === 'full' ? { ...quota, at: 'before-body' } : undefined,
    })
  }

  /** Objects that take room, by key; of a versioned server the newest version. */
  objectsOf(host: string): ReadonlyMap<string, ModelObject> {
    return this.#keys.get(host) ?? new Map()
  }

  /** Objects and open parts. */
  heldBytes(host: string): number {
    let bytes = 0
    for (const { sizeBytes } of this.objectsOf(host).values()) bytes += sizeBytes
    for (const { parts } of this.uploadsOf(host))
      for (const piece of parts.values()) bytes += piece.sizeBytes
    return bytes
  }

  uploadsOf(host: string) {
    return [...this.model.store.uploads.values()].filter(({ key }) => hostOf(key) === host)
  }

  tokenOf(object: ModelObject): string | undefined {
    return object.metadata[TOKEN_METADATA]
  }

  /** From now on the upload is no more, and the object not yet. */
  completeLater({ key, uploadId }: OpenUpload, parts: readonly PartReceipt[]): void {
    const { store } = this.model
    const upload = store.uploads.get(uploadId)
    if (upload === undefined) return
    const { metadata } = upload
    const pieces = parts.map(({ number }) => upload.parts.get(number)!)
    store.drop(upload, new Set(pieces))
    const appear = () => store.put(BUCKET, key, pieces, { etag: compositeEtag(parts), metadata })
    this.#late.push({ host: hostOf(key), appear })
  }

  isAtWorkFor(host: string): boolean {
    return this.#late.some((each) => each.host === host)
  }

  bringOut(host: string): void {
    const ready = this.#late.filter((each) => each.host === host)
    this.#late = this.#late.filter((each) => each.host !== host)
    for (const { appear } of ready) appear()
  }

  /** Past all rules, as people and disks do. */
  harm(key: string, harm: Harm, random: Random): void {
    const object = this.objectsOf(hostOf(key) ?? '').get(key)!
    const { store } = this.model
    if (harm === 'rot') {
      // Of its own bytes alone: a buffer may be shared with nobody else.
      const piece = random.pick(object.pieces.filter(({ sizeBytes }) => sizeBytes > 0))
      piece.flip(random.between(0, piece.sizeBytes - 1))
    } else store.remove(BUCKET, key, object.versionId)
    if (harm === 'overwrite')
      store.put(BUCKET, key, [pieceOf(random.bytes(200))], { etag: 'other', metadata: {} })
    this.harmed.set(key, harm)
  }

  #index(): void {
    const { store } = this.model
    const [put, remove] = [store.put.bind(store), store.remove.bind(store)]
    store.put = (bucket, key, pieces, more) => {
      const object = put(bucket, key, pieces, more)
      // What vanished, and the catalog with it, is sent once more from the spool.
      this.harmed.delete(key)
      const host = hostOf(key)
      if (host === undefined) return object
      const keys = this.#keys.get(host) ?? new Map<string, ModelObject>()
      keys.set(key, object)
      this.#keys.set(host, keys)
      return object
    }
    store.remove = (bucket, key, versionId) => {
      remove(bucket, key, versionId)
      const left = (store.versions.get(`${bucket}/${key}`) ?? []).filter((each) => 'pieces' in each)
      const newest = left.at(-1)
      const keys = this.#keys.get(hostOf(key) ?? '')
      if (newest === undefined) keys?.delete(key)
      else keys?.set(key, newest)
    }
  }
}

/** The host whose key it is, by its name: an archive, or a copy of a catalog. */
export function hostOf(key: string): string | undefined {
  const [, host] = /^(?:vault\/)?(?:spillway-catalog\/)?([^/]+)\//.exec(key) ?? []
  return host
}

export const isSnapshotKey = (key: string): boolean => /(?:^|\/)spillway-catalog\//.test(key)

function weatherOf(random: Random, days: number): readonly Weather[] {
  const all: Weather[] = []
  while (all.length < days) {
    if (!random.chance(ILLNESS)) {
      all.push('well')
      continue
    }
    const [weather, daysMax] = random.pick(KINDS)
    for (let left = random.between(1, daysMax); left > 0; left -= 1) all.push(weather)
  }
  return all
}
