// Archives made without Spillway's packer: a tar, by GNU tar or by hand, cut into zstd frames of 4 MiB.

import { execFileSync } from 'node:child_process'
import { compressFrame } from '../../src/pack/zstd.ts'

const FRAME_BYTES = 4 * 1024 * 1024

/** The folder as GNU tar writes it; `args` such as --format=pax. */
export function gnuTarOf(directory: string, args: readonly string[] = []): Buffer {
  return execFileSync(
    'tar',
    ['--sort=name', '--numeric-owner', ...args, '-C', directory, '-cf', '-', '--', '.'],
    { maxBuffer: 1024 ** 3, env: { ...process.env, LC_ALL: 'C' } },
  )
}

export async function archiveOf(
  tar: Uint8Array,
  { level = 3, frameBytes = FRAME_BYTES, tail = skippableFrame(Buffer.from('an index')) } = {},
): Promise<Buffer> {
  const frames: Buffer[] = []
  for (let at = 0; at < tar.length; at += frameBytes)
    frames.push(await compressFrame(Buffer.from(tar.subarray(at, at + frameBytes)), level))
  return Buffer.concat([...frames, tail])
}

export function skippableFrame(payload: Uint8Array, magic = 0x184d2a50): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt32LE(magic, 0)
  header.writeUInt32LE(payload.length, 4)
  return Buffer.concat([header, payload])
}

/** In chunks of any size, as a network delivers them. */
export async function* inChunks(bytes: Uint8Array, chunkBytes = 64 * 1024): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += chunkBytes)
    yield Buffer.from(bytes.subarray(at, at + chunkBytes))
}
