// What the walk hands over: one member after the other, each with its content right behind it.
//
// Names are bytes. They travel as strings with one character per byte (latin1): such strings sort
// in byte order, cost a tenth of a Buffer, and lose nothing that UTF-8 decoding would lose.

import type { BigIntStats } from 'node:fs'
import type { SparseMap } from '../domain/sparse-map.ts'
import type { OwnerNames } from './owner-names.ts'

/** One character per byte. `Buffer.from(text, 'latin1')` gives the bytes back. */
export type ByteString = string

export type MemberKind =
  'file' | 'hard-link' | 'symlink' | 'character-device' | 'block-device' | 'directory' | 'fifo'

export type Member = {
  readonly kind: MemberKind
  /** Relative to the source's folder, without `./` and without a slash at its end; '' is the folder. */
  readonly path: ByteString
  /** Of symlinks their text, of hard links the path of the first name; '' otherwise. */
  readonly linkTarget: ByteString
  /** Permissions, with setuid, setgid and sticky; 12 bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** '' where /etc/passwd has none. */
  readonly userName: ByteString
  readonly groupName: ByteString
  /** Since 1970, rounded down. */
  readonly mtimeSeconds: number
  /** 0 to 999 999 999, after those seconds. */
  readonly mtimeNanos: number
  /** 0 for all but files. */
  readonly sizeBytes: number
  /** Where the data lies in a file with holes; undefined: everywhere. */
  readonly sparse?: SparseMap | undefined
  readonly deviceMajor: number
  readonly deviceMinor: number
  /** Further pax records (extended attributes, say): key and value as bytes. */
  readonly records: readonly (readonly [key: ByteString, value: ByteString])[] | undefined
}

/**
 * Takes members in the order of the archive. After `begin` exactly `sizeBytes` bytes of content
 * follow (of a file with holes: `sparse.dataBytes`, its data without them), by reading up to `room` bytes to `position` in `buffer` and saying so with `advance`.
 * All three may change with every call.
 */
export interface MemberSink {
  begin(member: Member): void
  readonly buffer: Buffer
  readonly position: number
  /** At least 1. */
  readonly room: number
  advance(bytes: number): void
  /** Instead of content that can no longer be read. */
  padContent(bytes: number): void
}

const NANOS_PER_SECOND = 1_000_000_000n

export function memberOf(
  kind: MemberKind,
  path: ByteString,
  linkTarget: ByteString,
  stats: BigIntStats,
  names: OwnerNames,
  extras: Pick<Member, 'records' | 'sparse'> = NO_EXTRAS,
): Member {
  const uid = Number(stats.uid)
  const gid = Number(stats.gid)
  const { mtimeNs } = stats
  const nanos = Number(mtimeNs % NANOS_PER_SECOND)
  const seconds = Number(mtimeNs / NANOS_PER_SECOND)
  const isDevice = kind === 'character-device' || kind === 'block-device'
  // Spelled out: building it from parts takes 9 us instead of one.
  return {
    kind,
    path,
    linkTarget,
    mode: Number(stats.mode) & 0o7777,
    uid,
    gid,
    userName: names.users.get(uid) ?? '',
    groupName: names.groups.get(gid) ?? '',
    mtimeSeconds: nanos < 0 ? seconds - 1 : seconds,
    mtimeNanos: nanos < 0 ? nanos + 1_000_000_000 : nanos,
    sizeBytes: kind === 'file' ? Number(stats.size) : 0,
    deviceMajor: isDevice ? majorOf(stats.rdev) : 0,
    deviceMinor: isDevice ? minorOf(stats.rdev) : 0,
    sparse: extras.sparse,
    records: extras.records,
  }
}

const NO_EXTRAS = { records: undefined, sparse: undefined }

// As glibc's gnu_dev_major and gnu_dev_minor: the 64-bit number interleaves the two.
function majorOf(device: bigint): number {
  return Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xffff_f000n))
}

function minorOf(device: bigint): number {
  return Number((device & 0xffn) | ((device >> 12n) & 0xffff_ff00n))
}
