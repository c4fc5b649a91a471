// Attributes, holes and sizes at their limits: what is swapped while it is restored, what was there before,
// and files that no number of ours can measure.

import * as fs from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { systemCalls } from '../../src/lib/system-calls.ts'
import { AttributeWriter } from '../../src/pack/extract-attributes.ts'
import { createUnpackerWith } from '../../src/pack/extract-archive.ts'
import { decodeMembers } from '../../src/pack/member-record.ts'
import { ExtractWarnings } from '../../src/pack/extract-warnings.ts'
import { openTreeSink } from '../../src/pack/extract-sink.ts'
import { sourceFiles } from '../../src/sources/source-files.ts'
import type { SystemCalls } from '../../src/lib/system-calls.ts'
import { aclBytes } from '../support/acl.ts'
import { archiveOf, gnuTarOf, inChunks } from '../support/make-archive.ts'
import { file, folder, makeTree } from '../support/tree.ts'
import { createSparseFile, outputOf, temporaryFolders, walkToTar } from './in-process.ts'

const newFolder = temporaryFolders()
const calls = systemCalls() as SystemCalls
const never = new AbortController().signal
const isRoot = process.getuid?.() === 0

let source: string
let target: string
beforeEach(() => {
  source = join(newFolder(), 'source')
  target = join(newFolder(), 'target')
  fs.mkdirSync(target)
})

describe('what somebody else puts in the place of', () => {
  const wanted = {
    ...{ mode: 0o666, uid: 0, gid: 0, mtimeSeconds: 1_000, mtimeNanos: 5 },
    attributes: [
      { name: 'user.planted', value: Buffer.from('x') },
      { name: isRoot ? 'trusted.planted' : 'user.too', value: Buffer.from('x') },
    ],
  }

  it.each(['symlink', 'fifo'] as const)('a %s stays as it is', (kind) => {
    const path = join(target, 'of-somebody')
    fs.writeFileSync(path, 'x', { mode: 0o600 })
    if (isRoot) fs.chownSync(path, 1_000, 1_000)
    const before = fs.statSync(path)

    const writer = new AttributeWriter(new ExtractWarnings())

    expect(() => writer.applyByName(Buffer.from(path), wanted, { path: 'm', kind })).toThrow(
      /"m" was replaced while it was restored/,
    )
    const { mode, uid, mtimeMs } = fs.statSync(path)
    expect({ mode, uid, mtimeMs }).toEqual({
      mode: before.mode,
      uid: before.uid,
      mtimeMs: before.mtimeMs,
    })
    expect(calls.listAttributes(path)).toEqual([])
  })
})

it('a folder that was there has no rights left that the archive does not give', async () => {
  makeTree(source, [folder('d', { mode: 0o750 }), file('d/x', 'x')])
  fs.mkdirSync(join(target, 'd'))
  const everybody = aclBytes([
    ...([[0x01, 7] as const] as const),
    [0x02, 7, 4_711],
    [0x04, 7],
    [0x10, 7],
    [0x20, 7],
  ])
  for (const name of ['system.posix_acl_access', 'system.posix_acl_default'])
    calls.writeAttribute(join(target, 'd'), name, everybody)

  const archive = inChunks(await archiveOf(gnuTarOf(source)))
  const unpacker = createUnpackerWith(openTreeSink)
  await unpacker.unpack({ archive, directory: target, overwrite: 'always' }, never)

  for (const path of ['d', 'd/x']) expect(calls.listAttributes(join(target, path))).toEqual([])
  expect(fs.statSync(join(target, 'd')).mode & 0o777).toBe(0o750)
})

it('a file of more bytes than can be counted is left out, and everything else is there', () => {
  makeTree(source, [file('a', 'x'), file('z', 'x')])
  createSparseFile(join(source, 'huge'), 1_000)
  const files = {
    ...sourceFiles,
    fstat: (fd: number) => {
      const stats = sourceFiles.fstat(fd)
      // What `truncate -s 8E` makes on XFS, btrfs and tmpfs.
      return stats.sizeBytes === 1_000 ? { ...stats, sizeBytes: 2 ** 63, allocatedBytes: 0 } : stats
    },
  }

  const { tar, findings, index } = walkToTar(source, { files })

  expect(findings.warnings).toEqual([
    {
      path: 'huge',
      reason: 'is not in the archive: it says to have more than 9007199254740991 bytes',
    },
  ])
  expect(outputOf('tar', ['-tf', '-'], tar).toString()).toBe('./\na\nz\n')
  const members = index.flatMap((block) => [...decodeMembers(block)])
  expect(members.map(({ path }) => path)).toEqual(['', 'a', 'z'])
})

it('content is counted without its holes, by the walk and by a restore', async () => {
  makeTree(source, [file('a', 'four')])
  createSparseFile(join(source, 'holes'), 1e12)
  const walked = walkToTar(source)
  expect(walked.sourceBytes).toBe(4)

  const archive = inChunks(await archiveOf(walked.tar))
  const result = await createUnpackerWith(openTreeSink).unpack(
    { archive, directory: target, sourceBytesMax: 4 },
    never,
  )

  expect(result).toMatchObject({ sourceBytes: 4, readSourceBytes: 4, memberCount: 3 })
})
