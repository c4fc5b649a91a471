// Texts that must not be longer than a receiver takes: cut between lines where that is possible, never
// inside a character, and never without saying so.

const CUT_NOTE = '\n... (cut here: the whole report is in the log, and in "spillway status")'

export function cutLines(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text
  const room = bytesMax - Buffer.byteLength(CUT_NOTE)
  const kept = cutWhole(text, room)
  const lineEnd = kept.lastIndexOf('\n')
  // One endless line is cut where it stands.
  return (lineEnd > kept.length / 2 ? kept.slice(0, lineEnd) : kept) + CUT_NOTE
}

export function cutBytes(text: string, bytesMax: number): string {
  return Buffer.byteLength(text) <= bytesMax ? text : `${cutWhole(text, bytesMax - 3)}...`
}

function cutWhole(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text)
  let end = Math.min(bytesMax, bytes.length)
  // Bytes 10xxxxxx continue a character.
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1
  return bytes.toString('utf8', 0, end)
}
