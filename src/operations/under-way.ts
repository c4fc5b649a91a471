// Which archives this run is at: several sources may be archived at the same time, and what is half done must not be
// taken for what failed.

import type { ArchiveId } from '../domain/archive.ts'

export class UnderWay {
  readonly #sources = new Map<ArchiveId, string>()

  /** A source may begin several, if it is read again. */
  begin(source: string, id: ArchiveId): void {
    this.#sources.set(id, source)
  }

  /** What became of the source stands in its rows. */
  end(source: string): void {
    for (const [id, name] of this.#sources) if (name === source) this.#sources.delete(id)
  }

  get ids(): ReadonlySet<ArchiveId> {
    return new Set(this.#sources.keys())
  }
}
