// The content of one file that was just opened. The header in front of it has promised a size, so
// exactly that many bytes follow, whatever happens to the file meanwhile.

import type { BigIntStats } from 'node:fs'
import { reasonOf } from './findings.ts'
import type { MemberSink } from './member.ts'
import type { SourceFiles } from './source-files.ts'

/**
 * Copies `before.size` bytes to the sink. Resolves to what went wrong, for a warning; undefined: the
 * content is whole and did not change meanwhile, as far as its size and times can tell.
 */
export function copyContent(
  files: SourceFiles,
  fd: number,
  before: BigIntStats,
  sink: MemberSink,
): string | undefined {
  const sizeBytes = Number(before.size)
  let left = sizeBytes
  let failure: string | undefined
  while (left > 0 && failure === undefined) {
    const { buffer, position, room } = sink
    let bytes = 0
    try {
      bytes = files.read(fd, buffer, position, Math.min(left, room))
    } catch (error) {
      failure = `could not be read: ${reasonOf(error)}`
    }
    if (bytes === 0) break
    sink.advance(bytes)
    left -= bytes
  }
  if (left > 0) sink.padContent(left)

  if (failure !== undefined) return `${failure}; its last ${left} bytes are zeros in the archive`
  return changeBetween(before, files.fstat(fd), sizeBytes - left)
}

function changeBetween(
  before: BigIntStats,
  after: BigIntStats,
  readBytes: number,
): string | undefined {
  const changed = 'changed while it was read'
  const sizes = `from ${before.size} to ${after.size} bytes`
  if (after.size > before.size) return `${changed}: grew ${sizes}, and was cut at its old size`
  if (BigInt(readBytes) < before.size)
    return `${changed}: shrank ${sizes}; from byte ${readBytes} on it is zeros in the archive`
  if (after.size < before.size) return `${changed}: shrank ${sizes}`
  // Links and renames touch ctime too, but so does writing with the mtime put back.
  if (after.mtimeNs !== before.mtimeNs || after.ctimeNs !== before.ctimeNs) return changed
  return undefined
}
