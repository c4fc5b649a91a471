// What a program writes, read into the tar. Synchronous, so in a worker thread: the pipe is read straight
// into the block, and a program that is faster than the compression waits.

import { readSync } from 'node:fs'
import type { Member, MemberSink } from './member.ts'
import type { OwnerNames } from './owner-names.ts'

export type OutputSink = Pick<MemberSink, 'buffer' | 'position' | 'room' | 'advance'>

// What a pipe holds; a longer read brings no more.
const READ_BYTES_MAX = 64 * 1024

/**
 * Until its end; whoever opened `fd` closes it. `checkpoint` is called after each read, and throws to end
 * it. `see` gets each piece, which is gone after the call.
 */
export function copyOutput(
  fd: number,
  sink: OutputSink,
  checkpoint: () => void,
  see: (piece: Buffer) => void,
): void {
  for (;;) {
    const { buffer, position, room } = sink
    const bytes = readSync(fd, buffer, position, Math.min(room, READ_BYTES_MAX), null)
    checkpoint()
    if (bytes === 0) return
    see(buffer.subarray(position, position + bytes))
    sink.advance(bytes)
  }
}

/** What is known already, as the content of a member. */
export function copyBytes(bytes: Uint8Array, sink: OutputSink): void {
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + sink.room)
    sink.buffer.set(piece, sink.position)
    sink.advance(piece.length)
    at += piece.length
  }
}

/** A dump holds what only its owner may read. */
const OUTPUT_MODE = 0o600
const FOLDER_MODE = 0o700

/** The member that an output becomes; it belongs to whoever runs this. */
export function outputMember(
  fileName: string,
  endedAt: Date,
  names: OwnerNames,
): Omit<Member, 'sizeBytes'> {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  const ms = endedAt.getTime()
  return {
    kind: 'file',
    path: fileName,
    linkTarget: '',
    mode: OUTPUT_MODE,
    uid,
    gid,
    userName: names.users.get(uid) ?? '',
    groupName: names.groups.get(gid) ?? '',
    mtimeSeconds: Math.floor(ms / 1_000),
    mtimeNanos: (ms % 1_000) * 1_000_000,
    deviceMajor: 0,
    deviceMinor: 0,
    records: undefined,
  }
}

/** A folder that outputs lie in. */
export function outputFolder(path: string, madeAt: Date, names: OwnerNames): Member {
  const member = outputMember(path, madeAt, names)
  return { ...member, kind: 'directory', mode: FOLDER_MODE, sizeBytes: 0 }
}
