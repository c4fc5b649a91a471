// Whether a rebuild can rely on the pins of the copy of the catalog with which it began.
//
// A copy knows every archive that was begun before it was made. One that does not was made by another
// catalog, which had been lost, or is of another machine: what was pinned before, it cannot tell.

import { SpillwayError } from '../domain/errors.ts'
import { snapshotTime } from './catalog-snapshot-key.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { RebuiltArchive } from '../catalog/rebuild-calls.ts'

export class RebuiltPins {
  readonly #catalog: Catalog
  readonly #host: string
  /** undefined: the rebuild began with nothing, and pins count as unknown already. */
  readonly #madeAt: Date | undefined
  readonly #known: ReadonlySet<string>
  readonly #doubtful = new Set<string>()
  #doubted: Promise<void> | undefined

  private constructor(
    catalog: Catalog,
    host: string,
    from: { readonly madeAt: Date | undefined; readonly known: ReadonlySet<string> },
  ) {
    this.#catalog = catalog
    this.#host = host
    this.#madeAt = from.madeAt
    this.#known = from.known
  }

  static async open(catalog: Catalog, host: string): Promise<RebuiltPins> {
    const { snapshot } = await catalog.rebuildState()
    const name = snapshot?.slice(snapshot.lastIndexOf('/') + 1)
    const madeAt = name === undefined ? undefined : snapshotTime(name)
    return new RebuiltPins(catalog, host, { madeAt, known: await catalog.archiveKeys() })
  }

  /** Before the archive gets its row: a rebuild that is killed in between must not take it for known. */
  async look({ host, key, startedAt }: RebuiltArchive): Promise<void> {
    if (this.#madeAt === undefined || host !== this.#host || this.#known.has(key)) return
    if (startedAt >= this.#madeAt) return
    this.#doubtful.add(key)
    this.#doubted ??= this.#catalog.doubtPins()
    await this.#doubted
  }

  problems(): readonly SpillwayError[] {
    const count = this.#doubtful.size
    if (count === 0) return []
    const are = count === 1 ? '1 archive is' : `${count} archives are`
    const what = `${are} older than the copy of the catalog with which this began, and unknown to it`
    const why = 'it was not of the catalog that was lost, and does not tell what was pinned'
    return [new SpillwayError('PINS_UNKNOWN', `${what}: ${why}`)]
  }
}
