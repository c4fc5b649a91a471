// Where the data of a file with holes lies. Holes are not archived, and come back as holes.

export type SparseMap = {
  /** Offset and length of each stretch of data, in ascending order; holes are what is between them. */
  readonly extents: Float64Array
  /** Of all stretches together. */
  readonly dataBytes: number
}

/**
 * Most stretches of one file: 4 MiB of memory, and 7 MB of map in front of the file's data at worst. A
 * file with more of them is archived with its smallest holes filled.
 */
export const EXTENTS_MAX = 262_144
