// The spool among sources that are archived at the same time: what one may take, no other one gets.

import { oneAtATime } from '../lib/one-at-a-time.ts'
import type { ArchiveId } from '../domain/archive.ts'

type Share = {
  readonly archiveId: ArchiveId
  readonly expectedBytes: number
  /** undefined: the spool has no limit but its disk. */
  readonly limitBytes: number | undefined
}

/** What others may still write. */
export type Beside = {
  readonly archiveIds: ReadonlySet<ArchiveId>
  readonly expectedBytes: number
  readonly limitBytes: number
  /** Among so many the rest is divided: those that have no share yet. */
  readonly lanes: number
}

export class SpoolShares {
  readonly #lanes: number
  /** Sources that have not asked yet. */
  #toCome: number
  readonly #shares = new Map<string, Share>()
  readonly #inTurn = oneAtATime()

  /** `lanes` of `sources` have a share at once, at most. */
  constructor(lanes: number, sources: number) {
    this.#lanes = lanes
    this.#toCome = sources
  }

  /**
   * `find` says what is left beside the others; that is the share, until it is given back. A source has one at a
   * time. Rejects as `find` does.
   */
  take(
    wanted: {
      readonly source: string
      readonly archiveId: ArchiveId
      readonly expectedBytes: number | undefined
      /** Nobody else comes meanwhile. */
      readonly isAlone: boolean
    },
    find: (beside: Beside) => Promise<number | undefined>,
  ): Promise<number | undefined> {
    return this.#inTurn(async () => {
      const { archiveId, expectedBytes = 0, isAlone, source } = wanted
      const beside = this.#beside(isAlone)
      this.#toCome -= 1
      const limitBytes = await find(beside)
      this.#shares.set(source, { archiveId, expectedBytes, limitBytes })
      return limitBytes
    })
  }

  /** Once nothing of it is in the spool, or its row says that it waits there. */
  giveBack(source: string): void {
    this.#shares.delete(source)
  }

  #beside(isAlone: boolean): Beside {
    const shares = [...this.#shares.values()]
    return {
      archiveIds: new Set(shares.map(({ archiveId }) => archiveId)),
      expectedBytes: shares.reduce((sum, share) => sum + share.expectedBytes, 0),
      limitBytes: shares.reduce((sum, share) => sum + (share.limitBytes ?? 0), 0),
      lanes: isAlone ? 1 : Math.max(1, Math.min(this.#lanes - shares.length, this.#toCome)),
    }
  }
}
