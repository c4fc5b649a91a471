// Frees the memory of a frame at once, instead of when the garbage collector comes to it.
//
// What the zstd binding gives us lies outside the heap, where the collector sees little reason to
// hurry: 1 GB of noise made it pile up to 242 MiB; given back frame by frame it stays below 100, and
// the run needs less than half the time (400 frames of noise there and back: 2.8 s and 1.1 s).

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { assert } from '../lib/assert.ts'

type Transfer = (this: ArrayBufferLike, lengthBytes: number) => ArrayBuffer

const transfer = findTransfer()

/** `bytes` is the whole of its memory, and empty afterwards, as is every view of it. */
export function giveBack(bytes: Buffer): void {
  assert(
    bytes.length === bytes.buffer.byteLength,
    'only whole memory can be given back, never a part of what others use',
  )
  transfer.call(bytes.buffer, 0)
}

/** The first bytes of it, in the same memory where it can be; `bytes` is the whole of its memory, and empty afterwards. */
export function shrink(bytes: Buffer, lengthBytes: number): Buffer {
  assert(bytes.length === bytes.buffer.byteLength, 'only whole memory can be shrunk')
  return lengthBytes === bytes.length
    ? bytes
    : Buffer.from(transfer.call(bytes.buffer, lengthBytes))
}

// glibc maps what is larger than its threshold anew each time, and clears every page of it: a tenth of
// the time of packing. Freeing one larger piece raises the threshold to its size (mallopt(3),
// M_MMAP_THRESHOLD: "dynamic"), and what the compressor needs over and over is then used again. It must
// be more than one compressor's working memory; with twice as much, 1 GB of noise took 20 MiB more.
const KEPT_BYTES = 6 * 1024 * 1024

/** Once per process, before the first frame: from then on freed memory is used again. */
export function keepFreedMemory(): void {
  giveBack(Buffer.alloc(KEPT_BYTES))
}

/** Node 22 has it as it is; in Node 20 it is behind a flag, which new contexts heed. */
function findTransfer(): Transfer {
  const find = '"transfer" in ArrayBuffer.prototype ? ArrayBuffer.prototype.transfer : undefined'
  setFlagsFromString('--harmony-rab-gsab-transfer')
  const found = runInNewContext(find) as Transfer | undefined
  assert(found !== undefined, `Node ${process.version} cannot transfer an ArrayBuffer`)
  return found
}
