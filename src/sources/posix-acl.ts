// A POSIX ACL as the kernel hands it out becomes the text that GNU tar and bsdtar read back.
//
// Users and groups stay numbers: names of another machine mean other people, and both tools take
// numbers in place of names.

const VERSION = 2
const HEAD_BYTES = 4
const ENTRY_BYTES = 8

const TAGS: Readonly<Record<number, string>> = {
  0x01: 'user:',
  0x02: 'user:',
  0x04: 'group:',
  0x08: 'group:',
  0x10: 'mask:',
  0x20: 'other:',
}
const NAMED_TAGS: readonly number[] = [0x02, 0x08]

/** undefined: a version of the structure that is not known here. */
export function aclText(value: Buffer): string | undefined {
  if (value.length < HEAD_BYTES || value.readUInt32LE(0) !== VERSION) return undefined
  if ((value.length - HEAD_BYTES) % ENTRY_BYTES !== 0) return undefined
  let text = ''
  for (let at = HEAD_BYTES; at < value.length; at += ENTRY_BYTES) {
    const tag = value.readUInt16LE(at)
    const rights = value.readUInt16LE(at + 2)
    const word = TAGS[tag]
    if (word === undefined) return undefined
    const who = NAMED_TAGS.includes(tag) ? String(value.readUInt32LE(at + 4)) : ''
    text += `${word}${who}:${bit(rights, 4, 'r')}${bit(rights, 2, 'w')}${bit(rights, 1, 'x')}\n`
  }
  return text
}

function bit(rights: number, mask: number, letter: string): string {
  return (rights & mask) === 0 ? '-' : letter
}
