// Which archives hold a version: serials, which count recordings, become times.
//
// Deleted archives do not count: what only they had is dropped from the history sooner or later, and
// a file must not seem to be gone where nobody knows. Usually archives are recorded in the order in
// which they were made. After a crash or a rebuild one may come late; its serial is then higher than
// those of archives that are younger.

import { isSameState } from '../domain/file-history.ts'
import type { FileHistory, RecordedArchive } from '../catalog/history-calls.ts'
import type { FileState, FileVersion } from '../domain/file-history.ts'

/** A file as it was from one archive to another, without a gap between them. */
export type Stretch = {
  readonly state: FileState
  /** Positions in `archives`. */
  readonly first: number
  readonly last: number
}

export class Timeline {
  readonly history: FileHistory
  /** Oldest first. */
  readonly archives: readonly RecordedArchive[]
  readonly #serials: readonly number[]
  /** By the place of the serial. */
  readonly #positions: readonly number[]
  readonly #isInOrder: boolean
  /** How many archives before each position can be restored. */
  readonly #restorable: readonly number[]
  /** The last position up to each one whose archive can be restored; -1: none. */
  readonly #newest: readonly number[]

  /** With deleted archives all that is still known is told. */
  constructor(history: FileHistory, includesDeleted = false) {
    this.history = history
    const bySerial = history.archives.filter(({ isRestorable }) => includesDeleted || isRestorable)
    const order = bySerial.map((_, place) => place)
    order.sort(
      (a, b) => bySerial[a]!.startedAt.getTime() - bySerial[b]!.startedAt.getTime() || a - b,
    )
    this.archives = order.map((place) => bySerial[place]!)
    this.#serials = bySerial.map(({ serial }) => serial)
    const positions: number[] = []
    for (const [position, place] of order.entries()) positions[place] = position
    this.#positions = positions
    this.#isInOrder = order.every((place, position) => place === position)
    const counts = [0]
    const newest: number[] = []
    for (const [position, { isRestorable }] of this.archives.entries()) {
      counts.push(counts.at(-1)! + (isRestorable ? 1 : 0))
      newest.push(isRestorable ? position : (newest.at(-1) ?? -1))
    }
    this.#restorable = counts
    this.#newest = newest
  }

  /** Of one path, oldest first. */
  stretches(versions: readonly FileVersion[]): Stretch[] {
    return this.#isInOrder ? this.#inOrder(versions) : this.#outOfOrder(versions)
  }

  /** The version that one archive holds; undefined: none. */
  heldBy(serial: number, versions: readonly FileVersion[]): FileVersion | undefined {
    return versions.find(
      ({ firstSerial, lastSerial = Infinity }) => firstSerial <= serial && serial <= lastSerial,
    )
  }

  restorableCount({ first, last }: Stretch): number {
    return this.#restorable[last + 1]! - this.#restorable[first]!
  }

  /** undefined: all of them are deleted. */
  newestRestorable(stretch: Stretch): RecordedArchive | undefined {
    const newest = this.#newest[stretch.last]!
    return newest < stretch.first ? undefined : this.archives[newest]
  }

  #inOrder(versions: readonly FileVersion[]): Stretch[] {
    const found: Stretch[] = []
    for (const version of versions) {
      const first = this.#placeOf(version.firstSerial)
      const last = this.#lastPlaceOf(version)
      if (first <= last) append(found, { state: version, first, last })
    }
    return found
  }

  #outOfOrder(versions: readonly FileVersion[]): Stretch[] {
    const held: (FileVersion | undefined)[] = []
    for (const version of versions) {
      const last = this.#lastPlaceOf(version)
      for (let place = this.#placeOf(version.firstSerial); place <= last; place += 1)
        held[this.#positions[place]!] = version
    }
    const found: Stretch[] = []
    for (const [position, state] of held.entries())
      if (state !== undefined) append(found, { state, first: position, last: position })
    return found
  }

  #lastPlaceOf({ lastSerial }: FileVersion): number {
    return lastSerial === undefined ? this.#serials.length - 1 : this.#placeOf(lastSerial + 1) - 1
  }

  /** Of the first serial that is not below this one. */
  #placeOf(serial: number): number {
    let [low, high] = [0, this.#serials.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#serials[middle]! < serial) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Stretches that follow each other and are the same file are one. */
function append(found: Stretch[], next: Stretch): void {
  const before = found.at(-1)
  if (before?.last === next.first - 1 && isSameState(before.state, next.state))
    found[found.length - 1] = { ...before, last: next.last }
  else found.push(next)
}
