// What a member has besides its header: extended attributes, among them ACLs, capabilities and SELinux
// labels, as pax records; where its holes are; and flags that cannot be kept.
//
// GNU tar and bsdtar both take SCHILY.xattr.NAME with the value as it is. Of ACLs they want the text
// besides (SCHILY.acl), of a SELinux label GNU tar wants a record of its own. bsdtar does not decode names
// with "=" or "%" there, so those alone come as LIBARCHIVE.xattr, too: GNU tar prints a line about each of
// these records, which nobody shall see in an emergency without need.

import {
  ACCESS_ACL,
  ATTRIBUTE_RECORD_BYTES_MAX,
  DEFAULT_ACL,
  isKeptAttribute,
  MTIME_SECONDS_MAX,
  SELINUX_LABEL,
} from '../domain/file-attributes.ts'
import type { SparseMap } from '../domain/sparse-map.ts'
import type { FileStats } from '../lib/file-stats.ts'
import { printablePath } from '../lib/printable-path.ts'
import { reasonOf } from './findings.ts'
import type { Findings } from './findings.ts'
import { flagNames, hasFlags } from './inode-flags.ts'
import type { ByteString, Member } from './member.ts'
import { aclText } from './posix-acl.ts'
import type { SourceFiles } from './source-files.ts'
import { findExtents } from './sparse-extents.ts'

type Records = NonNullable<Member['records']>

// The length in front of a record, the space, "=" and the line's end.
const RECORD_FRAME_BYTES = 16

export class MemberExtras {
  readonly #files: SourceFiles
  readonly #findings: Findings
  readonly #bytesMax: number

  /** `bytesMax`: of one member's records together. */
  constructor(files: SourceFiles, findings: Findings, bytesMax = ATTRIBUTE_RECORD_BYTES_MAX) {
    this.#files = files
    this.#findings = findings
    this.#bytesMax = bytesMax
    if (files.calls !== undefined) return
    const why = files.whyNoCalls ?? 'it is not known why'
    findings.warn('', `extended attributes, ACLs and holes are not kept in this archive: ${why}`)
  }

  /** `at`: a descriptor, or a path that is not followed. */
  recordsOf(path: ByteString, at: number | ByteString): Records | undefined {
    const { calls } = this.#files
    if (calls === undefined) return undefined
    try {
      const names = calls.listAttributes(at)
      return names.length === 0 ? undefined : this.#read(path, at, names)
    } catch (error) {
      this.#warn(path, `its extended attributes are not in the archive: ${reasonOf(error)}`)
      return undefined
    }
  }

  /** undefined: the file is archived byte by byte. */
  sparseMapOf(fd: number, stats: FileStats): SparseMap | undefined {
    // Other files are not asked: they have all their blocks.
    if (stats.allocatedBytes >= stats.sizeBytes) return undefined
    const { calls } = this.#files
    return calls === undefined ? undefined : findExtents(calls, fd, stats.sizeBytes)
  }

  noteFlags(path: ByteString, fd: number): void {
    const flags = this.#files.calls?.flagsOf(fd) ?? 0
    if (!hasFlags(flags)) return
    this.#findings.note(path, `has flags that no tar keeps: ${flagNames(flags).join(', ')}`)
  }

  #read(
    path: ByteString,
    at: number | ByteString,
    names: readonly ByteString[],
  ): Records | undefined {
    const records: (readonly [ByteString, ByteString])[] = []
    let bytes = 0
    // The file system's order is none; this one is the same every night.
    for (const name of [...names].sort()) {
      if (!isKeptAttribute(name)) {
        if (!DERIVED.has(name)) this.#note(path, `its attribute ${shown(name)} is not kept`)
        continue
      }
      const added = this.#recordsFor(path, at, name)
      const addedBytes = added.reduce(
        (sum, [key, value]) => sum + key.length + value.length + RECORD_FRAME_BYTES,
        0,
      )
      if (bytes + addedBytes > this.#bytesMax) {
        this.#warn(
          path,
          `its attribute ${shown(name)} is not in the archive: all of them together are more than ${this.#bytesMax} bytes`,
        )
        continue
      }
      bytes += addedBytes
      records.push(...added)
    }
    return records.length === 0 ? undefined : records
  }

  #recordsFor(path: ByteString, at: number | ByteString, name: ByteString): Records {
    let value: Buffer
    try {
      value = this.#files.calls!.readAttribute(at, name)
    } catch (error) {
      // Taken away since it was listed.
      if ((error as NodeJS.ErrnoException).code !== 'ENODATA')
        this.#warn(path, `its attribute ${shown(name)} is not in the archive: ${reasonOf(error)}`)
      return []
    }
    return recordsOfAttribute(name, value)
  }

  #warn(path: ByteString, reason: string): void {
    this.#findings.warn(path, reason)
  }

  #note(path: ByteString, reason: string): void {
    this.#findings.note(path, reason)
  }
}

/** Whoever may write to a disk can make files of nothing but holes that no number of ours can measure. */
export function isBeyondCounting(
  { sizeBytes }: FileStats,
  path: ByteString,
  findings: Findings,
): boolean {
  if (sizeBytes <= Number.MAX_SAFE_INTEGER) return false
  findings.warn(
    path,
    `is not in the archive: it says to have more than ${Number.MAX_SAFE_INTEGER} bytes`,
  )
  return true
}

/** Nor any time: on a file system with 64 bits for seconds it may be beyond what tar can carry. */
export function withKeptTime(stats: FileStats, path: ByteString, findings: Findings): FileStats {
  if (Math.abs(stats.mtimeSeconds) <= MTIME_SECONDS_MAX) return stats
  const mtimeSeconds = Math.sign(stats.mtimeSeconds) * MTIME_SECONDS_MAX
  findings.warn(path, `its time is beyond what tar can carry: ${mtimeSeconds} s are kept of it`)
  return { ...stats, mtimeSeconds, mtimeNanos: 0 }
}

export function recordsOfAttribute(name: ByteString, value: Buffer): Records {
  const bytes = value.toString('latin1')
  const records: (readonly [ByteString, ByteString])[] = []
  const aclKey = ACL_KEYS.get(name)
  const acl = aclKey === undefined ? undefined : aclText(value)
  if (aclKey !== undefined && acl !== undefined) records.push([aclKey, acl])
  if (name === SELINUX_LABEL) records.push(['RHT.security.selinux', bytes.replace(/\0$/, '')])
  if (/[=%]/.test(name))
    records.push([
      `LIBARCHIVE.xattr.${urlEncoded(name)}`,
      value.toString('base64').replace(/=+$/, ''),
    ])
  records.push([`SCHILY.xattr.${gnuEncoded(name)}`, bytes])
  return records
}

const ACL_KEYS: ReadonlyMap<string, string> = new Map([
  [ACCESS_ACL, 'SCHILY.acl.access'],
  [DEFAULT_ACL, 'SCHILY.acl.default'],
])

/** The kernel makes them anew for every inode. */
const DERIVED: ReadonlySet<string> = new Set(['security.evm', 'security.ima'])

/** A record's key ends at its first "=". */
function gnuEncoded(name: ByteString): ByteString {
  return name.replace(/%/g, '%25').replace(/=/g, '%3D')
}

function urlEncoded(name: ByteString): ByteString {
  return name.replace(
    /[^\x21-\x24\x26-\x3c\x3e-\x7e]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

function shown(name: ByteString): string {
  return printablePath(name)
}
