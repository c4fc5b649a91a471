// The whole way of a restore: archive -> frames -> blocks of tar -> members -> tree.
//
// Two ways in: from the first byte to the last, or by position (extract-parts.ts). On both, hard links whose
// content was not among what is wanted are filled in afterwards.

import { createHash } from 'node:crypto'
import { feedParts, feedWhole, framesOf } from './extract-parts.ts'
import { comparePaths } from './member-record.ts'
import { readTarBlocks } from './frame-reader.ts'
import { Selection } from './extract-patterns.ts'
import { selectedMembers } from './extract-select.ts'
import { isFailure, reworded, SpillwayError } from '../domain/errors.ts'
import type { ArchiveTail } from './archive-tail.ts'
import type { ByteString } from './tar-header.ts'
import type { ExpectedMember, LinkTarget } from './extract-choice.ts'
import type { IndexedMember } from './member-record.ts'
import type { LostMember, PendingLink, TreeInput, TreeResult } from './extract-input.ts'
import type { OpenTreeSink, TreeSink } from './extract-sink.ts'
import type { Unpacker, UnpackInput, UnpackPartsInput, UnpackResult } from './unpacker.ts'

// Hard links without their content are rare, but for trees of nothing else: some hundred bytes each.
const LINKS_AT_ONCE = 5_000

export function createUnpackerWith(openSink: OpenTreeSink): Unpacker {
  const withSink = async <Result>(
    input: UnpackInput | UnpackPartsInput,
    signal: AbortSignal,
    work: (sink: TreeSink) => Promise<Result>,
  ): Promise<Result> => {
    throwIfAborted(signal)
    const sink = await openSink({ tree: treeOf(input), onProgress: input.onProgress ?? (() => {}) })
    try {
      return await work(abortable(sink, signal))
    } finally {
      await sink.close()
    }
  }
  return {
    unpack: (input, signal) => withSink(input, signal, (sink) => unpackStream(input, sink)),
    unpackParts: (input, signal) =>
      withSink(input, signal, async (sink) => {
        try {
          return await unpackFrames(input, sink)
        } catch (error) {
          // A frame is damaged, and so is the index that would tell whose bytes those were.
          if (isFailure(error, 'ARCHIVE_CORRUPT')) throw withLosses(error, await salvage(sink))
          throw error
        }
      }),
  }
}

async function unpackStream(input: UnpackInput, sink: TreeSink): Promise<UnpackResult> {
  const { archive, reopen, isSalvage: isTailDamaged = false } = input
  const feed = async (bytes: AsyncIterable<Uint8Array>): Promise<string> => {
    const { blocks, sha256 } = readTarBlocks(bytes, { isTailDamaged })
    for await (const block of blocks) await sink.write(block.bytes)
    return sha256()
  }
  let sha256: string
  try {
    sha256 = await feed(archive)
    await fillLinks(sink, async () => {
      if (reopen === undefined)
        throw new SpillwayError('ARCHIVE_REFUSED', 'the archive cannot be read a second time')
      await feed(reopen())
    })
  } catch (error) {
    if (isTailDamaged && isFailure(error, 'ARCHIVE_CORRUPT')) await salvage(sink)
    throw error
  }
  return { ...(await sink.finish()), sha256 }
}

/** What came before the damage is given the rest of its attributes, and stays; what was written half goes. */
async function salvage(sink: TreeSink): Promise<TreeResult | undefined> {
  try {
    await sink.lose([])
    return await sink.finish()
  } catch (error) {
    // The damage is told in any case; a second failure that comes of it adds nothing.
    if (!(error instanceof SpillwayError)) throw error
    return undefined
  }
}

// As many as a message has room for.
const LOST_SHOWN_MAX = 5

/** Other damage, in front of the one that ends it, was known by name. */
function withLosses(error: unknown, result: TreeResult | undefined): unknown {
  if (!(error instanceof SpillwayError) || result === undefined || result.lostCount === 0)
    return error
  const names = result.lost.slice(0, LOST_SHOWN_MAX).join(', ')
  const more = result.lostCount > LOST_SHOWN_MAX ? ' and more' : ''
  const what = `${result.lostCount} members in front of it are lost, too: ${names}${more}`
  return reworded(error, `${error.message}; ${what}`)
}

async function unpackFrames(input: UnpackPartsInput, sink: TreeSink): Promise<UnpackResult> {
  const { tail, paths = [] } = input
  const { tarBytes } = tail.manifest
  const frames = await tail.frames()
  const place = { frames, tarBytes }
  const selection = new Selection(paths)
  let sha256: string | undefined
  if (selection.isEverything) {
    const hash = createHash('sha256')
    const { isWhole } = await feedWhole(tail, frames, sink, (frame) => void hash.update(frame))
    if (isWhole) sha256 = hash.digest('hex')
  } else await feedParts(tail, framesOf(membersOf(tail, selection), place), sink)
  await fillLinks(sink, (targets) => feedParts(tail, framesOf(found(tail, targets), place), sink))
  const result: TreeResult = await sink.finish()
  return { ...result, sha256 }
}

async function* membersOf(tail: ArchiveTail, selection: Selection): AsyncGenerator<IndexedMember> {
  for await (const { member } of selectedMembers(tail, selection)) yield member
}

async function* found(
  tail: ArchiveTail,
  targets: readonly LinkTarget[],
): AsyncGenerator<IndexedMember> {
  for (const { path } of targets) {
    const member = await tail.findMember(path)
    // One that is not there leaves its links without content, which the tree tells.
    if (member !== undefined) yield member
  }
}

/** Until no hard link lacks its content. `feed` gives the tar again, or at least these members of it. */
async function fillLinks(
  sink: TreeSink,
  feed: (targets: readonly LinkTarget[]) => Promise<void>,
): Promise<void> {
  for (;;) {
    const links = await sink.takeLinks(LINKS_AT_ONCE)
    if (links.length === 0) return
    const targets = targetsOf(links)
    await sink.beginTargets(targets)
    await feed(targets)
  }
}

/** In the order of the archive. */
function targetsOf(links: readonly PendingLink[]): readonly LinkTarget[] {
  const outs = new Map<ByteString, ByteString[]>()
  for (const { target, out } of links) {
    const known = outs.get(target)
    if (known === undefined) outs.set(target, [out])
    else known.push(out)
  }
  return [...outs]
    .map(([path, names]) => ({ path, outs: names }))
    .sort((a, b) => comparePaths(a.path, b.path))
}

function treeOf(input: UnpackInput | UnpackPartsInput): TreeInput {
  const { directory, memberCountMax, sourceBytesMax, paths, strip, overwrite } = input
  return { directory, memberCountMax, sourceBytesMax, paths, strip, overwrite }
}

/** Does not wait for what is under way once the signal is given: closing the sink ends that. */
function abortable(sink: TreeSink, signal: AbortSignal): TreeSink {
  const step = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    throwIfAborted(signal)
    return orAborted(work(), signal)
  }
  return {
    room: () => step(() => sink.room()),
    leave: (block: Buffer) => sink.leave(block),
    write: (block: Buffer, expected?: readonly ExpectedMember[]) =>
      step(() => sink.write(block, expected)),
    lose: (members: readonly LostMember[]) => step(() => sink.lose(members)),
    takeLinks: (countMax: number) => step(() => sink.takeLinks(countMax)),
    beginTargets: (targets: readonly LinkTarget[]) => step(() => sink.beginTargets(targets)),
    finish: () => step(() => sink.finish()),
    close: () => sink.close(),
  }
}

async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let onAbort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(interrupted())
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw interrupted()
}

function interrupted(): SpillwayError {
  return new SpillwayError('INTERRUPTED', 'the restore was interrupted')
}
