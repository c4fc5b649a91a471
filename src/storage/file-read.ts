// Reading and listing a local directory server.

import { open, opendir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SpillwayError } from '../domain/errors.ts'
import { leaveBehind } from '../lib/left-behind.ts'
import { errnoOf } from './file-errors.ts'
import { opened } from './file-steps.ts'
import type { Step } from './file-steps.ts'

const CHUNK_BYTES = 256 * 1024

export type ReadRangeInput = {
  readonly path: string
  readonly place: string
  readonly key: string
  readonly range: { readonly offsetBytes: number; readonly sizeBytes: number } | undefined
  readonly step: Step
}

export async function* readRange(input: ReadRangeInput): AsyncGenerator<Uint8Array> {
  const { place, key, range, step } = input
  const file = await opened(step, () => open(input.path, 'r'))
  try {
    const { size } = await step(() => file.stat())
    const start = range?.offsetBytes ?? 0
    const end = range === undefined ? size : start + range.sizeBytes
    if (end > size)
      throw new SpillwayError(
        'SERVER_REJECTED',
        `${place}: ${key} has ${size} bytes, and bytes up to ${end} were asked for`,
      )
    for (let position = start; position < end;) {
      const at = position
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - at))
      const { bytesRead } = await step(() => file.read(chunk, 0, chunk.length, at))
      if (bytesRead === 0)
        throw new SpillwayError('SERVER_DAMAGED_DATA', `${place}: ${key} became shorter while read`)
      position += bytesRead
      yield chunk.subarray(0, bytesRead)
    }
  } finally {
    // Not awaited: a read that hangs holds it, and of a file that was only read it tells nothing.
    leaveBehind(file.close())
  }
}

export type FoundFile = {
  readonly key: string
  readonly sizeBytes: number
  readonly modifiedAt: Date
}

/** Every file whose key begins with `prefix`; folders of ours (with a dot) and links are left out. */
export async function* listFiles(
  step: Step,
  root: string,
  prefix: string,
): AsyncGenerator<FoundFile> {
  // Only the folder that the prefix names need be walked; the rest of it may be half a name.
  const folder = prefix.includes('/') ? dirname(`${prefix}x`) : ''
  if (folder.split('/').some((segment) => segment === '..' || segment === '.')) return
  yield* walk(step, root, folder, prefix)
}

async function* walk(
  step: Step,
  root: string,
  folder: string,
  prefix: string,
): AsyncGenerator<FoundFile> {
  const openIt = () =>
    opendir(join(root, folder)).catch((error: unknown) => {
      // Gone between the look and the step into it: another run may remove empty folders.
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
      throw error
    })
  const names = await step(openIt)
  if (names === undefined) return
  try {
    for (let entry = await step(() => names.read()); entry !== null;) {
      const key = folder === '' ? entry.name : `${folder}/${entry.name}`
      const isOurs = folder === '' && entry.name.startsWith('.')
      if (entry.isDirectory() && !isOurs) {
        if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`))
          yield* walk(step, root, key, prefix)
      } else if (entry.isFile() && !isOurs && key.startsWith(prefix)) {
        const found = await step(() => stat(join(root, key)).catch(absentFile))
        if (found !== undefined) yield { key, sizeBytes: found.size, modifiedAt: found.mtime }
      }
      entry = await step(() => names.read())
    }
  } finally {
    leaveBehind(names.close())
  }
}

/** For `catch`: what cannot be looked at is not listed. */
function absentFile(): undefined {
  return undefined
}
