// Fifos and device nodes: what Node cannot create by itself, made by mkfifo and mknod of coreutils.
//
// An argument is text and a member's name is bytes, so the node is born under a plain name and then
// linked to its own. The child inherits the folder's descriptor as its descriptor 3.

import { randomBytes } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { linkSync, unlinkSync } from 'node:fs'
import { inside } from './extract-folders.ts'
import type { ByteString } from './tar-header.ts'

export type SpecialFile =
  | { readonly kind: 'fifo' }
  | {
      readonly kind: 'character-device' | 'block-device'
      readonly deviceMajor: number
      readonly deviceMinor: number
    }

// A child that makes one directory entry and has not ended by now never will (a dead NFS server).
const CHILD_TIMEOUT_MS = 30_000

/**
 * Creates it with mode 0600 and never over anything that exists (EEXIST). Returns what stood in the
 * way when the system did not allow it or lacks the tool; undefined: it is there.
 */
export function makeSpecialFile(
  folderFd: number,
  name: ByteString,
  file: SpecialFile,
): string | undefined {
  const plain = `.spillway-${randomBytes(8).toString('hex')}`
  const [command, ...rest] = commandFor(file, `/proc/self/fd/3/${plain}`)
  const child = spawnSync(command, rest, {
    stdio: ['ignore', 'ignore', 'pipe', folderFd],
    // Nothing of ours: the environment may hold secrets.
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    timeout: CHILD_TIMEOUT_MS,
    encoding: 'utf8',
  })
  if (child.error !== undefined) return `${command}: ${child.error.message}`
  if (child.status !== 0) return reasonOf(child.stderr) ?? `${command} failed`
  try {
    linkSync(inside(folderFd, plain), inside(folderFd, name))
  } finally {
    unlinkSync(inside(folderFd, plain))
  }
  return undefined
}

function commandFor(file: SpecialFile, at: string): readonly [string, ...string[]] {
  if (file.kind === 'fifo') return ['mkfifo', '--mode=0600', '--', at]
  const type = file.kind === 'block-device' ? 'b' : 'c'
  const numbers = [String(file.deviceMajor), String(file.deviceMinor)]
  return ['mknod', '--mode=0600', '--', at, type, ...numbers]
}

/** `mknod: /proc/self/fd/3/...: Operation not permitted` -> `operation not permitted`. */
function reasonOf(stderr: string): string | undefined {
  const last = stderr.trim().split('\n').at(-1)?.split(': ').at(-1)
  return last === undefined || last === '' ? undefined : last.toLowerCase()
}
