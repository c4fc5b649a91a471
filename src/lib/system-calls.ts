// The calls of Linux that Node lacks: extended attributes, where a file has holes, times to the
// nanosecond, inode flags; and those that a walk makes for every file, at less than half of Node's price.
// They are calls of the C library (glibc or musl) that is in the process anyway: 0.2 to 2 us each.
//
// Where koffi has no binary, everything else works: `systemCalls` says undefined, and who asks does without.

import { constants, endianness } from 'node:os'
import { StatxAnswer, STATX_MASK } from './file-stats.ts'
import type { FileStats } from './file-stats.ts'
import { writeLatin1 } from './latin1.ts'
import { openNativeLibrary } from './native-library.ts'
import type { Koffi, NativeCall, NativeLibrary } from './native-library.ts'

/**
 * A descriptor; or a path (one character per byte), whose last part is not followed as a symlink; or a
 * descriptor of O_PATH, which names an inode of any kind that nobody can swap any more.
 */
export type CallPlace = number | string | { readonly pathFd: number }

export interface SystemCalls {
  /** Names, one character per byte. [] also where the file system has none. */
  listAttributes(at: CallPlace): readonly string[]
  readAttribute(at: CallPlace, name: string): Buffer
  writeAttribute(at: CallPlace, name: string, value: Uint8Array): void
  /** Nothing happens when it is not there. */
  removeAttribute(at: CallPlace, name: string): void
  /** The first byte at `from` or behind it that lies in no hole; undefined: none does. */
  seekData(fd: number, from: number): number | undefined
  /** The first byte at `from` or behind it that lies in a hole; the end of the file counts as one. */
  seekHole(fd: number, from: number): number
  /** Of access and of modification. `nanos` from 0 to 999 999 999, after these seconds. */
  setTimes(at: CallPlace, seconds: number, nanos: number): void
  /** By its name in a folder. `name`: one character per byte, without a slash. `mode`: of what is created. */
  openIn(folderFd: number, name: string, flags: number, mode?: number): number
  /** What `openIn` opened; Node keeps count of what it opens itself. */
  close(fd: number): void
  /** undefined: not on this machine (statx(2) is younger than the rest). */
  statOf(fd: number): FileStats | undefined
  /** How many bytes came, which are fewer than there is room for at the file's end. */
  read(fd: number, buffer: Buffer, from: number): number
  /** As lsattr(1) shows them; 0 where the file system has none. */
  flagsOf(fd: number): number
  /** One datagram to a socket of this machine; a path that begins with "@" is an abstract name. */
  sendDatagram(path: string, text: string): void
}

type Opened = { readonly calls: SystemCalls | undefined; readonly why: string }

let opened: Opened | undefined

/** undefined: not on this machine, and `whyNoSystemCalls` says why. */
export function systemCalls(): SystemCalls | undefined {
  return (opened ??= openSystemCalls()).calls
}

export function whyNoSystemCalls(): string | undefined {
  opened ??= openSystemCalls()
  return opened.calls === undefined ? opened.why : undefined
}

// Linux, 64 bits, the low byte first: what structures and numbers below are written for.
const ARCHITECTURES: readonly string[] = ['x64', 'arm64', 'riscv64', 'loong64', 'ppc64']

/** `loadKoffi`: for tests. */
export function openSystemCalls(loadKoffi?: () => Koffi): Opened {
  const { platform, arch } = process
  if (platform !== 'linux' || !ARCHITECTURES.includes(arch) || endianness() !== 'LE')
    return { calls: undefined, why: `not made for ${platform} on ${arch}` }
  try {
    return { calls: new LibraryCalls(openNativeLibrary(null, loadKoffi)), why: '' }
  } catch (error) {
    const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    return { calls: undefined, why: `koffi cannot be loaded: ${why}` }
  }
}

const SEEK_DATA = 3
const SEEK_HOLE = 4
const AT_FDCWD = -100
const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC = 0o2000002
const AT_SYMLINK_NOFOLLOW = 0x100
const AT_EMPTY_PATH = 0x1000
// Node knows no such constant; on all of these machines it is the same.
const O_CLOEXEC = 0o2000000
// A name in a folder has 255 bytes at most.
const NAME_ROOM_BYTES = 256
// _IOR('f', 1, long); PowerPC numbers the directions its own way.
const FS_IOC_GETFLAGS = process.arch === 'ppc64' ? 0x4008_6601 : 0x8008_6601

// The kernel's own limits, of a list of names and of a value: 64 KiB each.
const ANSWER_BYTES_MAX = 65_536
// The kernel makes room of its own for as many as it is asked for: 64 KiB cost it a microsecond for every file.
const NAMES_BYTES_USUAL = 1_024

class LibraryCalls implements SystemCalls {
  readonly #library: NativeLibrary
  readonly #answer = Buffer.alloc(ANSWER_BYTES_MAX)
  readonly #times = Buffer.alloc(32)
  readonly #name = Buffer.alloc(NAME_ROOM_BYTES)
  readonly #stats = new StatxAnswer()
  readonly #calls: Readonly<Record<keyof typeof PARAMETERS, NativeCall>>
  readonly #ioctl: NativeCall
  readonly #statx: NativeCall | undefined

  constructor(library: NativeLibrary) {
    const call = (name: keyof typeof PARAMETERS) => {
      const [result, ...parameters] = PARAMETERS[name]
      return library.call(name, result, parameters)
    }
    this.#library = library
    this.#calls = {
      flistxattr: call('flistxattr'),
      llistxattr: call('llistxattr'),
      listxattr: call('listxattr'),
      fgetxattr: call('fgetxattr'),
      lgetxattr: call('lgetxattr'),
      getxattr: call('getxattr'),
      fsetxattr: call('fsetxattr'),
      lsetxattr: call('lsetxattr'),
      setxattr: call('setxattr'),
      fremovexattr: call('fremovexattr'),
      lremovexattr: call('lremovexattr'),
      removexattr: call('removexattr'),
      lseek: call('lseek'),
      futimens: call('futimens'),
      utimensat: call('utimensat'),
      socket: call('socket'),
      sendto: call('sendto'),
      close: call('close'),
      openat: call('openat'),
      pread: call('pread'),
    }
    this.#statx = findStatx(library)
    this.#ioctl = library.call('int ioctl(int fd, unsigned long request, ...)')
  }

  listAttributes(at: CallPlace): readonly string[] {
    const place = placeOf(at)
    const call = typeof at === 'number' ? 'flistxattr' : (`${formOf(at)}listxattr` as const)
    const listxattr = this.#calls[call]
    let length = Number(listxattr(place, this.#answer, NAMES_BYTES_USUAL))
    let error = length < 0 ? this.#error(call) : undefined
    if (error?.code === 'ERANGE') {
      length = Number(listxattr(place, this.#answer, ANSWER_BYTES_MAX))
      error = length < 0 ? this.#error(call) : undefined
    }
    if (error !== undefined && error.code !== 'ENOTSUP') throw error
    return length <= 0 ? NO_NAMES : this.#answer.toString('latin1', 0, length - 1).split('\0')
  }

  readAttribute(at: CallPlace, name: string): Buffer {
    const call = `${formOf(at)}getxattr` as const
    const length = this.#call(call, placeOf(at), textOf(name), this.#answer, ANSWER_BYTES_MAX)
    return Buffer.from(this.#answer.subarray(0, length))
  }

  writeAttribute(at: CallPlace, name: string, value: Uint8Array): void {
    const call = `${formOf(at)}setxattr` as const
    this.#call(call, placeOf(at), textOf(name), value, value.length, 0)
  }

  removeAttribute(at: CallPlace, name: string): void {
    const call = `${formOf(at)}removexattr` as const
    if (Number(this.#calls[call](placeOf(at), textOf(name))) >= 0) return
    const error = this.#error(call)
    if (error.code !== 'ENODATA' && error.code !== 'ENOTSUP') throw error
  }

  seekData(fd: number, from: number): number | undefined {
    const at = Number(this.#calls.lseek(fd, from, SEEK_DATA))
    if (at >= 0) return at
    const error = this.#error('lseek')
    if (error.code === 'ENXIO') return undefined
    throw error
  }

  seekHole(fd: number, from: number): number {
    return this.#call('lseek', fd, from, SEEK_HOLE)
  }

  setTimes(at: CallPlace, seconds: number, nanos: number): void {
    // By halves: four BigInts for every file cost more than the call.
    for (const offset of [0, 16]) {
      this.#times.writeUInt32LE(seconds >>> 0, offset)
      this.#times.writeInt32LE(Math.floor(seconds / 2 ** 32), offset + 4)
      this.#times.writeUInt32LE(nanos, offset + 8)
    }
    const place = placeOf(at)
    const flags = typeof at === 'string' ? AT_SYMLINK_NOFOLLOW : 0
    if (typeof place === 'number') this.#call('futimens', place, this.#times)
    else this.#call('utimensat', AT_FDCWD, place, this.#times, flags)
  }

  openIn(folderFd: number, name: string, flags: number, mode = 0): number {
    const bytes = writeLatin1(this.#name, name, 0)
    if (bytes !== name.length || bytes === NAME_ROOM_BYTES) throw nameTooLong()
    this.#name[bytes] = 0
    for (;;) {
      const fd = Number(this.#calls.openat(folderFd, this.#name, flags | O_CLOEXEC, mode))
      if (fd >= 0) return fd
      this.#throwUnlessSignal('openat')
    }
  }

  close(fd: number): void {
    this.#calls.close(fd)
  }

  statOf(fd: number): FileStats | undefined {
    const statx = this.#statx
    if (statx === undefined) return undefined
    if (Number(statx(fd, EMPTY_PATH, AT_EMPTY_PATH, STATX_MASK, this.#stats.bytes)) < 0)
      throw this.#error('statx')
    return this.#stats.stats()
  }

  read(fd: number, buffer: Buffer, from: number): number {
    for (;;) {
      const bytes = Number(this.#calls.pread(fd, buffer, buffer.length, from))
      if (bytes >= 0) return bytes
      this.#throwUnlessSignal('pread')
    }
  }

  flagsOf(fd: number): number {
    const isKnown = Number(this.#ioctl(fd, FS_IOC_GETFLAGS, 'void *', this.#answer)) === 0
    // Every refusal means the same: there are none to be kept.
    return isKnown ? this.#answer.readUInt32LE(0) : 0
  }

  sendDatagram(path: string, text: string): void {
    const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path, 'utf8')
    const address = Buffer.alloc(2 + name.length + (path.startsWith('@') ? 0 : 1))
    address.writeUInt16LE(AF_UNIX)
    name.copy(address, 2)
    const message = Buffer.from(text, 'utf8')
    const fd = this.#call('socket', AF_UNIX, SOCK_DGRAM_CLOEXEC, 0)
    try {
      this.#call('sendto', fd, message, message.length, 0, address, address.length)
    } finally {
      this.#calls.close(fd)
    }
  }

  #call(name: keyof typeof PARAMETERS, ...parameters: readonly unknown[]): number {
    const result = Number(this.#calls[name](...parameters))
    if (result < 0) throw this.#error(name)
    return result
  }

  /** A signal that came meanwhile is no error: the call is made again. */
  #throwUnlessSignal(name: 'openat' | 'pread'): void {
    const error = this.#error(name)
    if (error.code !== 'EINTR') throw error
  }

  /** As Node's own errors of the system are. */
  #error(syscall: string): NodeJS.ErrnoException {
    const errno = this.#library.errno()
    const code = CODES.get(errno) ?? `E${errno}`
    return Object.assign(new Error(`${code}, ${syscall}`), { code, errno: -errno, syscall })
  }
}

const PARAMETERS = {
  flistxattr: ['int64_t', 'int', 'void *', 'size_t'],
  llistxattr: ['int64_t', 'const void *', 'void *', 'size_t'],
  listxattr: ['int64_t', 'const void *', 'void *', 'size_t'],
  fgetxattr: ['int64_t', 'int', 'const void *', 'void *', 'size_t'],
  lgetxattr: ['int64_t', 'const void *', 'const void *', 'void *', 'size_t'],
  getxattr: ['int64_t', 'const void *', 'const void *', 'void *', 'size_t'],
  fsetxattr: ['int', 'int', 'const void *', 'const void *', 'size_t', 'int'],
  lsetxattr: ['int', 'const void *', 'const void *', 'const void *', 'size_t', 'int'],
  setxattr: ['int', 'const void *', 'const void *', 'const void *', 'size_t', 'int'],
  fremovexattr: ['int', 'int', 'const void *'],
  lremovexattr: ['int', 'const void *', 'const void *'],
  removexattr: ['int', 'const void *', 'const void *'],
  lseek: ['int64_t', 'int', 'int64_t', 'int'],
  futimens: ['int', 'int', 'const void *'],
  utimensat: ['int', 'int', 'const void *', 'const void *', 'int'],
  socket: ['int', 'int', 'int', 'int'],
  sendto: ['int64_t', 'int', 'const void *', 'size_t', 'int', 'const void *', 'uint32_t'],
  close: ['int', 'int'],
  openat: ['int', 'int', 'const void *', 'int', 'uint32_t'],
  pread: ['int64_t', 'int', 'void *', 'size_t', 'int64_t'],
} as const satisfies Record<string, readonly [result: string, ...parameters: string[]]>

const NO_NAMES: readonly string[] = []

const EMPTY_PATH = Buffer.alloc(1)

/** glibc has it from 2.28 on, musl from 1.2.4. */
function findStatx(library: NativeLibrary): NativeCall | undefined {
  try {
    return library.call('statx', 'int', ['int', 'const void *', 'int', 'uint32_t', 'void *'])
  } catch {
    return undefined
  }
}

function nameTooLong(): NodeJS.ErrnoException {
  const code = 'ENAMETOOLONG'
  return Object.assign(new Error(`${code}, openat`), { code, syscall: 'openat' })
}

const CODES = new Map(
  Object.entries(constants.errno)
    // One number has two names; this is the one that means attributes.
    .filter(([code]) => code !== 'EOPNOTSUPP')
    .map(([code, errno]) => [errno, code]),
)

function placeOf(at: CallPlace): number | Buffer {
  if (typeof at === 'number') return at
  // The kernel's own link to the inode: followed, though the inode may be a symlink, and no further.
  return textOf(typeof at === 'string' ? at : `/proc/self/fd/${at.pathFd}`)
}

/** Which call of three: by descriptor, not following, following. */
function formOf(at: CallPlace): 'f' | 'l' | '' {
  if (typeof at === 'number') return 'f'
  return typeof at === 'string' ? 'l' : ''
}

function textOf(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'latin1')
}
