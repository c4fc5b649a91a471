// Reads a history in the order of paths: all versions of one path together, wherever they lie.
//
// A history has one segment of what is current and some of what was; each is in order, so they are
// merged, with one block of each in memory. Blocks never change, but a recording replaces them: when
// one is gone, the reading goes on behind the last path that it gave, with the blocks of now.

import { damagedHistory, VersionReader } from '../domain/file-history.ts'
import { decompressFrame } from '../pack/zstd.ts'
import { comparePaths } from '../pack/member-record.ts'
import { CURRENT_SEGMENT } from '../catalog/history-calls.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { FileVersion } from '../domain/file-history.ts'
import type { HistoryBlock, HistoryId } from '../catalog/history-calls.ts'

export type HistoryReads = Pick<Catalog, 'historyBlocks' | 'historyBytes'>

export type PathVersions = { readonly path: string; readonly versions: readonly FileVersion[] }

export type ReadOptions = {
  /** Paths before this one are not wanted; undefined: from the first on. */
  readonly from?: string
  /** Nothing after this path is wanted. */
  readonly to?: string
  /** Only paths that it accepts; asked before anything is merged. */
  readonly accepts?: (path: string) => boolean
}

/** Every path with its versions, oldest first. */
export async function* versionsByPath(
  catalog: HistoryReads,
  id: HistoryId,
  options: ReadOptions = {},
): AsyncGenerator<PathVersions> {
  let after: string | undefined
  for (;;) {
    const found = await catalog.historyBlocks(id)
    if (found === undefined) return
    const from = after ?? options.from
    const isWanted = wanted(options, from, after)
    const cursors = segmentsOf(found.blocks).map(
      (blocks) => new SegmentCursor(catalog, blocks, from, isWanted),
    )
    try {
      for await (const group of merged(cursors)) {
        if (options.to !== undefined && comparePaths(group.path, options.to) > 0) return
        after = group.path
        yield group
      }
      return
    } catch (error) {
      if (!(error instanceof BlockGone)) throw error
    }
  }
}

function wanted(
  { accepts }: ReadOptions,
  from: string | undefined,
  after: string | undefined,
): (path: string) => boolean {
  return (path) => {
    if (from !== undefined && comparePaths(path, from) < 0) return false
    return path !== after && (accepts === undefined || accepts(path))
  }
}

/** The blocks of each segment, in the order of their paths. */
export function segmentsOf(blocks: readonly HistoryBlock[]): HistoryBlock[][] {
  const segments = new Map<number, HistoryBlock[]>()
  for (const block of blocks) {
    const segment = segments.get(block.segment)
    if (segment === undefined) segments.set(block.segment, [block])
    else segment.push(block)
  }
  return [...segments].map(([number, segment]) =>
    segment.sort(
      number === CURRENT_SEGMENT
        ? (a, b) => comparePaths(a.firstPath, b.firstPath)
        : // Written in order; several may begin with one path.
          (a, b) => a.id - b.id,
    ),
  )
}

/** The segments merged. Fails with BlockGone when a recording came between. */
export async function* merged(cursors: readonly SegmentCursor[]): AsyncGenerator<PathVersions> {
  await Promise.all(cursors.map((cursor) => cursor.advance()))
  const heap = new CursorHeap(cursors.filter(({ isAtEnd }) => !isAtEnd))
  for (let first = heap.first; first !== undefined; first = heap.first) {
    const { path } = first
    const versions: FileVersion[] = []
    for (; first !== undefined && first.path === path; first = heap.first) {
      versions.push(first.version())
      // Within a block nothing is awaited: this runs once per version.
      if (!first.step()) await first.advance()
      heap.renewFirst()
    }
    if (versions.length > 1) versions.sort((a, b) => a.firstSerial - b.firstSerial)
    yield { path, versions }
  }
}

export class BlockGone extends Error {
  override readonly message = 'another run recorded at the same time'
}

/** Stands on one version of a segment after the other. */
export class SegmentCursor {
  readonly #catalog: HistoryReads
  readonly #blocks: readonly HistoryBlock[]
  readonly #isWanted: (path: string) => boolean
  #next: number
  #reader: VersionReader | undefined
  #isSkipped = false

  constructor(
    catalog: HistoryReads,
    blocks: readonly HistoryBlock[],
    from: string | undefined,
    isWanted: (path: string) => boolean,
  ) {
    this.#catalog = catalog
    this.#blocks = blocks
    this.#isWanted = isWanted
    this.#next = from === undefined ? 0 : firstBlockFor(blocks, from)
  }

  get isAtEnd(): boolean {
    return this.#reader === undefined
  }

  get path(): string {
    return this.#reader!.path
  }

  version(): FileVersion {
    return this.#reader!.version()
  }

  /** To the next wanted version of this block; false: it has no more. */
  step(): boolean {
    const reader = this.#reader!
    while (reader.next()) {
      if (!reader.isSamePath) this.#isSkipped = !this.#isWanted(reader.path)
      if (!this.#isSkipped) return true
    }
    return false
  }

  /** To the next wanted version of the blocks that follow, or to the end. */
  async advance(): Promise<void> {
    for (;;) {
      const block = this.#blocks[this.#next]
      this.#next += 1
      this.#reader = block === undefined ? undefined : await readBlock(this.#catalog, block.id)
      if (block === undefined || this.step()) return
    }
  }
}

export async function readBlock(catalog: HistoryReads, id: number): Promise<VersionReader> {
  const bytes = (await catalog.historyBytes([id])).get(id)
  if (bytes === undefined) throw new BlockGone()
  try {
    return new VersionReader(await decompressFrame(bytes))
  } catch (cause) {
    throw damagedHistory(cause)
  }
}

/** The last block that begins before this path: what is wanted may begin in its middle. */
function firstBlockFor(blocks: readonly HistoryBlock[], path: string): number {
  let [low, high] = [0, blocks.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (comparePaths(blocks[middle]!.firstPath, path) < 0) low = middle + 1
    else high = middle
  }
  return Math.max(0, low - 1)
}

/** The cursor with the lowest path first. */
class CursorHeap {
  readonly #cursors: SegmentCursor[]

  constructor(cursors: readonly SegmentCursor[]) {
    this.#cursors = cursors.toSorted((a, b) => comparePaths(a.path, b.path))
  }

  get first(): SegmentCursor | undefined {
    return this.#cursors[0]
  }

  /** After the first cursor moved on, or came to its end. */
  renewFirst(): void {
    const cursors = this.#cursors
    let moved = cursors[0]!
    if (moved.isAtEnd) {
      const last = cursors.pop()!
      if (cursors.length === 0) return
      moved = last
      cursors[0] = moved
    }
    for (let at = 0; ;) {
      let child = 2 * at + 1
      if (child >= cursors.length) return
      const right = cursors[child + 1]
      if (right !== undefined && comparePaths(right.path, cursors[child]!.path) < 0) child += 1
      if (comparePaths(cursors[child]!.path, moved.path) >= 0) return
      cursors[at] = cursors[child]!
      cursors[child] = moved
      at = child
    }
  }
}
