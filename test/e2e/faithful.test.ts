// What a folder has besides names and content, through the whole program: archived, found, verified, given
// back whole, in parts and after the catalog was lost; and a hole of a terabyte, which is nobody's content.

import { spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { systemCalls } from '../../src/lib/system-calls.ts'
import type { SystemCalls } from '../../src/lib/system-calls.ts'
import { file, folder, makeTree } from '../support/tree.ts'
import { temporaryFolders } from '../pack/in-process.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')
const TERABYTE = 1e12
const calls = systemCalls() as SystemCalls
const newFolder = temporaryFolders()

let base: string
beforeEach(() => {
  base = newFolder()
  makeTree(join(base, 'source'), [folder('d'), file('d/plain', 'x')])
  const image = join(base, 'source/d/image')
  const fd = fs.openSync(image, 'wx')
  for (const [at, text] of [
    [0, 'begin'],
    [TERABYTE - 3, 'end'],
  ] as const)
    fs.writeSync(fd, text, at)
  fs.closeSync(fd)
  fs.linkSync(image, join(base, 'source/z-link'))
  calls.writeAttribute(image, 'user.of-image', Buffer.from('kept'))
  calls.setTimes(image, 1_600_000_000, 123_456_789)
  fs.mkdirSync(join(base, 'store'))
  const lines = [
    ...['SERVER_ID=host', `DATA_DIR=${base}/data`, `S3_SERVER_1_ENDPOINT=file://${base}/store`],
    ...[`SOURCE_1_PATH=${base}/source`, 'SOURCE_1_NAME=docs'],
  ]
  fs.writeFileSync(join(base, '.env'), `${lines.join('\n')}\n`, { mode: 0o600 })
  expect(spillway('run')).toMatchObject({ status: 0 })
})

function spillway(...args: string[]) {
  const argv = [PROGRAM, ...args, '--config', join(base, '.env')]
  return spawnSync(process.execPath, argv, { encoding: 'utf8', env: { PATH: process.env['PATH'] } })
}

function expectImage(path: string): void {
  const { size, mtimeNs, blocks } = fs.statSync(path, { bigint: true })
  expect({ size, mtimeNs }).toEqual({
    size: BigInt(TERABYTE),
    mtimeNs: 1_600_000_000_123_456_789n,
  })
  expect(blocks).toBeLessThan(100n)
  expect(calls.readAttribute(path, 'user.of-image').toString()).toBe('kept')
  const fd = fs.openSync(path, 'r')
  const end = Buffer.alloc(8)
  fs.readSync(fd, end, 0, 8, TERABYTE - 8)
  fs.closeSync(fd)
  expect(end.toString()).toBe('\0\0\0\0\0end')
}

it('comes back whole, in parts, by a link alone, and after the catalog was lost', () => {
  expect(spillway('restore', 'latest:docs', '--to', join(base, 'whole')).status).toBe(0)
  expectImage(join(base, 'whole/d/image'))
  expect(fs.statSync(join(base, 'whole/z-link')).nlink).toBe(2)

  expect(spillway('restore', 'latest:docs', 'd/image', '--to', join(base, 'part')).status).toBe(0)
  expectImage(join(base, 'part/d/image'))

  expect(spillway('restore', 'latest:docs', 'z-link', '--to', join(base, 'link')).status).toBe(0)
  expectImage(join(base, 'link/z-link'))

  fs.rmSync(join(base, 'data'), { recursive: true })
  expect(spillway('reconcile', '--rebuild')).toMatchObject({ status: 0, stderr: '' })
  expect(spillway('restore', 'latest:docs', '--to', join(base, 'again')).status).toBe(0)
  expectImage(join(base, 'again/d/image'))
}, 120_000)

it('is proven, is listed with its size, and counts with its data', () => {
  expect(spillway('verify', '--deep')).toMatchObject({ status: 0 })
  const found = JSON.parse(spillway('find', 'image', '--json').stdout) as unknown
  expect(JSON.stringify(found)).toContain(`"sizeBytes":${TERABYTE}`)

  const [before] = archives()
  expect(before?.sourceBytes).toBeLessThan(100_000)
  fs.truncateSync(join(base, 'source/d/image'), 2 * TERABYTE)
  expect(spillway('run').status).toBe(0)
  const [newer, older] = archives()
  const diff = spillway('diff', older!.id, newer!.id).stdout
  expect(diff).toMatch(/d\/image/)
  const versions = spillway('history', 'd/image', '--json').stdout
  expect(versions).toContain(`"sizeBytes": ${TERABYTE},`)
  expect(versions).toContain(`"sizeBytes": ${2 * TERABYTE},`)
}, 120_000)

it('is written by cat until somebody has enough', async () => {
  const argv = [PROGRAM, 'cat', 'latest:docs', 'd/image', '--config', join(base, '.env')]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'exit')
  try {
    let bytes = 0
    await new Promise<void>((resolve) =>
      child.stdout.on('data', (piece: Buffer) => {
        bytes += piece.length
        if (bytes > 8e6) resolve()
      }),
    )
    child.kill('SIGINT')
    // At a gigabyte a second the rest would take a quarter of an hour.
    expect(await Promise.race([ended, after(10_000)])).toEqual([130, null])
  } finally {
    child.kill('SIGKILL')
  }
}, 60_000)

function archives() {
  const { archives } = JSON.parse(spillway('list', '--json').stdout) as {
    archives: readonly { readonly id: string; readonly sourceBytes: number }[]
  }
  return archives
}

async function after(ms: number): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve('it goes on'), ms).unref())
}
