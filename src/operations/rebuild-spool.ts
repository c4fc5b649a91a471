// Archives that lie whole in the spool come back into an empty catalog from their own tails. What is half
// written (`.partial`) died with the run that wrote it, and is left for a person to look at.

import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { archiveKey } from '../domain/archive.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { openArchiveTail } from '../pack/archive-tail.ts'
import { rebuiltFrom } from './rebuild-archive.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { ReadRange } from '../pack/archive-tail.ts'
import type { RebuiltArchive } from '../catalog/rebuild-calls.ts'
import type { RebuiltPins } from './rebuild-pins.ts'

export type RebuiltSpool = {
  readonly found: number
  readonly problems: readonly SpillwayError[]
}

export async function rebuildSpool(
  { catalog, config }: { readonly catalog: Catalog; readonly config: Config },
  pins: RebuiltPins,
): Promise<RebuiltSpool> {
  const problems: SpillwayError[] = []
  let found = 0
  for (const name of await filesIn(config.spoolDir)) {
    const path = join(config.spoolDir, name)
    const archive = await readFile(path, name, config.serverId)
    if (archive instanceof SpillwayError) {
      problems.push(archive)
      continue
    }
    await pins.look(archive)
    const adoption = await catalog.adoptLocal(archive, path)
    if (adoption.outcome === 'conflict') problems.push(leftAlone(path, adoption.why))
    else found += 1
  }
  return { found, problems }
}

async function filesIn(spoolDir: string): Promise<readonly string[]> {
  try {
    const names = await readdir(spoolDir)
    return names.filter((name) => name.endsWith('.tar.zst')).toSorted()
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
    const what = `cannot list the spool ${spoolDir}: ${messageOf(cause)}`
    throw new SpillwayError('SPOOL_FAILED', what, { cause })
  }
}

async function readFile(
  path: string,
  file: string,
  host: string,
): Promise<RebuiltArchive | SpillwayError> {
  try {
    const handle = await open(path, 'r')
    try {
      const { size } = await handle.stat()
      const readRange: ReadRange = async (offsetBytes, sizeBytes) => {
        const bytes = Buffer.alloc(sizeBytes)
        const { bytesRead } = await handle.read(bytes, 0, sizeBytes, offsetBytes)
        return bytes.subarray(0, bytesRead)
      }
      const { manifest } = await openArchiveTail(readRange, size)
      const startedAt = new Date(manifest.startedAt)
      const key = archiveKey(host, startedAt, file)
      const archive = rebuiltFrom(manifest, { host, key, file }, size)
      return typeof archive === 'string' ? leftAlone(path, archive) : archive
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED'))
      return leftAlone(path, messageOf(error))
    const cannot = `cannot read ${path}: ${messageOf(error)}`
    return new SpillwayError('SPOOL_FAILED', cannot, { cause: error })
  }
}

function leftAlone(path: string, why: string): SpillwayError {
  return new SpillwayError('SPOOL_FAILED', `${path} is left alone: ${why}`)
}
