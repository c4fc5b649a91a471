// Records one archive in the history of its source: what it holds is compared with what the archive
// recorded before it holds, both in the order of paths, a block of each at a time. Versions that ended
// go into a segment of their own; blocks of the current segment in which nothing changed stay.
//
// Nothing is seen of it before the commit, so it may be killed at any moment, and be done again.

import { comparePaths } from '../pack/member-record.ts'
import { CURRENT_SEGMENT } from '../catalog/history-calls.ts'
import { readBlock, segmentsOf } from './history-cursor.ts'
import { HistoryOutbox } from './history-outbox.ts'
import { isSameState, VERSION_BLOCK_BYTES } from '../domain/file-history.ts'
import { SpillwayError } from '../domain/errors.ts'
import { sweep } from './history-sweep.ts'
import type { ArchiveRow, Catalog } from '../catalog/catalog.ts'
import type { FileVersion, VersionEncoder, VersionReader } from '../domain/file-history.ts'
import type { HistoryBlock } from '../catalog/history-calls.ts'
import type { IndexedMember } from '../pack/member-record.ts'

/** In the order of the archive. */
export type MemberBlocks = AsyncIterable<readonly IndexedMember[]>

// A block that grew beyond this is cut. It is more than a new one has, or else each new file would cut
// off a little rest that makes the next block too long, and so on to the end.
const GROWN_BLOCK_BYTES = (VERSION_BLOCK_BYTES * 3) / 2
// A block that shrank below this is joined with the next one.
const SHRUNK_BLOCK_BYTES = VERSION_BLOCK_BYTES / 4

/**
 * Does nothing when the archive is recorded already. Rejects with ARCHIVE_CORRUPT when the members
 * cannot be those of an archive, with CATALOG_*, INTERRUPTED, or whatever `members` rejects with.
 */
export async function recordMembers(
  catalog: Catalog,
  archive: Pick<ArchiveRow, 'id' | 'host' | 'source'>,
  members: MemberBlocks,
  signal: AbortSignal,
): Promise<void> {
  const { host, source } = archive
  const [before] = await catalog.histories({ host, source })
  if (before?.archives.some(({ id }) => id === archive.id) === true) return
  const recording = await catalog.beginRecording(host, source)
  const found = await catalog.historyBlocks(recording.historyId)
  const segments = segmentsOf(found?.blocks ?? [])
  const current = segments.find(([block]) => block?.segment === CURRENT_SEGMENT) ?? []
  const ended = segments.filter((segment) => segment !== current)
  const numbers = ended.map(([block]) => block?.segment ?? 0)
  const outbox = new HistoryOutbox(catalog, recording)

  const merge = new Merge({
    catalog,
    outbox,
    incoming: new MemberCursor(members, signal),
    serials: { now: recording.generation, before: found?.generation ?? 0 },
    current: outbox.encoder(
      CURRENT_SEGMENT,
      current.length === 0 ? VERSION_BLOCK_BYTES : GROWN_BLOCK_BYTES,
    ),
    ended: outbox.encoder(Math.max(CURRENT_SEGMENT, ...numbers) + 1),
  })
  const replaced = await merge.run(current)
  const swept = await sweep({
    catalog,
    outbox,
    history: before,
    segments: ended,
    newSegment: Math.max(CURRENT_SEGMENT, ...numbers) + 2,
    signal,
  })
  await catalog.commitRecording(recording, {
    archiveId: archive.id,
    blocks: await outbox.rest(),
    replaced: [...replaced, ...swept.replaced],
    letGo: (before?.archives ?? [])
      .filter(({ isGone, isLetGo }) => isGone && !isLetGo)
      .map(({ id }) => id),
    sweptSegment: swept.sweptSegment,
  })
}

class Merge {
  readonly #catalog: Catalog
  readonly #outbox: HistoryOutbox
  readonly #incoming: MemberCursor
  readonly #serials: { readonly now: number; readonly before: number }
  readonly #current: VersionEncoder
  readonly #ended: VersionEncoder
  /** How much of a block in which nothing changed so far; undefined: it is being written anew. */
  #unchanged: { readonly block: VersionReader; count: number } | undefined

  constructor(input: {
    readonly catalog: Catalog
    readonly outbox: HistoryOutbox
    readonly incoming: MemberCursor
    readonly serials: { readonly now: number; readonly before: number }
    readonly current: VersionEncoder
    readonly ended: VersionEncoder
  }) {
    this.#catalog = input.catalog
    this.#outbox = input.outbox
    this.#incoming = input.incoming
    this.#serials = input.serials
    this.#current = input.current
    this.#ended = input.ended
  }

  /** Returns the blocks that are replaced. */
  async run(blocks: readonly HistoryBlock[]): Promise<readonly number[]> {
    const replaced: number[] = []
    await this.#incoming.begin()
    if (blocks.length === 0) await this.#mergeBlock(undefined, undefined)
    for (const [place, block] of blocks.entries()) {
      const reader = await readBlock(this.#catalog, block.id)
      // What a small rest is waiting for must be written with it.
      this.#unchanged = this.#current.pendingBytes === 0 ? { block: reader, count: 0 } : undefined
      await this.#mergeBlock(reader, blocks[place + 1]?.firstPath)
      if (this.#unchanged !== undefined) continue
      replaced.push(block.id)
      if (this.#current.pendingBytes >= SHRUNK_BLOCK_BYTES) this.#current.flush()
      await this.#outbox.room()
    }
    this.#current.flush()
    this.#ended.flush()
    return replaced
  }

  /** One block, and the members that belong before the next one. */
  async #mergeBlock(old: VersionReader | undefined, before: string | undefined): Promise<void> {
    const incoming = this.#incoming
    let hasOld = old?.next() ?? false
    for (;;) {
      if (incoming.isUsedUp) {
        await incoming.fill()
        await this.#outbox.room()
      }
      const next = incoming.current
      const member =
        next !== undefined && (before === undefined || comparePaths(next.path, before) < 0)
          ? next
          : undefined
      if (!hasOld && member === undefined) return
      const order = orderOf(hasOld ? old : undefined, member)
      if (order <= 0) {
        const isSame = order === 0 && isSameState(old!, member!)
        if (isSame) this.#keep(old!)
        else this.#end(old!)
        hasOld = old!.next()
        if (isSame) {
          incoming.advance()
          continue
        }
      }
      if (order >= 0) {
        this.#add(member!)
        incoming.advance()
      }
    }
  }

  #keep(version: FileVersion): void {
    if (this.#unchanged === undefined) this.#current.add(version)
    else this.#unchanged.count += 1
  }

  #end(old: VersionReader): void {
    this.#change()
    this.#ended.add({ ...old.version(), lastSerial: this.#serials.before })
  }

  #add({ path, kind, sizeBytes, mtimeSeconds, mtimeNanos, mode }: IndexedMember): void {
    this.#change()
    this.#current.add({
      path,
      kind,
      sizeBytes,
      mtimeSeconds,
      mtimeNanos,
      mode,
      firstSerial: this.#serials.now,
      lastSerial: undefined,
    })
  }

  /** From here on the block is written anew. */
  #change(): void {
    const unchanged = this.#unchanged
    if (unchanged === undefined) return
    this.#unchanged = undefined
    const versions = unchanged.block.again()
    for (let left = unchanged.count; left > 0 && versions.next(); left -= 1)
      this.#current.add(versions)
  }
}

/** Below 0: the old version's path comes first, or there is no member. */
function orderOf(old: VersionReader | undefined, member: IndexedMember | undefined): number {
  if (old === undefined) return 1
  if (member === undefined) return -1
  return old.path === member.path ? 0 : comparePaths(old.path, member.path)
}

/** Goes through members one by one without waiting, but for the next block. */
class MemberCursor {
  readonly #blocks: AsyncIterator<readonly IndexedMember[]>
  readonly #signal: AbortSignal
  #members: readonly IndexedMember[] = []
  #at = 0
  #isAtEnd = false
  #last: string | undefined

  constructor(blocks: MemberBlocks, signal: AbortSignal) {
    this.#blocks = blocks[Symbol.asyncIterator]()
    this.#signal = signal
  }

  async begin(): Promise<void> {
    await this.fill()
  }

  /** `fill` must be called before `current` is asked for. */
  get isUsedUp(): boolean {
    return this.#at === this.#members.length && !this.#isAtEnd
  }

  /** undefined: there are no more. */
  get current(): IndexedMember | undefined {
    return this.#members[this.#at]
  }

  advance(): void {
    this.#at += 1
  }

  async fill(): Promise<void> {
    while (this.isUsedUp) {
      if (this.#signal.aborted)
        throw new SpillwayError('INTERRUPTED', 'recording what the archive holds was interrupted')
      const next = await this.#blocks.next()
      this.#isAtEnd = next.done === true
      this.#members = next.done === true ? [] : next.value
      this.#at = 0
      this.#requireOrder()
    }
  }

  /** What is compared in order must be in order, or a hostile index could grow the history for ever. */
  #requireOrder(): void {
    for (const { path } of this.#members) {
      if (this.#last !== undefined && comparePaths(this.#last, path) >= 0)
        throw new SpillwayError('ARCHIVE_CORRUPT', "the archive's index is not in order")
      this.#last = path
    }
  }
}
