// The checksums of Redis' snapshots and of mongodump's archives, by the check values that everybody names.

import { expect, it } from 'vitest'
import { Crc64, crcText } from '../../src/sources/crc64.ts'
import type { Crc64Kind } from '../../src/sources/crc64.ts'

it.each<[string, Crc64Kind, bigint]>([
  // As Redis' own crc64.c names it.
  ["Redis'", 'jones', 0xe9c6d914c4b8d9can],
  // Go's hash/crc64 with the table ECMA; elsewhere it is called XZ.
  ["mongodump's", 'ecma', 0x995dc9bbdf1939fan],
])('%s is the CRC-64 of %s, in whatever pieces', (_whose, kind, value) => {
  for (const pieces of [['123456789'], ['1', '23456', '789'], [...'123456789']]) {
    const crc = new Crc64(kind)
    for (const piece of pieces) crc.update(Buffer.from(piece))
    expect(crc.value()).toBe(value)
  }
})

it('goes on after its value was asked for, and does not depend on where pieces end', () => {
  const bytes = Buffer.alloc(4_099, 'spillway')
  for (const kind of ['jones', 'ecma'] as const) {
    const whole = new Crc64(kind)
    whole.update(bytes)
    const cut = new Crc64(kind)
    for (let at = 0; at < bytes.length; at += 13) {
      cut.update(bytes.subarray(at, at + 13))
      cut.value()
    }
    expect(cut.value()).toBe(whole.value())
  }
})

it('is shown with all its digits', () => {
  expect(crcText(0xabn)).toBe('00000000000000ab')
})
