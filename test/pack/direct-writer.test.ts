// The spool file past the page cache: what lies on disk is what was appended, wherever steps end, on a
// file system that can do it (/tmp, mostly) and on one that may not (/dev/shm).

import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { SpoolFile } from '../../src/pack/spool-file.ts'

const STEP_BYTES = 2 * 1024 * 1024
const bytes = randomBytes(3 * STEP_BYTES)
const folders: string[] = []

afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })))

describe.each(['/dev/shm', tmpdir()].filter((root) => existsSync(root)))('in %s', (root) => {
  it.each([
    { what: 'nothing', pieces: [] },
    { what: 'less than a step', pieces: [1, 4_095] },
    { what: 'exactly a step', pieces: [STEP_BYTES] },
    { what: 'pieces that end anywhere', pieces: [5, STEP_BYTES, 999_999, 1, STEP_BYTES - 7] },
    { what: 'a piece of several steps', pieces: [3, 2 * STEP_BYTES + 1] },
  ])('$what is on disk as it was appended', ({ pieces }) => {
    const folder = mkdtempSync(join(root, 'spillway-direct-'))
    folders.push(folder)
    const path = join(folder, 'archive')
    const file = SpoolFile.create(path)
    file.bypassCache()
    let appended = 0
    for (const piece of pieces) {
      file.append(bytes.subarray(appended, appended + piece))
      appended += piece

      // An upload reads as far as this, and not beyond it.
      const readable = bytes.subarray(0, file.readableBytes)
      expect(file.bytes - file.readableBytes).toBeLessThan(STEP_BYTES)
      expect(readFileSync(path).equals(readable)).toBe(true)
    }
    file.sync()
    file.close()

    expect(file.readableBytes).toBe(appended)
    expect(readFileSync(path).equals(bytes.subarray(0, appended))).toBe(true)
  })
})
