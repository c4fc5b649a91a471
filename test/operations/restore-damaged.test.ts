// A restore from one copy that rots, wherever it does: what is whole comes back, what is not is named, and nothing
// wrong is given out. (That each flipped byte is found is verify's: verify.test.ts.)

import { randomBytes, randomInt } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { restoreCommand } from '../../src/cli/commands/restore.ts'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import { Random } from '../soak/random.ts'
import { commandLine } from '../support/command-line.ts'
import { ReadBack } from '../support/read-back.ts'
import { describeTree, file, folder, hardlink, removeTree, symlink } from '../support/tree.ts'

const MIB = 1024 * 1024
const SEED = Number(process.env['SEED'] ?? randomInt(1_000_000))
const ROUNDS = Number(process.env['ROUNDS'] ?? 24)

let there: ReadBack
afterEach(async () => {
  removeTree(join(there.folder, 'restored'))
  await there.close()
})

it('a byte that rots loses no more than the members of its frame, and none behind the frames', async () => {
  const archive = await oneArchive()
  for (let round = 0; round < ROUNDS; round += 1) {
    const at = round % 2 === 0 ? archive.inTheTar() : archive.behindIt()
    const say = `byte ${at}, SEED=${SEED}`
    const ran = await archive.restoreWith([at])
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

it('with a second one behind the frames, what is in front of the damage comes back', async () => {
  const archive = await oneArchive()
  for (let round = 0; round < ROUNDS / 2; round += 1) {
    const places = [archive.inTheTar(), archive.behindIt()]
    const say = `bytes ${places.join(' and ')}, SEED=${SEED}`
    const ran = await archive.restoreWith(places)
    expect(ran.exit, say).toBe(31)
    expect(ran.err.join('\n'), say).toMatch(/^lost: |docs-[\d-]+\.tar\.zst.* \[ARCHIVE_CORRUPT\]/mu)
    const files = described(to()).filter((line) => !line.includes(' folder '))
    expect(archive.source, say).toEqual(expect.arrayContaining(files))
    if (places[0]! >= archive.secondFrame) expect(files.join(), say).toContain('0-in-front')
    removeTree(to())
  }
}, 120_000)

const to = () => join(there.folder, 'restored')

/** Nothing, where nothing is. A hard link is told by its content: its other name may be lost. */
function described(root: string): readonly string[] {
  return existsSync(root) ? describeTree(root).map((line) => line.replace(/ =\S+$/, '')) : []
}

/** Three frames, of noise and of text. */
async function oneArchive() {
  const tree = [
    file('0-in-front', 'whole, unless the first frame is not'),
    file('a', randomBytes(3 * MIB)),
    folder('b'),
    file('b/noise', randomBytes(2 * MIB)),
    file('b/text', text(6 * MIB)),
    hardlink('c', 'a'),
    symlink('d', 'b/text'),
    file('e', 'the end'),
  ]
  there = await ReadBack.make({ tree, servers: ['directory'] })
  const path = there.pathOf(1)
  const whole = readFileSync(path)
  const read = async (at: number, size: number) => whole.subarray(at, at + size)
  const frames = await (await openArchiveTail(read, whole.length)).frames()
  const startOf = (number: number) => frames.frame(number).fileOffsetBytes
  const tarEnd = startOf(frames.tarFrameCount)
  const random = new Random(SEED)
  return {
    source: described(there.source),
    tarEnd,
    secondFrame: startOf(1),
    behindIt: () => random.between(tarEnd, whole.length - 1),
    /** As often in the first bytes of a frame, which say how it is to be read. */
    inTheTar: () =>
      random.chance(0.5)
        ? random.between(0, tarEnd - 1)
        : startOf(random.between(0, frames.tarFrameCount - 1)) + random.between(0, 13),
    restoreWith: async (places: readonly number[]) => {
      const bytes = Buffer.from(whole)
      for (const at of places) bytes[at]! ^= random.between(1, 255)
      writeFileSync(path, bytes)
      const argv = ['restore', 'latest:docs', `--to=${to()}`]
      return commandLine([restoreCommand], () => there.open(), argv)
    },
  }
}

function text(bytes: number): Buffer {
  return Buffer.from('all work and no play '.repeat(bytes / 20)).subarray(0, bytes)
}
