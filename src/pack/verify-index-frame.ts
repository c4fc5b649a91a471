// A skippable frame of the index, read back: its header, and each block in it against its hash, its
// size and what it must hold. Blocks must fill the frame: a byte that belongs to none is wrong, too.

import type { Finding } from '../domain/proof.ts'
import { giveBack } from './give-back.ts'
import type { StoredBlock } from './index-directory.ts'
import { comparePaths } from './member-record.ts'
import { INDEX_MAGIC, SKIPPABLE_HEADER_BYTES, skippableHeader } from './skippable-frame.ts'
import { rangeOf } from './verify-layout.ts'
import type { ArchiveLayout } from './verify-layout.ts'
import { decodeBlock } from './verify-member-index.ts'
import { asBuffer, corrupt, isDamage, readIndexBlock } from './verify-source.ts'
import type { VerifySource } from './verify-source.ts'

type PlacedBlock = StoredBlock & {
  readonly check: (bytes: Buffer) => void
  readonly about: string
}

/** What is wrong with it; []: nothing. */
export async function checkIndexFrame(
  source: VerifySource,
  layout: ArchiveLayout,
  number: number,
): Promise<readonly Finding[]> {
  const { fromByte, toByte } = rangeOf(layout.frames, number)
  const findings: Finding[] = []
  const found = (from: number, to: number, what: string) =>
    findings.push({
      place: 'frame',
      frame: number,
      fromByte: from,
      toByte: to,
      what: `index: ${what}`,
      memberCount: 0,
      members: [],
    })
  const header = asBuffer(await source.readRange(fromByte, SKIPPABLE_HEADER_BYTES))
  const payloadBytes = toByte - fromByte - SKIPPABLE_HEADER_BYTES
  if (!header.equals(skippableHeader(INDEX_MAGIC, payloadBytes)))
    found(fromByte, fromByte + SKIPPABLE_HEADER_BYTES, 'the header of its frame is damaged')
  let at = fromByte + SKIPPABLE_HEADER_BYTES
  for (const block of blocksIn(layout, fromByte, toByte)) {
    const end = block.fileOffsetBytes + block.storedBytes
    if (block.fileOffsetBytes !== at)
      found(
        at,
        Math.max(at, block.fileOffsetBytes),
        'no block of it begins where the last one ends',
      )
    at = end
    try {
      const bytes = await readIndexBlock(source, block)
      block.check(bytes)
      giveBack(bytes)
    } catch (error) {
      if (!isDamage(error)) throw error
      found(block.fileOffsetBytes, end, `${error.message} (${block.about})`)
    }
  }
  if (at !== toByte) found(Math.min(at, toByte), toByte, 'bytes of its frame belong to no block')
  return findings
}

function blocksIn(layout: ArchiveLayout, fromByte: number, toByte: number): PlacedBlock[] {
  const { members, hashes } = layout.directory
  const { tarBytes, directory } = layout.tail.manifest
  const inside = ({ fileOffsetBytes }: { fileOffsetBytes: number }) =>
    fileOffsetBytes >= fromByte && fileOffsetBytes < toByte
  const blocks: PlacedBlock[] = []
  for (const [number, block] of members.entries()) {
    if (!inside(block)) continue
    // Only the two records of zeros follow the last member.
    const endOffset = members[number + 1]?.firstOffsetBytes ?? tarBytes - 1_024
    const about = `${block.memberCount} members from ${JSON.stringify(block.firstPath)} on`
    const check = (bytes: Buffer) => checkMembers(decodeBlock(block, bytes), endOffset)
    blocks.push({ ...block, check, about })
  }
  const alreadyCounted = () => {}
  for (const block of hashes)
    if (inside(block))
      blocks.push({
        ...block,
        check: alreadyCounted,
        about: `SHA-256 of ${block.frameCount} frames`,
      })
  for (const piece of directory) {
    if (!inside(piece)) continue
    const sha256 = Buffer.from(piece.sha256, 'hex')
    blocks.push({ ...piece, sha256, check: alreadyCounted, about: 'its directory' })
  }
  return blocks.toSorted((a, b) => a.fileOffsetBytes - b.fileOffsetBytes)
}

/** In their order, each once, and without a gap between them. */
function checkMembers(members: ReturnType<typeof decodeBlock>, endOffset: number): void {
  for (const [number, member] of members.entries()) {
    const before = members[number - 1]
    if (before !== undefined && comparePaths(before.path, member.path) >= 0)
      throw corrupt(`the member ${JSON.stringify(member.path)} is not in its place`)
  }
  const last = members.at(-1)
  if (last !== undefined && last.offsetBytes + last.spanBytes !== endOffset)
    throw corrupt(`the member ${JSON.stringify(last.path)} does not end where the next one begins`)
}
