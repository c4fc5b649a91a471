// What is archived. But for the small files, which are a real folder, all of it is made here, the same on every machine.

import { execFileSync } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { formatBytes } from '../../src/domain/sizes.ts'
import { formatCount } from '../../src/cli/output.ts'
import type { DataSetRecord, Operation } from './results.ts'
import { SampleText } from './sample-text.ts'

export type DataSet = DataSetRecord & {
  readonly folder: string
  /** The path of the one file that is restored alone, below `folder`. */
  readonly member: string
}

export type DataSetPlan = {
  readonly id: string
  readonly operations: readonly Operation[]
  readonly title: (size: string, files: string) => string
  /** Makes it in a folder that is there and empty, or names another one. */
  readonly make: (folder: string, scale: number, files: string) => string | void
}

const ALL_OF_IT: readonly Operation[] = ['archive', 'restore', 'verify']
const DUMP_BYTES = 1_500_000_000
const NOISE_BYTES = 1_000_000_000
const TINY_FOLDERS = 1_000
const TINY_FILES_EACH = 1_000
const TINY_BYTES_MAX = 200
const PARTS = 1_500
const PARTS_EACH = 100
const PART_BYTES = 1_000_000
// In the middle of the parts, whether they are read in order of their names or not.
const MEMBER = 'parts-07/wanted.json'
const MEMBER_BYTES = 10_000
const WRITE_BYTES = 4_000_000

export const DATA_SETS: readonly DataSetPlan[] = [
  {
    id: 'files',
    operations: ALL_OF_IT,
    title: (size, files) => `${files} small files, ${size}`,
    make: (folder, scale, files) => (scale >= 1 ? files : takePart(files, folder, scale)),
  },
  {
    id: 'dump',
    operations: ALL_OF_IT,
    title: (size) => `one dump, ${size}`,
    make: (folder, scale) => {
      const text = new SampleText()
      writeChunks(join(folder, 'shop.sql'), DUMP_BYTES * scale, (bytes) => text.take(bytes))
    },
  },
  {
    id: 'noise',
    operations: ALL_OF_IT,
    title: (size) => `noise, ${size}`,
    make: (folder, scale) => {
      const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16))
      const noise = (bytes: number) => stream.update(Buffer.alloc(bytes))
      writeChunks(join(folder, 'noise.bin'), NOISE_BYTES * scale, noise)
    },
  },
  {
    id: 'tiny',
    operations: ALL_OF_IT,
    title: (size, files) => `${files} tiny files, ${size}`,
    make: makeTiny,
  },
  {
    id: 'parts',
    operations: ['one-file'],
    title: (size, files) => `10 kB out of ${files} files, ${size}`,
    make: makeParts,
  },
]

export function makeDataSet(input: {
  readonly plan: DataSetPlan
  readonly scale: number
  /** The folder of small files. */
  readonly files: string
  readonly into: string
}): DataSet {
  const { plan, scale, files, into } = input
  mkdirSync(into)
  const folder = plan.make(into, scale, files) ?? into
  const { fileCount, bytes } = sizeOf(folder)
  const title = plan.title(formatBytes(bytes), formatCount(fileCount))
  return { id: plan.id, title, fileCount, bytes, folder, member: MEMBER }
}

function sizeOf(folder: string): { fileCount: number; bytes: number } {
  const script = `find "$1" -type f -printf '%s\\n' | awk '{ bytes += $1 } END { printf "%d %d", NR, bytes }'`
  const text = execFileSync('bash', ['-c', script, 'size', folder], { encoding: 'utf8' })
  const [fileCount = 0, bytes = 0] = text.split(' ').map(Number)
  if (fileCount === 0) throw new Error(`${folder} has no files`)
  return { fileCount, bytes }
}

/** Every n-th file of a folder, where all of them would take too long for a try. */
function takePart(from: string, to: string, scale: number): void {
  const every = Math.round(1 / scale)
  const script =
    'cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | sed -zn "0~$3p" | ' +
    'xargs -0 --no-run-if-empty cp -a --parents -t "$2"'
  execFileSync('bash', ['-c', `set -eo pipefail; ${script}`, 'part', from, to, String(every)])
}

function writeChunks(path: string, bytes: number, next: (bytes: number) => Buffer): void {
  const file = openSync(path, 'wx')
  for (let left = Math.round(bytes); left > 0;) {
    const chunk = next(Math.min(left, WRITE_BYTES))
    for (let done = 0; done < chunk.length;) done += writeSync(file, chunk, done)
    left -= chunk.length
  }
  closeSync(file)
}

function makeTiny(folder: string, scale: number): void {
  const text = new SampleText()
  const content = text.take(WRITE_BYTES)
  const folders = Math.max(1, Math.round(TINY_FOLDERS * scale))
  for (let at = 0; at < folders; at += 1) {
    const below = join(folder, `folder-${String(at).padStart(3, '0')}`)
    mkdirSync(below)
    for (let file = 0; file < TINY_FILES_EACH; file += 1) {
      const from = text.random(content.length - TINY_BYTES_MAX)
      const bytes = content.subarray(from, from + text.random(TINY_BYTES_MAX + 1))
      writeFileSync(join(below, `entry-${String(file).padStart(3, '0')}.txt`), bytes)
    }
  }
}

function makeParts(folder: string, scale: number): void {
  const text = new SampleText()
  const parts = Math.max(1, Math.round(PARTS * scale))
  // At any scale there are fifteen folders, so that the wanted file lies in the middle.
  const each = Math.ceil((parts * PARTS_EACH) / PARTS)
  for (let at = 0; at < parts; at += 1) {
    const below = join(folder, `parts-${String(Math.floor(at / each)).padStart(2, '0')}`)
    mkdirSync(below, { recursive: true })
    writeFileSync(join(below, `part-${String(at).padStart(4, '0')}.sql`), text.take(PART_BYTES))
  }
  mkdirSync(join(folder, MEMBER, '..'), { recursive: true })
  writeFileSync(join(folder, MEMBER), text.take(MEMBER_BYTES))
}
