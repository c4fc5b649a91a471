// The zstd library that nearly every Linux has (dpkg, rpm and systemd need it), called directly. Beside the
// binding it takes a quarter less CPU for a frame: the block is read where it lies, working memory is used
// again, and the XXH64 that the seek table wants is made on the way and ends the frame.
// 892 MB of /usr/share at level 3: 2.5 s of CPU, 3.2 with the binding, 0.25 more for XXH64 there.

import { messageOf, SpillwayError } from '../domain/errors.ts'
import { openNativeLibrary } from '../lib/native-library.ts'
import type { NativeCall, NativeJob, NativeLibrary } from '../lib/native-library.ts'

// zstd.h calls what we use stable from 1.4.0 on.
const VERSION_MIN = 10_400
// Numbers of ZSTD_cParameter.
const COMPRESSION_LEVEL = 100
const HASH_LOG = 102
const CHAIN_LOG = 103
const CHECKSUM_FLAG = 201

/**
 * The tables of level 3, the default, with 2^16 and 2^14 entries instead of 2^17 and 2^16. `zstd -b3 -B4M` on
 * one thread: 893 MB of /usr/share in 1.7 instead of 2.1 s and 1.8 % more bytes, 750 MB of an SQL dump in 2.1 instead of 2.7 s
 * and 1.6 % less. Whoever sets another level gets what zstd means by it.
 */
const LEVEL_WITH_SMALLER_TABLES = 3
const SMALLER_TABLES = [
  [HASH_LOG, 16],
  [CHAIN_LOG, 14],
] as const

// Of ZSTD_ErrorCode: what comes out is more than there is room for.
const NO_ROOM = 70

type Context = { readonly memory: unknown; readonly out: Buffer }

export class ZstdLibrary {
  readonly #createContext: NativeCall
  readonly #freeContext: NativeCall
  readonly #setParameter: NativeCall
  readonly #boundOf: NativeCall
  readonly #errorName: NativeCall
  readonly #compress: NativeJob
  readonly #decompress: NativeJob

  /** Throws where a call is missing. */
  constructor(library: NativeLibrary) {
    const version = Number(library.call('ZSTD_versionNumber', 'unsigned int', [])())
    if (version < VERSION_MIN) throw new Error(`libzstd is too old: ${version}`)
    this.#createContext = library.call('ZSTD_createCCtx', 'void *', [])
    this.#freeContext = library.call('ZSTD_freeCCtx', 'size_t', ['void *'])
    this.#setParameter = library.call('ZSTD_CCtx_setParameter', 'size_t', ['void *', 'int', 'int'])
    this.#boundOf = library.call('ZSTD_compressBound', 'size_t', ['size_t'])
    this.#errorName = library.call('ZSTD_getErrorName', 'str', ['size_t'])
    const bytes = ['void *', 'size_t']
    this.#compress = library.job('ZSTD_compress2', 'size_t', ['void *', ...bytes, ...bytes])
    this.#decompress = library.job('ZSTD_decompress', 'size_t', [...bytes, ...bytes])
  }

  /** Working memory for one frame at a time, of blocks of so many bytes at most. */
  open(level: number, blockBytesMax: number): Context {
    const memory = this.#createContext()
    if (memory === null) throw new SpillwayError('SPOOL_FAILED', 'no memory to compress with')
    this.#take('compress', this.#setParameter(memory, COMPRESSION_LEVEL, level))
    this.#take('compress', this.#setParameter(memory, CHECKSUM_FLAG, 1))
    for (const [parameter, log] of level === LEVEL_WITH_SMALLER_TABLES ? SMALLER_TABLES : [])
      this.#take('compress', this.#setParameter(memory, parameter, log))
    return { memory, out: Buffer.allocUnsafeSlow(Number(this.#boundOf(blockBytesMax))) }
  }

  close({ memory }: Context): void {
    this.#freeContext(memory)
  }

  /** The frame lies in the context, until it is used again. Its last four bytes are the low half of the block's XXH64. */
  async compress({ memory, out }: Context, block: Buffer): Promise<Buffer> {
    const result = await this.#compress(memory, out, out.length, block, block.length)
    return out.subarray(0, this.#take('compress', result))
  }

  /** How many bytes came out; undefined: more than `out` has room for. Throws for what is no frame. */
  async decompress(frame: Buffer, out: Buffer): Promise<number | undefined> {
    const result = await this.#decompress(out, out.length, frame, frame.length)
    if (-signed(result) === NO_ROOM) return undefined
    return this.#take('decompress', result)
  }

  /** zstd tells errors as sizes that nothing has: the last ones of size_t. */
  #take(what: string, result: unknown): number {
    if (signed(result) >= 0) return Number(result)
    throw new Error(`cannot ${what}: ${String(this.#errorName(result))}`)
  }
}

function signed(result: unknown): number {
  return Number(BigInt.asIntN(64, BigInt(result as number | bigint)))
}

let found: { readonly library: ZstdLibrary | undefined; readonly why: string } | undefined

/** undefined: none on this machine, and `whyNoZstdLibrary` says why. */
export function zstdLibrary(): ZstdLibrary | undefined {
  return (found ??= findZstdLibrary()).library
}

export function whyNoZstdLibrary(): string {
  return (found ??= findZstdLibrary()).why
}

function findZstdLibrary(): NonNullable<typeof found> {
  try {
    return { library: new ZstdLibrary(openNativeLibrary('libzstd.so.1')), why: '' }
  } catch (error) {
    return { library: undefined, why: messageOf(error) }
  }
}
