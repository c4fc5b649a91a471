// ACLs as the kernel hands them out: version 2, then tag, rights and id of each entry.

export function aclBytes(entries: readonly (readonly [number, number, number?])[]): Buffer {
  const bytes = Buffer.alloc(4 + 8 * entries.length)
  bytes.writeUInt32LE(2)
  for (const [at, [tag, rights, id = 0xffff_ffff]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * at)
    bytes.writeUInt16LE(rights, 6 + 8 * at)
    bytes.writeUInt32LE(id, 8 + 8 * at)
  }
  return bytes
}
