// Skippable frames of zstd: what every decompressor passes over, and where an archive keeps its
// index, its manifest and its seek table.

/** Magic number and size of the payload, both 32 bits, little-endian. */
export const SKIPPABLE_HEADER_BYTES = 8

// zstd gives away 0x184D2A50 to 0x184D2A5F; the seekable format took the one before the last.
export const INDEX_MAGIC = 0x184d2a5b
export const MANIFEST_MAGIC = 0x184d2a5c
export const SEEK_TABLE_MAGIC = 0x184d2a5e

/** The size is a u32. */
export const SKIPPABLE_PAYLOAD_MAX = 0xffff_ffff

export function skippableHeader(magic: number, payloadBytes: number): Buffer {
  const header = Buffer.alloc(SKIPPABLE_HEADER_BYTES)
  header.writeUInt32LE(magic, 0)
  header.writeUInt32LE(payloadBytes, 4)
  return header
}

/** undefined: no skippable frame with that magic and exactly that length begins there. */
export function skippablePayload(magic: number, frame: Buffer): Buffer | undefined {
  const isWhole =
    frame.length >= SKIPPABLE_HEADER_BYTES &&
    frame.readUInt32LE(0) === magic &&
    frame.readUInt32LE(4) === frame.length - SKIPPABLE_HEADER_BYTES
  return isWhole ? frame.subarray(SKIPPABLE_HEADER_BYTES) : undefined
}
