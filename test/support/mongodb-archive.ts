// Archives as mongodump writes them, from the description of their format: documents of several collections
// in turns, an end with a checksum for each. BSON by hand: a few types are enough.

import { Crc64 } from '../../src/sources/crc64.ts'

export type Value = string | boolean | number | bigint

export type Collection = {
  readonly db: string
  readonly collection: string
  readonly documents: readonly Buffer[]
  /** Where its documents are, if that is another collection (time series). */
  readonly dataCollection?: string
  readonly type?: string
}

export type Head = {
  readonly version?: string
  readonly serverVersion?: string
  readonly toolVersion?: string
}

export const TERMINATOR = Buffer.alloc(4, 0xff)

export function bson(fields: Readonly<Record<string, Value>>): Buffer {
  const content = Object.entries(fields).map(([name, value]) =>
    Buffer.concat([Buffer.from([typeOf(value)]), Buffer.from(`${name}\0`), bytesOf(value)]),
  )
  const length = content.reduce((sum, each) => sum + each.length, 5)
  return Buffer.concat([int32(length), ...content, Buffer.from([0])])
}

function typeOf(value: Value): number {
  if (typeof value === 'string') return 0x02
  if (typeof value === 'boolean') return 0x08
  return typeof value === 'number' ? 0x10 : 0x12
}

function bytesOf(value: Value): Buffer {
  if (typeof value === 'boolean') return Buffer.from([value ? 1 : 0])
  if (typeof value === 'number') return int32(value)
  if (typeof value === 'bigint') {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  }
  const text = Buffer.from(`${value}\0`)
  return Buffer.concat([int32(text.length), text])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

/** What stands before the first documents. */
export function prelude(collections: readonly Collection[], head: Head = {}): Buffer {
  return Buffer.concat([
    Buffer.from([0x6d, 0xe2, 0x99, 0x81]),
    bson({
      concurrent_collections: 4,
      version: head.version ?? '0.1',
      server_version: head.serverVersion ?? '7.0.14',
      tool_version: head.toolVersion ?? '100.9.4',
    }),
    ...collections.map(({ db, collection, type = 'collection' }) => {
      const metadata = `{"indexes":[{"v":2,"key":{"_id":1},"name":"_id_"}],"collectionName":"${collection}"}`
      return bson({ db, collection, metadata, size: 0, type })
    }),
    TERMINATOR,
  ])
}

export function segment(
  { db, collection, dataCollection }: Collection,
  documents: readonly Buffer[],
) {
  const header = bson({ db, collection: dataCollection ?? collection, EOF: false, CRC: 0n })
  return Buffer.concat([header, ...documents, TERMINATOR])
}

export function ending(
  { db, collection, dataCollection, documents }: Collection,
  crc = crcOf(documents),
): Buffer {
  const CRC = BigInt.asIntN(64, crc)
  return Buffer.concat([
    bson({ db, collection: dataCollection ?? collection, EOF: true, CRC }),
    TERMINATOR,
  ])
}

export function crcOf(documents: readonly Buffer[]): bigint {
  const crc = new Crc64('ecma')
  for (const document of documents) crc.update(document)
  return crc.value()
}

/** Collections take turns, `turnDocuments` at a time, as those do that are dumped at the same time. */
export function archive(
  collections: readonly Collection[],
  { turnDocuments = 3, ...head }: Head & { readonly turnDocuments?: number } = {},
): Buffer {
  const blocks: Buffer[] = [prelude(collections, head)]
  let open = collections.map((collection) => ({ collection, at: 0 }))
  while (open.length > 0) {
    for (const turn of open) {
      const { documents } = turn.collection
      blocks.push(segment(turn.collection, documents.slice(turn.at, turn.at + turnDocuments)))
      turn.at += turnDocuments
      if (turn.at >= documents.length) blocks.push(ending(turn.collection))
    }
    open = open.filter(({ collection, at }) => at < collection.documents.length)
  }
  return Buffer.concat(blocks)
}

export function documents(count: number, text = 'x'): Buffer[] {
  return Array.from({ length: count }, (_, at) => bson({ _id: at, text: text.repeat(at % 17) }))
}

/** A server with one database for people, a view, a time series, and its own. */
export const SHOP: readonly Collection[] = [
  { db: 'admin', collection: 'system.version', documents: documents(1) },
  { db: 'shop', collection: 'orders', documents: documents(12) },
  { db: 'shop', collection: 'empty', documents: [] },
  { db: 'shop', collection: 'by day', documents: [], type: 'view' },
  {
    ...{ db: 'shop', collection: 'heat', dataCollection: 'system.buckets.heat' },
    ...{ documents: documents(5), type: 'timeseries' },
  },
]

export const OPLOG: Collection = { db: '', collection: 'oplog', documents: documents(2) }
