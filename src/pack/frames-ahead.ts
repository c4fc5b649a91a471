// How many frames are at work at once: the one number that decides how much memory packing takes.
//
// The thread pool has four threads; the fourth is for whoever reads and sends meanwhile. A frame at
// work takes some 8 MiB at level 3, 40 at level 12, 60 to 100 from 13 on (measured), and a run is to
// stay below 256 MiB whatever the level. Verifying decompresses each frame into 4 MiB more, and 8 of the
// binding's own: with three frames 50 000 small files took 186 MiB, with two 174, in the same time.

export function framesAhead(zstdLevel: number, verifies: boolean): number {
  if (zstdLevel < 10) return verifies ? 2 : 3
  return zstdLevel < 13 ? 2 : 1
}
