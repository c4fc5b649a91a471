// Members that could not be given back because their bytes are damaged: each is named.

import { printablePath } from '../lib/printable-path.ts'
import { microsecondsOf } from './pax-records.ts'
import type { ByteString } from './tar-header.ts'
import type { LostMember } from './extract-input.ts'
import type { ReadMember } from './tar-reader.ts'

// A damaged frame holds at most 8 192 headers; beyond a dozen such frames only the number is of use.
const LOST_KEPT_MAX = 100_000

export class LostMembers {
  readonly kept: string[] = []
  count = 0

  add(path: ByteString): void {
    this.count += 1
    if (this.kept.length < LOST_KEPT_MAX) this.kept.push(printablePath(path))
  }
}

/** A folder whose header is damaged, as far as the index knows it. */
export function folderFromIndex(lost: LostMember, path: ByteString): ReadMember {
  const { mode, mtimeSeconds, mtimeNanos } = lost
  return {
    path,
    kind: 'directory',
    headerName: path,
    linkTarget: '',
    mode,
    mtimeSeconds,
    mtimeNanos,
    mtimeUs: microsecondsOf(lost),
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    sizeBytes: 0,
    storedBytes: 0,
    isSparse: false,
    offsetBytes: 0,
    deviceMajor: 0,
    deviceMinor: 0,
    attributes: [],
  }
}
