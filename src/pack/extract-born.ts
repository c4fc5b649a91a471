// What a file has from the moment it is made in the folder that is restored into: of most files that is all
// that the archive wants of them, and three calls of the system for each are spared.
//
// It is true of every folder below, too, for as long as all of them are made by this restore: a folder
// has its group and its default ACL from the one above. So it is asked for in a folder that was empty only.

import * as fs from 'node:fs'
import { DEFAULT_ACL } from '../domain/file-attributes.ts'
import { systemCalls } from '../lib/system-calls.ts'
import { openNameless } from './extract-target.ts'
import type { Attributes } from './extract-deferred.ts'

export type Born = {
  readonly uid: number
  readonly gid: number
  /** Bits that no new file has. */
  readonly maskedBits: number
}

/** For content alone. */
export const PRIVATE_MODE = 0o600

/** undefined: new files inherit an ACL there, or nothing can be said; then everything is set anew. */
export function bornIn(rootFd: number): Born | undefined {
  if (systemCalls()?.listAttributes(rootFd).includes(DEFAULT_ACL) === true) return undefined
  const fd = openNameless(rootFd, 0o777)
  try {
    const { uid, gid, mode } = fs.fstatSync(fd)
    // The umask, seen at work: asking for it changes it for a moment, for all threads.
    return { uid, gid, maskedBits: 0o777 & ~mode }
  } finally {
    fs.closeSync(fd)
  }
}

/** The mode to make a file with: its own, where nothing that is still to be done asks for another one. */
export function modeAtBirth(born: Born | undefined, { mode, attributes }: Attributes): number {
  const isPlain = mode <= 0o777 && (mode & 0o200) !== 0 && attributes.length === 0
  return born !== undefined && isPlain && (mode & born.maskedBits) === 0 ? mode : PRIVATE_MODE
}
