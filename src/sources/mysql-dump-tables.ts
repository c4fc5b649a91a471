// Names of the tables and sequences in a dump of MySQL or MariaDB, seen while it passes. Its tools begin a line
// with `CREATE TABLE` for each, and with `/*!50001` for a view; rows never have a line of their own. A routine
// may have such a line in its text: a name too many does no harm here.

const MARKS = ['\nCREATE TABLE `', '\nCREATE SEQUENCE `'].map((mark) => Buffer.from(mark))
// A mark and the longest name: 64 characters of 4 bytes, or quotes that are doubled.
const LONGEST_BYTES = 512
const QUOTE = 0x60

export class DumpTables {
  readonly names = new Set<string>()
  #rest = Buffer.alloc(0)

  see(piece: Buffer): void {
    const bytes = Buffer.concat([this.#rest, piece])
    for (const mark of MARKS)
      for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length)) {
        const name = quotedName(bytes, at + mark.length)
        if (name !== undefined) this.names.add(name)
      }
    // What is cut here is found again with the next piece.
    this.#rest = Buffer.from(bytes.subarray(-LONGEST_BYTES))
  }
}

/** undefined: its end is not there. */
function quotedName(bytes: Buffer, from: number): string | undefined {
  let end = bytes.indexOf(QUOTE, from)
  while (end >= 0 && bytes[end + 1] === QUOTE) end = bytes.indexOf(QUOTE, end + 2)
  // Another quote may follow.
  if (end < 0 || end + 1 === bytes.length) return undefined
  return bytes.subarray(from, end).toString('utf8').replaceAll('``', '`')
}
