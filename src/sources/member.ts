// What the walk hands over: one member after the other, each with its content right behind it.
//
// Names are bytes. They travel as strings with one character per byte (latin1): such strings sort
// in byte order, cost a tenth of a Buffer, and lose nothing that UTF-8 decoding would lose.

import type { SparseMap } from '../domain/sparse-map.ts'
import type { FileStats } from '../lib/file-stats.ts'
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

export function memberOf(
  kind: MemberKind,
  path: ByteString,
  linkTarget: ByteString,
  stats: FileStats,
  names: OwnerNames,
  extras: Pick<Member, 'records' | 'sparse'> = NO_EXTRAS,
): Member {
  const { uid, gid } = stats
  const isDevice = kind === 'character-device' || kind === 'block-device'
  // Spelled out: building it from parts takes 9 us instead of one.
  return {
    kind,
    path,
    linkTarget,
    mode: stats.mode & 0o7777,
    uid,
    gid,
    userName: names.users.get(uid) ?? '',
    groupName: names.groups.get(gid) ?? '',
    mtimeSeconds: stats.mtimeSeconds,
    mtimeNanos: stats.mtimeNanos,
    sizeBytes: kind === 'file' ? stats.sizeBytes : 0,
    deviceMajor: isDevice ? stats.deviceMajor : 0,
    deviceMinor: isDevice ? stats.deviceMinor : 0,
    sparse: extras.sparse,
    records: extras.records,
  }
}

const NO_EXTRAS = { records: undefined, sparse: undefined }
