// Names of users and groups by number, as /etc/passwd and /etc/group have them. Read once per walk:
// asking the name service for each file would need a child process or a native module, and users
// that only a directory service knows keep their number, which is what a restore needs most.

import { readFileSync } from 'node:fs'
import type { ByteString } from './member.ts'

export type OwnerNames = {
  readonly users: ReadonlyMap<number, ByteString>
  readonly groups: ReadonlyMap<number, ByteString>
}

export function readOwnerNames(): OwnerNames {
  return { users: namesIn('/etc/passwd'), groups: namesIn('/etc/group') }
}

/** `name:password:number:...`, one a line. Of two names for one number the first holds, as in libc. */
export function parseOwnerNames(text: ByteString): Map<number, ByteString> {
  const names = new Map<number, ByteString>()
  for (const line of text.split('\n')) {
    const [name = '', , digits = ''] = line.split(':')
    const number = Number(digits)
    if (name !== '' && /^\d+$/.test(digits) && !names.has(number)) names.set(number, name)
  }
  return names
}

function namesIn(path: string): Map<number, ByteString> {
  try {
    return parseOwnerNames(readFileSync(path, 'latin1'))
  } catch {
    // A machine without that file (a container from scratch) archives numbers only.
    return new Map()
  }
}
