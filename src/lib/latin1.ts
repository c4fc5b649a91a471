// Names are strings of one character per byte; these are the bytes. For every file a walk writes half a dozen
// short ones, and a call of Buffer's costs 150 to 300 ns, as long as a loop over a hundred characters.

const LOOPED_MAX = 100

/** Returns how many bytes it wrote: what does not fit behind `at` is left out. */
export function writeLatin1(out: Buffer, text: string, at: number): number {
  const { length } = text
  if (length > LOOPED_MAX || at + length > out.length) return out.write(text, at, 'latin1')
  for (let place = 0; place < length; place += 1) out[at + place] = text.charCodeAt(place)
  return length
}
