// What a host may count on: every archive that was whole once, with the bytes that it must give back, until retention
// may delete it or the soak itself destroyed its last copy. Nothing here asks the product.

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { bytesOf } from './model-storage.ts'
import type { ModelObject } from '../support/s3-model-store.ts'
import type { SimHost } from './sim-host.ts'
import type { SimServer } from './fleet.ts'

export type Entry = {
  readonly id: string
  readonly source: string
  readonly file: string
  /** Of the folder that was packed (digestOf). */
  readonly digest: string
  /** Of the archive's bytes. */
  readonly sha256: string
  readonly sizeBytes: number
  /** Why nobody may count on it any more. */
  releasedBecause: string | undefined
}

/** Where whole bytes of an archive lie. */
export type Place = { readonly server: SimServer; readonly key: string }

const hashes = new WeakMap<ModelObject, string>()

export class Book {
  readonly entries = new Map<string, Entry>()
  /** Retention has begun to delete them, and might: with one copy gone the others prove nothing. */
  readonly retired = new Set<string>()
  /** Packed, and nobody knows yet whether it became an archive. */
  readonly #packed = new Map<string, Entry>()
  readonly #host: SimHost

  constructor(host: SimHost) {
    this.#host = host
  }

  packed(input: { id: string; source: string; outputPath: string; digest: string }): void {
    const { id, source, digest, outputPath } = input
    const bytes = readFileSync(outputPath)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const file = outputPath.slice(outputPath.lastIndexOf('/') + 1).replace(/\.partial$/, '')
    const releasedBecause = undefined
    const sizeBytes = bytes.length
    this.#packed.set(id, { id, source, file, digest, sha256, sizeBytes, releasedBecause })
  }

  /** It is whole by the catalog's word: from now on it may be counted on. */
  keep(id: string): Entry | undefined {
    const known = this.entries.get(id)
    if (known !== undefined) return known
    const entry = this.#packed.get(id)
    if (entry === undefined) return undefined
    this.#packed.delete(id)
    this.entries.set(id, entry)
    return entry
  }

  /** Of every archive with whole bytes on any server that ever was configured. */
  places(): ReadonlyMap<string, readonly Place[]> {
    const byFile = new Map([...this.entries.values()].map((entry) => [entry.file, entry]))
    const found = new Map<string, Place[]>()
    for (const { server } of this.#host.entries) {
      for (const [key, object] of server.objectsOf(this.#host.name)) {
        const entry = byFile.get(fileOf(key))
        if (entry === undefined || server.harmed.has(key)) continue
        if (hashOf(object) !== entry.sha256) continue
        found.set(entry.id, [...(found.get(entry.id) ?? []), { server, key }])
      }
    }
    return found
  }

  isInSpool({ file, sizeBytes }: Entry): boolean {
    const path = join(this.#host.spoolDir, file)
    return existsSync(path) && statSync(path).size === sizeBytes
  }
}

/** Without folders, and without the number of a second copy. */
export function fileOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1).replace(/\.copy-\d+(?=\.tar\.zst$)/, '')
}

function hashOf(object: ModelObject): string {
  const known = hashes.get(object)
  if (known !== undefined) return known
  const hash = createHash('sha256').update(bytesOf(object)).digest('hex')
  hashes.set(object, hash)
  return hash
}
