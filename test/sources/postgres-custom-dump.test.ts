// Dumps of pg_dump --format=custom as they pass: a whole one is accepted however it is cut into pieces, and
// no part of one is, wherever it ends. The dump is a real one, of PostgreSQL 15.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CustomDumpReader } from '../../src/sources/postgres-custom-dump.ts'
import type { FoundInOutput } from '../../src/sources/output-format.ts'

const DUMP = readFileSync(join(import.meta.dirname, '../fixtures/dumps/postgres-15.dump'))

function read(bytes: Buffer, pieceBytes = bytes.length): FoundInOutput {
  const reader = new CustomDumpReader()
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    // As the packing thread has it: what was seen is overwritten.
    const piece = Buffer.from(bytes.subarray(at, at + pieceBytes))
    reader.see(piece)
    piece.fill(0xee)
  }
  return reader.end()
}

function changed(at: number, byte: number): Buffer {
  const bytes = Buffer.from(DUMP)
  bytes[at] = byte
  return bytes
}

describe('a whole dump', () => {
  it('says whose it is', () => {
    expect(read(DUMP)).toEqual({
      database: 'small',
      serverVersion: expect.stringMatching(/^15\.\d+/) as string,
      toolVersion: expect.stringMatching(/^15\.\d+/) as string,
    })
  })

  it.each([1, 2, 3, 5, 7, 64, 511, 4_096])('is whole in pieces of %d bytes', (pieceBytes) => {
    expect(read(DUMP, pieceBytes)).toEqual(read(DUMP))
  })
})

describe('what is no whole dump', () => {
  it('is every part that ends before its end', () => {
    const accepted: number[] = []
    for (let length = 0; length < DUMP.length; length += 1) {
      const { problem } = read(DUMP.subarray(0, length), 997)
      if (problem === undefined) accepted.push(length)
    }
    expect(accepted).toEqual([])
  })

  it.each([
    ['has more behind its end', Buffer.concat([DUMP, Buffer.from('x')]), /ends in the middle/],
    ['is there twice', Buffer.concat([DUMP, DUMP]), /block of unknown kind/],
    ['is text', Buffer.from('-- PostgreSQL database dump\n'), /does not begin like a dump/],
    ['is of a version that nobody has', changed(6, 3), /older than 1\.12/],
    ['is of the tar format', changed(10, 3), /not of the custom format/],
    ['has numbers of no length', changed(8, 0), /numbers of 0 bytes/],
  ])('%s', (_what, bytes, problem) => {
    expect(read(bytes).problem).toMatch(problem)
    expect(read(bytes, 3).problem).toMatch(problem)
  })

  it('may be of a version that is not known yet: that is told, not passed over', () => {
    expect(read(changed(6, 99))).toMatchObject({
      unchecked: 'its format, 1.99, is newer than this program',
    })
  })
})
