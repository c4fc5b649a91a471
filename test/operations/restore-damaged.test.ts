// A restore from one copy that rots, wherever it does: what is whole comes back, what is not is named, and nothing
// wrong is given out. (That each flipped byte is found is verify's: verify.test.ts.)

import { randomBytes, randomInt } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { restoreCommand } from '../../src/cli/commands/restore.ts'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import { Random } from '../soak/random.ts'
import { commandLine } from '../support/command-line.ts'
import { ReadBack } from '../support/read-back.ts'
import { describeTree, file, folder, hardlink, removeTree, symlink } from '../support/tree.ts'
import type { TreeEntry } from '../support/tree.ts'

const MIB = 1024 * 1024
const SEED = Number(process.env['SEED'] ?? randomInt(1_000_000))
const ROUNDS = Number(process.env['ROUNDS'] ?? 24)

let there: ReadBack
afterEach(async () => {
  removeTree(join(there.folder, 'restored'))
  await there.close()
})

it('what a byte that rots takes away is named, and all else comes back; behind the frames it takes nothing', async () => {
  const archive = await oneArchive()
  for (let round = 0; round < ROUNDS; round += 1) {
    const place = round % 2 === 0 ? archive.inTheTar() : archive.behindIt()
    const [at] = place
    const say = `${JSON.stringify(place)}, SEED=${SEED}`
    const ran = await archive.restoreWith(place)
    const lost = ran.err.flatMap((line) => /^lost: (.*)/.exec(line)?.[1] ?? [])
    const restored = described(to())
    if (at >= archive.tarEnd) {
      expect([0, 3], say).toContain(ran.exit)
      expect(restored, say).toEqual(archive.source)
    } else {
      expect(ran.exit, say).toBe(31)
      expect(lost.length, say).toBeGreaterThan(0)
      const isLost = (line: string) => lost.includes(line.split(' ')[0]!)
      expect(restored, say).toEqual(archive.source.filter((line) => !isLost(line)))
    }
    removeTree(to())
  }
}, 120_000)

describe('with a second one behind the frames', () => {
  /** Returns the files that came back. */
  const restoredFrom = async (
    archive: Awaited<ReturnType<typeof oneArchive>>,
    places: readonly Place[],
  ): Promise<string> => {
    const say = `${JSON.stringify(places)}, SEED=${SEED}`
    const ran = await archive.restoreWith(...places)
    expect(ran.exit, say).toBe(31)
    expect(ran.err.join('\n'), say).toMatch(/^lost: |docs-[\d-]+\.tar\.zst.* \[ARCHIVE_CORRUPT\]/mu)
    const files = described(to()).filter((line) => !line.includes(' folder '))
    expect(archive.source, say).toEqual(expect.arrayContaining(files))
    removeTree(to())
    return files.join()
  }

  it('what is in front of the damage comes back, and no half file', async () => {
    const archive = await oneArchive()
    const behindBytes = archive.sizeBytes - archive.tarEnd
    for (let eighth = 0; eighth < 8; eighth += 1) {
      const behind = [archive.tarEnd + Math.floor((behindBytes * eighth) / 8), 0x55] as const
      // In its content; and in its header, as if it needed a dictionary.
      for (const place of [
        [archive.secondFrame + 1_000, 0x55],
        [archive.secondFrame + 4, 0x03],
      ] as const)
        expect(await restoredFrom(archive, [place, behind])).toContain('0-in-front')
    }
  })

  it('nothing wrong is given out, wherever they are', async () => {
    const archive = await oneArchive()
    for (let round = 0; round < ROUNDS / 2; round += 1) {
      const place = archive.inTheTar()
      const files = await restoredFrom(archive, [place, archive.behindIt()])
      if (place[0] >= archive.secondFrame) expect(files).toContain('0-in-front')
    }
  }, 120_000)

  it('what was lost before the index fails, too, is named', async () => {
    // More than one block of the index.
    const names = Array.from({ length: 12_000 }, (_, at) => `${at}-${'n'.repeat(200)}`)
    const archive = await oneArchive(names.map((name) => file(name, '')))
    const told: string[] = []
    for (const sixteenth of [12, 13, 14]) {
      const { sizeBytes, tarEnd } = archive
      const ran = await archive.restoreWith(
        [archive.secondFrame + 1_000, 0x55],
        [archive.lastFrame + 1_000, 0x55],
        [tarEnd + Math.floor(((sizeBytes - tarEnd) * sixteenth) / 16), 0x55],
      )
      expect(ran.exit).toBe(31)
      told.push(ran.err.join())
      removeTree(to())
    }
    expect(told.join()).toMatch(/\d+ members in front of it are lost, too: \d+-n+, \d+-n+/)
  }, 120_000)
})

/** A byte, and which of its bits are others. */
type Place = readonly [at: number, bits: number]

const to = () => join(there.folder, 'restored')

/** Nothing, where nothing is. A hard link is told by its content: its other name may be lost. */
function described(root: string): readonly string[] {
  return existsSync(root) ? describeTree(root).map((line) => line.replace(/ =\S+$/, '')) : []
}

const TREE = (): readonly TreeEntry[] => [
  file('0-in-front', 'whole, unless the first frame is not'),
  file('a', randomBytes(3 * MIB)),
  folder('b'),
  file('b/noise', randomBytes(2 * MIB)),
  file('b/text', text(6 * MIB)),
  hardlink('c', 'a'),
  symlink('d', 'b/text'),
  file('e', 'the end'),
]

/** Three frames, of noise and of text, unless another tree is given. */
async function oneArchive(tree = TREE()) {
  there = await ReadBack.make({ tree, servers: ['directory'] })
  const path = there.pathOf(1)
  const whole = readFileSync(path)
  const read = async (at: number, size: number) => whole.subarray(at, at + size)
  const frames = await (await openArchiveTail(read, whole.length)).frames()
  const startOf = (number: number) => frames.frame(number).fileOffsetBytes
  const tarEnd = startOf(frames.tarFrameCount)
  const random = new Random(SEED)
  const anyBits = (at: number): Place => [at, random.between(1, 255)]
  return {
    source: described(there.source),
    sizeBytes: whole.length,
    tarEnd,
    secondFrame: startOf(1),
    lastFrame: startOf(frames.tarFrameCount - 1),
    behindIt: () => anyBits(random.between(tarEnd, whole.length - 1)),
    /** As often in the first bytes of a frame, which say how it is to be read. */
    inTheTar: () =>
      anyBits(
        random.chance(0.5)
          ? random.between(0, tarEnd - 1)
          : startOf(random.between(0, frames.tarFrameCount - 1)) + random.between(0, 13),
      ),
    restoreWith: async (...places: readonly Place[]) => {
      const bytes = Buffer.from(whole)
      for (const [at, bits] of places) bytes[at]! ^= bits
      writeFileSync(path, bytes)
      const argv = ['restore', 'latest:docs', `--to=${to()}`]
      return commandLine([restoreCommand], () => there.open(), argv)
    },
  }
}

function text(bytes: number): Buffer {
  return Buffer.from('all work and no play '.repeat(bytes / 20)).subarray(0, bytes)
}
