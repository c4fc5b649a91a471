// Archives of mongodump as they pass: a whole one is accepted however it is cut into pieces, no part of one is,
// wherever it ends, and no document of it may change. The archives are made here, from the description of the
// format: no real MongoDB was at hand.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FoundInOutput } from '../../src/sources/output-format.ts'
import { MongodbArchiveReader } from '../../src/sources/mongodb-archive.ts'
import {
  archive,
  bson,
  documents,
  ending,
  OPLOG,
  prelude,
  segment,
  SHOP,
  TERMINATOR,
} from '../support/mongodb-archive.ts'
import type { Collection } from '../support/mongodb-archive.ts'

const WHOLE = archive([...SHOP, OPLOG])

function read(bytes: Buffer, pieceBytes = bytes.length || 1): FoundInOutput {
  const reader = new MongodbArchiveReader()
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    // As the packing thread has it: what was seen is overwritten.
    const piece = Buffer.from(bytes.subarray(at, at + pieceBytes))
    reader.see(piece)
    piece.fill(0xee)
  }
  return reader.end()
}

const orders = SHOP[1]!

describe('a whole archive', () => {
  it('says whose it is, and how many collections it has', () => {
    expect(read(WHOLE)).toEqual({
      serverVersion: '7.0.14',
      toolVersion: '100.9.4',
      collectionsByDatabase: new Map([
        ['admin', 1],
        ['shop', 4],
        ['', 1],
      ]),
    })
  })

  it.each([1, 2, 3, 5, 7, 64, 511, 4_096])('is whole in pieces of %d bytes', (pieceBytes) => {
    expect(read(WHOLE, pieceBytes)).toEqual(read(WHOLE))
  })

  it('may have no collection at all: whether that is meant is for others to say', () => {
    expect(read(archive([]))).toMatchObject({ collectionsByDatabase: new Map() })
  })

  it('may have its time series where servers since 8.3 have them', () => {
    const series: Collection = { ...orders, type: 'timeseries' }
    expect(read(archive([series])).problem).toBeUndefined()
  })

  it('is one of whatever collections, documents and turns', () => {
    const collections = fc.uniqueArray(
      fc.record({
        db: fc.constantFrom('a', 'b', 'ü'),
        collection: fc
          .string({ minLength: 1, maxLength: 12 })
          .filter((name) => !name.includes('\0')),
        count: fc.integer({ min: 0, max: 30 }),
      }),
      { selector: ({ db, collection }) => `${db}.${collection}`, maxLength: 8 },
    )
    fc.assert(
      fc.property(
        collections,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 3_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (made, turnDocuments, pieceBytes, place) => {
          const whole = archive(
            made.map(({ count, ...names }) => ({ ...names, documents: documents(count) })),
            { turnDocuments },
          )
          expect(read(whole, pieceBytes).problem).toBeUndefined()
          const cut = whole.subarray(0, Math.floor(place * whole.length))
          expect(read(cut, pieceBytes).problem).toBeDefined()
        },
      ),
    )
  })
})

describe('what is no whole archive', () => {
  it('is every part that ends before its end', () => {
    const accepted: number[] = []
    for (let length = 0; length < WHOLE.length; length += 1)
      if (read(WHOLE.subarray(0, length), 997).problem === undefined) accepted.push(length)
    expect(accepted).toEqual([])
  })

  it('is one of which any byte of any document changed', () => {
    const content = Buffer.concat(orders.documents)
    const at = archive([orders], { turnDocuments: 99 }).indexOf(content)
    const accepted: number[] = []
    for (let byte = 0; byte < content.length; byte += 1) {
      const changed = archive([orders], { turnDocuments: 99 })
      changed[at + byte]! ^= 1 << (byte % 8)
      if (read(changed, 101).problem === undefined) accepted.push(byte)
    }
    expect(accepted).toEqual([])
  })

  const headed = prelude([orders])
  const whole = archive([orders])
  const all = segment(orders, orders.documents)
  const [first = Buffer.alloc(0), ...others] = orders.documents
  const long = Buffer.alloc(4)
  long.writeInt32LE(16 * 1024 * 1024 + 16 * 1024 + 1)
  const unended = Buffer.from(first)
  unended[unended.length - 1] = 1

  it.each<[string, Buffer, RegExp]>([
    ['is empty', Buffer.alloc(0), /^ends in the middle, after 0 bytes$/],
    [
      'is text',
      Buffer.from('<html>'),
      /^does not begin like an archive of mongodump, but with "<htm"$/,
    ],
    ['is compressed', Buffer.from([0x1f, 0x8b, 8, 0, 0]), /does not begin like an archive/],
    ['has the list alone', headed, /^ends too early, without the end of shop\.orders$/],
    [
      'lacks the end of some of its collections',
      Buffer.concat([prelude(SHOP), segment(orders, orders.documents), ending(orders)]),
      /^ends too early, without the end of admin\.system\.version, shop\.empty, shop\.by day and 1 more$/,
    ],
    [
      'lacks a document',
      Buffer.concat([headed, segment(orders, others), ending(orders)]),
      /^has the checksum [0-9a-f]{16} for shop\.orders, and its documents have [0-9a-f]{16}$/,
    ],
    [
      'has two documents in the wrong order',
      Buffer.concat([headed, segment(orders, [...others, first]), ending(orders)]),
      /for shop\.orders, and its documents have/,
    ],
    [
      'has more behind its end',
      Buffer.concat([whole, Buffer.from('x')]),
      /^ends in the middle, after/,
    ],
    [
      'is there twice',
      Buffer.concat([whole, whole]),
      /^has a document of -2120621459 bytes in its headers$/,
    ],
    [
      'goes on behind the end of a collection',
      Buffer.concat([whole, all]),
      /^goes on with shop\.orders behind its end$/,
    ],
    [
      'has documents in the end of a collection',
      Buffer.concat([headed, all, ending(orders).subarray(0, -4), first, TERMINATOR]),
      /^has documents of shop\.orders behind its end$/,
    ],
    [
      'has a collection that it does not list',
      Buffer.concat([headed, segment({ ...orders, collection: 'new\n' }, [])]),
      /^has shop\.new\\x0a, which it does not list$/,
    ],
    ['lists a collection twice', prelude([orders, orders]), /^lists shop\.orders twice$/],
    [
      'has a terminator too many',
      Buffer.concat([whole, TERMINATOR]),
      /^has an end where nothing has begun$/,
    ],
    ['has no header', Buffer.concat([headed.subarray(0, 4), TERMINATOR]), /^has no header$/],
    [
      'has a header of something else',
      Buffer.concat([headed.subarray(0, 4), bson({ hello: 1 })]),
      /^has a header without "version"$/,
    ],
    [
      'has a header that is none',
      Buffer.concat([headed, Buffer.from([6, 0, 0, 0, 7, 0])]),
      /^has a header that cannot be read$/,
    ],
    [
      'has a header without an end or none',
      Buffer.concat([headed, bson({ db: 'shop', collection: 'orders', EOF: 1 })]),
      /^has a header that cannot be read$/,
    ],
    [
      'has a document longer than any',
      Buffer.concat([headed, all.subarray(0, -4), long]),
      /^has a document of 16793601 bytes in shop\.orders$/,
    ],
    [
      'has a document that does not end as one',
      Buffer.concat([headed, all.subarray(0, -4), unended]),
      /^has a document in shop\.orders that does not end as one$/,
    ],
    ['is of an older format', prelude([], { version: '0.0' }), /^is of the unknown format "0\.0"$/],
  ])('%s', (_what, bytes, problem) => {
    expect(read(bytes).problem).toMatch(problem)
    expect(read(bytes, 3).problem).toMatch(problem)
    expect(read(bytes).collectionsByDatabase).toBeUndefined()
  })

  it('may be of a format that is not known yet: that is told, not passed over', () => {
    expect(read(archive([orders], { version: '0.2' }))).toMatchObject({
      unchecked: 'its format, 0.2, is newer than this program',
    })
  })
})
