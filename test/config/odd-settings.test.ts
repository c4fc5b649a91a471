// Settings that nobody writes by mistake: names of what every object has, values of any bytes, files without end.

import fc from 'fast-check'
import { join } from 'node:path'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { SpillwayError } from '../../src/domain/errors.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-odd-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'S3_SERVER_1_ENDPOINT',
  'S3_SERVER_1___proto__',
  'S3_SERVER_99999999999999999999_BUCKET',
  'S3_SERVER_1_constructor',
  'SOURCE_1_PATH',
  'SOURCE_1_KEEP_LAST',
  'SOURCE_0_PATH',
  'KEEP_LAST',
  'NOTIFY_1_URL',
  'SCHEDULE',
]

it('are told or taken, whatever they are, and change no object of ours [F105]', () => {
  const value = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.constantFrom('{"__proto__":1}', '\u0000', '1e999', '-0', '${HOME}', '`id`', '9'.repeat(400)),
  )
  let refused = 0
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...NAMES), value), (entries) => {
      const lines = Object.entries(entries).map(([name, text]) => `${name}=${text}\n`)
      writeFileSync(join(folder, '.env'), lines.join(''), { mode: 0o600 })
      try {
        const { config } = loadConfig({ env: {}, cwd: folder })
        expect(Object.getPrototypeOf(config)).toBe(Object.prototype)
      } catch (error) {
        if (!(error instanceof SpillwayError)) throw error
        expect(error.failure.exit).toBe(4)
        refused += 1
      }
      expect(Object.keys(Object.prototype)).toEqual([])
    }),
    { numRuns: 500 },
  )
  expect(refused).toBeGreaterThan(50)
})
