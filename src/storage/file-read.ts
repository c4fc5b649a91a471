// Reading and listing a local directory server.

import { open, opendir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SpillwayError } from '../domain/errors.ts'
import { errnoOf } from './file-errors.ts'
import { interrupted } from './retry.ts'

const CHUNK_BYTES = 256 * 1024

export type ReadRangeInput = {
  readonly path: string
  readonly place: string
  readonly key: string
  readonly range: { readonly offsetBytes: number; readonly sizeBytes: number } | undefined
  readonly signal: AbortSignal
  /** Puts a limit on how long one step may take. */
  readonly timed: <T>(step: Promise<T>) => Promise<T>
}

export async function* readRange(input: ReadRangeInput): AsyncGenerator<Uint8Array> {
  const { place, key, range, signal, timed } = input
  const file = await timed(open(input.path, 'r'))
  try {
    const { size } = await file.stat()
    const start = range?.offsetBytes ?? 0
    const end = range === undefined ? size : start + range.sizeBytes
    if (end > size)
      throw new SpillwayError(
        'SERVER_REJECTED',
        `${place}: ${key} has ${size} bytes, and bytes up to ${end} were asked for`,
      )
    for (let position = start; position < end;) {
      if (signal.aborted) throw interrupted()
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - position))
      const { bytesRead } = await timed(file.read(chunk, 0, chunk.length, position))
      if (bytesRead === 0)
        throw new SpillwayError('SERVER_DAMAGED_DATA', `${place}: ${key} became shorter while read`)
      position += bytesRead
      yield chunk.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

export type FoundFile = {
  readonly key: string
  readonly sizeBytes: number
  readonly modifiedAt: Date
}

/** Every file whose key begins with `prefix`; folders of ours (with a dot) and links are left out. */
export async function* listFiles(root: string, prefix: string): AsyncGenerator<FoundFile> {
  // Only the folder that the prefix names need be walked; the rest of it may be half a name.
  const folder = prefix.includes('/') ? dirname(`${prefix}x`) : ''
  if (folder.split('/').some((segment) => segment === '..' || segment === '.')) return
  yield* walk(root, folder, prefix)
}

async function* walk(root: string, folder: string, prefix: string): AsyncGenerator<FoundFile> {
  const names = await opendir(join(root, folder)).catch((error: unknown) => {
    // Gone between the look and the step into it: another run may remove empty folders.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw error
  })
  if (names === undefined) return
  for await (const entry of names) {
    if (folder === '' && entry.name.startsWith('.')) continue
    const key = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) {
      if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`))
        yield* walk(root, key, prefix)
    } else if (entry.isFile() && key.startsWith(prefix)) {
      const found = await stat(join(root, key)).catch(() => undefined)
      if (found !== undefined) yield { key, sizeBytes: found.size, modifiedAt: found.mtime }
    }
  }
}
