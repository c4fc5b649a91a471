// Random trees, packed and extracted by GNU tar, then compared byte for byte. The seed is printed
// with a failure; SPILLWAY_TEST_SEED repeats it.

import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import { readFileSync } from 'node:fs'
import { describeTree, file, folder, hardlink, makeTree, symlink } from '../support/tree.ts'
import type { TreeEntry } from '../support/tree.ts'
import { outputOf, temporaryFolders, walkToTar, writeArchive } from './in-process.ts'

const newFolder = temporaryFolders()

const given = process.env['SPILLWAY_TEST_SEED']
const firstSeed = given === undefined ? Date.now() % 1_000_000_000 : Number(given)
const seeds = Array.from({ length: given === undefined ? 12 : 1 }, (_, n) => firstSeed + n)

it.each(seeds)('a random tree comes back as it was (seed %i) [F56]', async (seed) => {
  const source = newFolder()
  const target = newFolder()
  const archivePath = join(newFolder(), 'archive.tar.zst')
  makeTree(source, randomTree(random(seed)))

  const walked = walkToTar(source, { openFoldersMax: 2 }, 700)
  await writeArchive(walked, archivePath, { indexPayloadMax: 2_000 })

  outputOf('tar', ['--zstd', '-xpf', archivePath, '-C', target])
  expect(describeTree(target)).toEqual(describeTree(source))
  const bytes = readFileSync(archivePath)
  const tail = await openArchiveTail(
    async (offset, size) => bytes.subarray(offset, offset + size),
    bytes.length,
  )
  for (const { path, kind } of walked.members)
    expect(await tail.findMember(path)).toMatchObject({ path, kind })
})

type Random = (below: number) => number

function randomTree(next: Random): TreeEntry[] {
  const folders: Buffer[] = [Buffer.alloc(0)]
  const files: Buffer[] = []
  const entries: TreeEntry[] = []
  const taken = new Set<string>()
  const count = 5 + next(120)
  while (entries.length < count) {
    const parent = folders[next(folders.length)]!
    const path = Buffer.concat([parent, parent.length > 0 ? Buffer.from('/') : parent, name(next)])
    // GNU tar cannot open longer ones.
    if (path.length > 3_500 || taken.has(path.toString('latin1'))) continue
    taken.add(path.toString('latin1'))
    const more = {
      mode: next(0o1000) | 0o600,
      mtimeUs: next(1_500_000_000) * 1_000_000 + next(1_000_000),
    }
    const dice = next(10)
    if (dice < 3) {
      folders.push(path)
      entries.push(folder(path, { ...more, mode: more.mode | 0o700 }))
    } else if (dice < 8 || files.length === 0) {
      files.push(path)
      entries.push(file(path, content(next), more))
    } else if (dice === 8) entries.push(symlink(path, target(next)))
    else entries.push(hardlink(path, files[next(files.length)]!))
  }
  return entries
}

function name(next: Random): Buffer {
  const length = [1 + next(5), 1 + next(40), 95 + next(12), 255][next(4)]!
  const alphabet = [0x61, 0x62, 0x2e, 0x20, 0x0a, 0xc3, 0xbc, 0xff, 0x2d, 0x5c, 0x01, 0x7a]
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 1) bytes[at] = alphabet[next(alphabet.length)]!
  return /^\.{1,2}$/.test(bytes.toString('latin1')) ? Buffer.from('dots') : bytes
}

function target(next: Random): Buffer {
  return Buffer.concat(Array.from({ length: 1 + next(4) }, () => name(next)))
}

function content(next: Random): Buffer {
  const size = [0, next(600), 512 * next(10), next(70_000), next(6_000_000)][next(5)]!
  return Buffer.alloc(size, `${next(1_000_000)} `)
}

/** mulberry32: 32 bits of state are plenty for a tree. */
function random(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}
