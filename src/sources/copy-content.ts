// The content of one file that was just opened. The header in front of it has promised a size, so
// exactly that many bytes follow, whatever happens to the file meanwhile.

import type { SparseMap } from '../domain/sparse-map.ts'
import type { FileStats } from '../lib/file-stats.ts'
import { reasonOf } from './findings.ts'
import type { MemberSink } from './member.ts'
import type { SourceFiles } from './source-files.ts'

/**
 * Copies `before.sizeBytes` bytes to the sink, or what `sparse` says is data of them. Returns what went wrong,
 * for a warning; undefined: the content is whole and did not change meanwhile, as far as its size and times
 * can tell.
 */
export function copyContent(
  files: SourceFiles,
  fd: number,
  before: FileStats,
  sink: MemberSink,
  sparse?: SparseMap,
): string | undefined {
  const { sizeBytes } = before
  const extents = sparse?.extents ?? [0, sizeBytes]
  let zerosFrom = sizeBytes
  let failure: string | undefined
  for (let at = 0; at < extents.length; at += 2) {
    const [offset, length] = [extents[at]!, extents[at + 1]!]
    if (zerosFrom < sizeBytes) {
      sink.padContent(length)
      continue
    }
    const copied = copyExtent(files, fd, { offset, length }, sink)
    failure = copied.failure
    if (copied.bytes < length) {
      zerosFrom = offset + copied.bytes
      sink.padContent(length - copied.bytes)
    }
  }
  if (failure !== undefined)
    return `${failure}; its last ${sizeBytes - zerosFrom} bytes are zeros in the archive`
  return changeBetween(before, files.fstat(fd), zerosFrom)
}

function copyExtent(
  files: SourceFiles,
  fd: number,
  { offset, length }: { readonly offset: number; readonly length: number },
  sink: MemberSink,
): { readonly bytes: number; readonly failure: string | undefined } {
  let copied = 0
  while (copied < length) {
    const { buffer, position, room } = sink
    let bytes: number
    try {
      bytes = files.read(fd, buffer, position, Math.min(length - copied, room), offset + copied)
    } catch (error) {
      return { bytes: copied, failure: `could not be read: ${reasonOf(error)}` }
    }
    if (bytes === 0) break
    sink.advance(bytes)
    copied += bytes
  }
  return { bytes: copied, failure: undefined }
}

function changeBetween(before: FileStats, after: FileStats, readBytes: number): string | undefined {
  const changed = 'changed while it was read'
  const sizes = `from ${before.sizeBytes} to ${after.sizeBytes} bytes`
  if (after.sizeBytes > before.sizeBytes)
    return `${changed}: grew ${sizes}, and was cut at its old size`
  if (readBytes < before.sizeBytes)
    return `${changed}: shrank ${sizes}; from byte ${readBytes} on it is zeros in the archive`
  if (after.sizeBytes < before.sizeBytes) return `${changed}: shrank ${sizes}`
  // Links and renames touch ctime too, but so does writing with the mtime put back.
  const isTouched =
    after.mtimeNanos !== before.mtimeNanos ||
    after.mtimeSeconds !== before.mtimeSeconds ||
    after.ctimeNanos !== before.ctimeNanos ||
    after.ctimeSeconds !== before.ctimeSeconds
  return isTouched ? changed : undefined
}
