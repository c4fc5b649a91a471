// The plain fields of a BSON document: as much as the headers of an archive of mongodump have. What data
// looks like inside is none of our business.

export type BsonValue = string | boolean | number | bigint

// Bytes of a document without fields: its length, and the 0 at its end.
export const BSON_BYTES_MIN = 5

const STRING = 0x02
const BOOLEAN = 0x08
const INT32 = 0x10
const INT64 = 0x12

/** undefined: it is no document, or has fields that are not plain. */
export function bsonFields(document: Buffer): ReadonlyMap<string, BsonValue> | undefined {
  if (!isFramed(document)) return undefined
  const fields = new Map<string, BsonValue>()
  const end = document.length - 1
  for (let at = 4; at < end;) {
    const nameEnd = document.indexOf(0, at + 1)
    if (nameEnd < 0 || nameEnd >= end) return undefined
    const field = valueAt(document.subarray(0, end), document[at]!, nameEnd + 1)
    if (field === undefined) return undefined
    fields.set(document.toString('utf8', at + 1, nameEnd), field.value)
    at = field.end
  }
  return fields
}

/** Whether its length is that of the document, and it ends as one. */
function isFramed(document: Buffer): boolean {
  const { length } = document
  return (
    length >= BSON_BYTES_MIN && document.readInt32LE(0) === length && document[length - 1] === 0
  )
}

type Field = { readonly value: BsonValue; readonly end: number }

function valueAt(bytes: Buffer, type: number, at: number): Field | undefined {
  const has = (count: number): boolean => at + count <= bytes.length
  switch (type) {
    case STRING: {
      if (!has(4)) return undefined
      const lengthBytes = bytes.readInt32LE(at)
      const end = at + 4 + lengthBytes
      if (lengthBytes < 1 || end > bytes.length || bytes[end - 1] !== 0) return undefined
      return { value: bytes.toString('utf8', at + 4, end - 1), end }
    }
    case BOOLEAN:
      return has(1) ? { value: bytes[at] === 1, end: at + 1 } : undefined
    case INT32:
      return has(4) ? { value: bytes.readInt32LE(at), end: at + 4 } : undefined
    case INT64:
      return has(8) ? { value: bytes.readBigInt64LE(at), end: at + 8 } : undefined
    default:
      return undefined
  }
}
