// Frames and members read back, with frames so small that headers lie on both sides of their ends, and
// with archives whose index and tar disagree though every checksum is right.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Finding, FrameStretch } from '../../src/domain/proof.ts'
import { IndexEncoder } from '../../src/pack/member-record.ts'
import type { RawIndexBlock } from '../../src/pack/member-record.ts'
import type { TarMember } from '../../src/pack/tar-header.ts'
import { extensionsOf, tarNameOf } from '../../src/pack/tar-header.ts'
import { readLayout } from '../../src/pack/verify-layout.ts'
import { BudgetSpent } from '../../src/pack/verify-source.ts'
import type { VerifySource } from '../../src/pack/verify-source.ts'
import { verifyStretch } from '../../src/pack/verify-stretch.ts'
import { randomFrom } from '../catalog/fixtures.ts'
import { file, folder, hardlink, makeTree, symlink } from '../support/tree.ts'
import { temporaryFolders, walkToTar, writeArchive } from './in-process.ts'
import type { Walked } from './in-process.ts'

const newFolder = temporaryFolders()
const EXPECTED = {
  archiveId: '01234567-89ab-7def-8123-456789abcdef',
  sha256: undefined,
  memberCount: undefined,
  sourceBytes: undefined,
}

describe('a stretch', () => {
  it.each([512, 700, 1_536, 5_000])(
    'of frames of %i bytes is proven wherever it begins and ends',
    async (frameBytes) => {
      const bytes = await archived({ frameBytes })
      const { frameCount } = await readLayout(sourceOf(bytes), EXPECTED)
      const random = randomFrom(frameBytes)

      for (let round = 0; round < 12; round += 1) {
        const firstFrame = Math.floor(random() * frameCount)
        const endFrame = firstFrame + 1 + Math.floor(random() * (frameCount - firstFrame))
        const { proven, findings, end } = await verified(sourceOf(bytes), { firstFrame, endFrame })
        expect([findings, end]).toEqual([[], 'done'])
        // At most one member's headers are left for whoever goes on from there.
        expect(proven[0]?.firstFrame ?? firstFrame).toBe(firstFrame)
        expect(contiguous(proven)).toBe(true)
        const provenTo = proven.at(-1)?.endFrame ?? firstFrame
        const left = endFrame - provenTo
        expect(left * frameBytes).toBeLessThanOrEqual(left === 0 ? 0 : 8_192)
      }
      const whole = await verified(sourceOf(bytes), { firstFrame: 0, endFrame: frameCount })
      expect(whole.proven.at(-1)?.endFrame).toBe(frameCount)
    },
  )

  it('is proven piece by piece, in as many budgets as it takes', async () => {
    const bytes = await archived({ frameBytes: 700 })
    const { frameCount } = await readLayout(sourceOf(bytes), EXPECTED)
    let at = 0
    let rounds = 0
    while (at < frameCount) {
      const layoutBytes = await readBy(bytes, (source) => readLayout(source, EXPECTED))
      const source = sourceOf(bytes, layoutBytes + 2_000)
      const { proven } = await verified(source, { firstFrame: at, endFrame: frameCount })
      expect(proven.length).toBeGreaterThan(0)
      at = proven.at(-1)!.endFrame
      rounds += 1
    }
    expect(rounds).toBeGreaterThan(2)
  })

  it('with a damaged frame loses that frame alone, and names its members', async () => {
    const bytes = await archived({ frameBytes: 1_536 })
    const layout = await readLayout(sourceOf(bytes), EXPECTED)
    for (let number = 0; number < layout.tarFrameCount; number += 1) {
      const place = layout.frames.frame(number)
      const broken = Buffer.from(bytes)
      const at = place.fileOffsetBytes + Math.floor(place.storedBytes / 2)
      broken[at] = broken[at]! ^ 0x10

      const { proven, findings } = await verified(sourceOf(broken), {
        firstFrame: 0,
        endFrame: layout.frameCount,
      })

      const members: string[] = []
      const [from, to] = [place.tarOffsetBytes, place.tarOffsetBytes + place.rawBytes]
      for await (const { path, offsetBytes, spanBytes } of layout.tail.membersFrom(''))
        if (offsetBytes < to && offsetBytes + spanBytes > from) members.push(path || '.')
      expect(findings).toMatchObject([{ frame: number, members, memberCount: members.length }])
      const frames = proven.flatMap(({ firstFrame, endFrame }) =>
        Array.from({ length: endFrame - firstFrame }, (_, index) => firstFrame + index),
      )
      const others = Array.from({ length: layout.frameCount }, (_, index) => index)
      expect(frames).toEqual(others.filter((frame) => frame !== number))
    }
  })
})

describe('an index that does not tell the truth is found, though all checksums are right:', () => {
  const lies: [string, (member: TarMember) => TarMember | undefined, string][] = [
    ['another mode', (member) => ({ ...member, mode: member.mode ^ 0o100 }), 'its mode'],
    ['another path', (member) => ({ ...member, path: `${member.path}x` }), 'its path'],
    ['another size', (member) => ({ ...member, sizeBytes: member.sizeBytes + 1 }), 'its size'],
    ['another time', (member) => ({ ...member, mtimeSeconds: 77 }), 'its mtime'],
    ['another type', (member) => ({ ...member, kind: 'fifo' }), 'its type'],
    ['a member left out', () => undefined, 'its path'],
  ]
  it.each(lies)('%s', async (_what, lie, said) => {
    const walked = recut(walkedTree(), 1_536)
    const index = indexOf(walked, (member) => (member.path === 'b/inner' ? lie(member) : member))
    const bytes = await written({ ...walked, index })
    const layout = await readLayout(sourceOf(bytes), EXPECTED)
    const stretch = { firstFrame: 0, endFrame: layout.tarFrameCount }

    const { findings } = await verified(sourceOf(bytes), stretch)

    expect(findings.length).toBeGreaterThan(0)
    expect(findings[0]?.what).toContain(said)
  })

  it('a member that the tar does not have', async () => {
    const walked = recut(walkedTree(), 1_536)
    const last = walked.members.at(-1)!
    const index = indexOf(walked, (member) => member, { ...last, path: 'zz', sizeBytes: 0 })
    const bytes = await written({ ...walked, index, memberCount: walked.memberCount + 1 })
    const layout = await readLayout(sourceOf(bytes), EXPECTED)

    const { findings } = await verified(sourceOf(bytes), {
      firstFrame: 0,
      endFrame: layout.frameCount,
    })

    expect(findings.map(({ what }) => what).join()).toContain('"zz"')
  })
})

function walkedTree(): Walked {
  const path = newFolder()
  const long = `b/${'n'.repeat(190)}`
  // Named and dated so that all of them need extensions, or none.
  makeTree(path, [
    file('a', 'first'),
    folder('b'),
    file('b/inner', 'x'.repeat(3_000), { mtimeUs: 1_700_000_000_123_456 }),
    symlink('b/link', 'inner'),
    folder(long),
    file(`${long}/${'m'.repeat(210)}`, 'long names', { mtimeUs: -1_500_000 }),
    file('c\u00e4', 'y'.repeat(20_000)),
    hardlink('d', 'a'),
    file(`z${'\u00fc'.repeat(90)}`, 'last'),
  ])
  return walkToTar(path)
}

/** The same tar in frames of another size. */
function recut(walked: Walked, frameBytes: number): Walked {
  const blocks: Buffer[] = []
  for (let at = 0; at < walked.tar.length; at += frameBytes)
    blocks.push(walked.tar.subarray(at, at + frameBytes))
  return { ...walked, blocks }
}

/** The index of a writer that makes a mistake. */
function indexOf(
  { members, tar }: Walked,
  change: (member: TarMember) => TarMember | undefined,
  more?: TarMember,
): RawIndexBlock[] {
  const index: RawIndexBlock[] = []
  const encoder = new IndexEncoder((block) => index.push(block))
  let offsetBytes = 0
  for (const member of members as readonly TarMember[]) {
    const spanBytes = spanOf(member)
    const changed = change(member)
    if (changed !== undefined) encoder.add(changed, { offsetBytes, spanBytes })
    offsetBytes += spanBytes
  }
  expect(offsetBytes).toBe(tar.length - 1_024)
  if (more !== undefined) encoder.add(more, { offsetBytes, spanBytes: 512 })
  encoder.flush()
  return index
}

function spanOf(member: TarMember): number {
  const extensions = extensionsOf(member, tarNameOf(member))
  const bodies = extensions.map(({ body }) => 512 + Math.ceil(body.length / 512) * 512)
  const content = Math.ceil(member.sizeBytes / 512) * 512
  return bodies.reduce((sum, bytes) => sum + bytes, 0) + 512 + content
}

async function archived({ frameBytes }: { readonly frameBytes: number }): Promise<Buffer> {
  return written(recut(walkedTree(), frameBytes))
}

async function written(walked: Walked): Promise<Buffer> {
  const path = join(newFolder(), 'archive.tar.zst')
  await writeArchive(walked, path)
  return readFileSync(path)
}

async function verified(source: VerifySource, stretch: FrameStretch) {
  const proven: FrameStretch[] = []
  const findings: Finding[] = []
  const layout = await readLayout(source, EXPECTED)
  const end = await verifyStretch({
    source,
    layout,
    stretch,
    sink: {
      proven: async (each) => void proven.push(each),
      found: async (each) => void findings.push(...each),
    },
  })
  return { proven, findings, end }
}

function contiguous(stretches: readonly FrameStretch[]): boolean {
  return stretches.every(
    ({ firstFrame }, index) => index === 0 || stretches[index - 1]?.endFrame === firstFrame,
  )
}

function sourceOf(bytes: Buffer, budgetBytes = Infinity): VerifySource {
  let leftBytes = budgetBytes
  const take = (size: number) => {
    if (size > leftBytes) throw new BudgetSpent('no more')
    leftBytes -= size
  }
  return {
    fileBytes: bytes.length,
    leftBytes: () => leftBytes,
    readRange: async (at, size) => {
      take(size)
      return bytes.subarray(at, at + size)
    },
    read: (at, size) => {
      take(size)
      return chunked(bytes.subarray(at, at + size))
    },
  }
}

/** In odd pieces, as a network gives them. */
async function* chunked(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 333) yield bytes.subarray(at, at + 333)
}

async function readBy(
  bytes: Buffer,
  work: (source: VerifySource) => Promise<unknown>,
): Promise<number> {
  const enough = 1e9
  const source = sourceOf(bytes, enough)
  await work(source)
  return enough - source.leftBytes()
}
