// What must be true of an installation after any fault, once the next run is through: the ledger against the
// servers' own books, every stored archive against the source, the spool against the catalog.
//
// It asks the model servers themselves and GNU tar, never our own readers.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { describeTree, removeTree } from './tree.ts'
import type { ArchiveWithCopies } from '../../src/catalog/catalog.ts'
import type { World } from './world.ts'

/** Empty when all is well. The source must be what it was when the archives were made. */
export async function violations(world: World): Promise<readonly string[]> {
  const archives = await world.withCatalog(async (catalog) => {
    await catalog.check()
    return catalog.archives()
  })
  return [
    ...(await world.audit()),
    ...limitsPassed(world),
    ...archives.flatMap((archive) => wrongCopies(world, archive)),
    ...wrongSpool(world, archives),
  ]
}

/** Bytes of objects and open parts, at their most since the server began. */
function limitsPassed(world: World): readonly string[] {
  return world.models.flatMap((model, index) => {
    const limitBytes = Number(world.env[`S3_SERVER_${index + 1}_STORAGE_LIMIT_GB`]) * 1e9
    return model.highWaterBytes <= limitBytes
      ? []
      : [
          `server ${index + 1} held ${model.highWaterBytes} bytes at once, its limit is ${limitBytes}`,
        ]
  })
}

/** Objects that were compared with the source before, of each world: hundreds come together. */
const compared = new WeakMap<World, Set<string>>()

function wrongCopies(world: World, archive: ArchiveWithCopies): readonly string[] {
  const stored = archive.copies.filter(({ state }) => state === 'stored')
  const wrong: string[] = []
  for (const { identity, key, token } of stored) {
    const server = Number(
      Object.entries(world.env)
        .find(
          ([name, value]) => /_ENDPOINT$/.test(name) && identity.includes(new URL(value).host),
        )?.[0]
        .split('_')[2],
    )
    const model = world.models[server - 1]
    const object = model?.objects().find((each) => each.key === key)
    if (model === undefined || object === undefined) {
      wrong.push(`${key}: stored on ${identity}, where it is not`)
      continue
    }
    if (object.metadata['spillway-token'] !== token) wrong.push(`${key}: not with our token`)
    const known = compared.get(world) ?? new Set()
    compared.set(world, known)
    const written = `${server} ${key} ${object.etag}`
    if (known.has(written)) continue
    known.add(written)
    wrong.push(...unlikeSource(world.source, key, model.bytesOf(key)))
  }
  const servers = new Set(stored.map(({ identity }) => identity))
  if (servers.size < stored.length) wrong.push(`${archive.file} is twice on one server`)
  return wrong
}

function unlikeSource(source: string, key: string, archive: Buffer): readonly string[] {
  const target = mkdtempSync(join(tmpdir(), 'spillway-oracle-'))
  try {
    mkdirSync(join(target, 'tree'))
    execFileSync('tar', ['--zstd', '-xpf', '-', '-C', join(target, 'tree')], { input: archive })
    const [back, there] = [describeTree(join(target, 'tree')), describeTree(source)]
    return back.join('\n') === there.join('\n')
      ? []
      : [`${key} is not what the source is: ${back.join()}`]
  } catch (error) {
    return [`${key} is no archive for tar: ${String(error)}`]
  } finally {
    removeTree(target)
  }
}

/** Files that the catalog does not know, and rows whose file is gone. */
function wrongSpool(world: World, archives: readonly ArchiveWithCopies[]): readonly string[] {
  const spool = join(world.folder, 'data/spool')
  const names = existsSync(spool) ? readdirSync(spool) : []
  const known = new Set(
    archives.flatMap(({ state, localPath }) =>
      state === 'ready' && localPath !== undefined ? [localPath] : [],
    ),
  )
  const there = names.filter((name) => name !== '.spillway-spool').map((name) => join(spool, name))
  return [
    ...there.filter((path) => !known.has(path)).map((path) => `${path} is nobody's`),
    ...[...known].filter((path) => !there.includes(path)).map((path) => `${path} is missing`),
  ]
}
