// Archives of small frames, in memory, that are restored by position: what the tests of partial restores
// share. Small frames, so that a tree of some kilobytes has many.

import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { expect } from 'vitest'
import { createUnpackerWith } from '../../src/pack/extract-archive.ts'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import { openTreeSink } from '../../src/pack/extract-sink.ts'
import { specsOf } from '../../src/pack/extract-select.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import { walkToTar, writeArchive } from '../pack/in-process.ts'
import { makeTree, removeTree } from './tree.ts'
import type { ArchiveTail } from '../../src/pack/archive-tail.ts'
import type { OverwriteRule } from '../../src/pack/extract-overwrite.ts'
import type { TreeEntry } from './tree.ts'
import type { Unpacker, UnpackResult } from '../../src/pack/unpacker.ts'
import type { Walked } from '../pack/in-process.ts'

export type Read = { readonly offsetBytes: number; readonly sizeBytes: number }

export type SmallArchive = {
  readonly bytes: Buffer
  readonly walked: Walked
  readonly source: string
}

export const inThisThread = (): Unpacker => createUnpackerWith(openTreeSink)

export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'spillway-parts-'))
  readonly #unpacker: Unpacker
  #targets = 0

  constructor(unpacker: Unpacker = inThisThread()) {
    this.#unpacker = unpacker
  }

  /** Packs a tree in frames of `frameBytes` of tar. */
  async pack(
    entries: readonly TreeEntry[],
    { frameBytes = 4_096, indexBlockBytes = 1_024 * 1_024 } = {},
  ): Promise<SmallArchive> {
    const source = join(this.folder, 'source')
    removeTree(source)
    makeTree(source, entries)
    const walked = walkToTar(source, {}, indexBlockBytes)
    const blocks: Buffer[] = []
    for (let at = 0; at < walked.tar.length; at += frameBytes)
      blocks.push(walked.tar.subarray(at, at + frameBytes))
    const path = join(this.folder, 'archive')
    removeTree(path)
    await writeArchive({ ...walked, blocks }, path)
    return { bytes: readFileSync(path), walked, source }
  }

  /** A path that is not there yet, beside "outside". */
  newTarget(): string {
    this.#targets += 1
    return join(this.folder, `restored-${this.#targets}`)
  }

  /** By position; `reads` tells of every read but that of the tail. */
  async restore(
    bytes: Buffer,
    input: {
      readonly to?: string
      readonly paths?: readonly string[]
      readonly strip?: number
      readonly overwrite?: OverwriteRule
      readonly tail?: ArchiveTail
      /** The tail is given in one read as always; this many of its last bytes then cost nothing. */
      readonly tailBytes?: number
    } = {},
  ): Promise<UnpackResult & { readonly to: string; readonly reads: readonly Read[] }> {
    const to = input.to ?? this.newTarget()
    if (!existsSync(to)) mkdirSync(to)
    const reads: Read[] = []
    const tail = input.tail ?? (await tailOf(bytes, (read) => void reads.push(read)))
    reads.length = 0
    const { paths: texts = [], strip, overwrite } = input
    const paths = await specsOf((path) => tail.findMember(path), texts)
    const result = await this.#unpacker.unpackParts(
      { tail, directory: to, paths, strip, overwrite },
      new AbortController().signal,
    )
    return { ...result, to, reads }
  }

  close(): void {
    removeTree(this.folder)
  }
}

/** Reads every range anew, as from a server: small archives lie in their tail as a whole. */
export async function tailOf(
  bytes: Buffer,
  onRead: (read: Read) => void = () => {},
): Promise<ArchiveTail> {
  return openArchiveTail(async (offsetBytes, sizeBytes) => {
    onRead({ offsetBytes, sizeBytes })
    return bytes.subarray(offsetBytes, offsetBytes + sizeBytes)
  }, bytes.length)
}

/** The failure with which a restore ends; throws when it ends well, or with a bug. */
export async function refusalOf(work: Promise<unknown>): Promise<SpillwayError> {
  try {
    await work
  } catch (error) {
    if (error instanceof SpillwayError) return error
    throw error
  }
  return expect.unreachable('it is refused')
}
