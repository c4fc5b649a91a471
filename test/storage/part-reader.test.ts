// The part reader with its real thread: what it hands over is what lies in the file, whatever the size.

import { createHash, randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPartReader } from '../../src/compose-part-reader.ts'
import { PART_BUFFER_BYTES_MAX } from '../../src/storage/part-reader.ts'
import type { PartReader } from '../../src/storage/part-reader.ts'
import { collect, failureFrom } from '../support/storages.ts'

const bytes = randomBytes(PART_BUFFER_BYTES_MAX + 3_000_000)
let folder: string
let path: string
let reader: PartReader

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spillway-parts-'))
  path = join(folder, 'archive')
  await writeFile(path, bytes)
  reader = createPartReader()
})
afterAll(async () => {
  await reader.close()
  await rm(folder, { recursive: true })
})

describe('the part reader', () => {
  it.each([
    { what: 'the first bytes', offsetBytes: 0, sizeBytes: 1_000 },
    { what: 'bytes in the middle', offsetBytes: 999_999, sizeBytes: 2_500_000 },
    { what: 'the largest part that is a buffer', offsetBytes: 1, sizeBytes: PART_BUFFER_BYTES_MAX },
    {
      what: 'a part that is read again while it is sent',
      offsetBytes: 0,
      sizeBytes: PART_BUFFER_BYTES_MAX + 1,
    },
    { what: 'everything', offsetBytes: 0, sizeBytes: bytes.length },
    { what: 'nothing', offsetBytes: 5, sizeBytes: 0 },
  ])('reads and hashes $what', async ({ offsetBytes, sizeBytes }) => {
    const expected = bytes.subarray(offsetBytes, offsetBytes + sizeBytes)
    const body = await reader.readPart({ path, offsetBytes, sizeBytes })

    expect(body.sizeBytes).toBe(sizeBytes)
    expect(hex(body.md5)).toBe(createHash('md5').update(expected).digest('hex'))
    // Twice: a repeat opens it again.
    for (let times = 0; times < 2; times += 1)
      expect((await collect(body.open())).equals(expected)).toBe(true)
  })

  it('gives chunks that progress and rate limits can work with', async () => {
    for (const sizeBytes of [PART_BUFFER_BYTES_MAX, bytes.length]) {
      const body = await reader.readPart({ path, offsetBytes: 0, sizeBytes })
      for await (const chunk of body.open()) expect(chunk.length).toBeLessThanOrEqual(256 * 1024)
    }
  })

  it('reads a file that still grows', async () => {
    const growing = join(folder, 'growing')
    await writeFile(growing, 'one')
    const first = await reader.readPart({ path: growing, offsetBytes: 0, sizeBytes: 3 })
    await appendFile(growing, 'two')
    const second = await reader.readPart({ path: growing, offsetBytes: 3, sizeBytes: 3 })
    expect((await collect(first.open())).toString()).toBe('one')
    expect((await collect(second.open())).toString()).toBe('two')
  })

  it('says when the file is shorter than asked, or gone', async () => {
    const beyond = reader.readPart({ path, offsetBytes: bytes.length - 10, sizeBytes: 11 })
    expect(await failureFrom(beyond)).toMatchObject({ code: 'SPOOL_FAILED' })
    const missing = reader.readPart({ path: join(folder, 'none'), offsetBytes: 0, sizeBytes: 1 })
    const failure = await failureFrom(missing)
    expect(failure).toMatchObject({ code: 'SPOOL_FAILED', facts: { code: 'ENOENT' } })
    expect(failure.message).toContain(join(folder, 'none'))
  })

  it('says when the file becomes shorter between reading and sending', async () => {
    const shrinking = join(folder, 'shrinking')
    await writeFile(shrinking, bytes)
    const body = await reader.readPart({ path: shrinking, offsetBytes: 0, sizeBytes: bytes.length })
    await truncate(shrinking, bytes.length - 1)
    expect(await failureFrom(collect(body.open()))).toMatchObject({ code: 'SPOOL_FAILED' })
  })

  it('leaves nobody waiting when it is closed', async () => {
    const other = createPartReader()
    const part = failureFrom(other.readPart({ path, offsetBytes: 0, sizeBytes: bytes.length }))
    await other.close()
    expect((await part).message).toContain('closed')
    expect(
      await failureFrom(other.readPart({ path, offsetBytes: 0, sizeBytes: 1 })),
    ).toBeInstanceOf(Error)
  })
})

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex')
}
