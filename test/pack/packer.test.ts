// The packer as everybody uses it: two worker threads, a real folder, a real spool file.

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createPacker } from '../../src/compose-packer.ts'
import type { PackJob, PackProgress } from '../../src/pack/packer.ts'
import { describeTree, file, folder, hardlink, makeTree, symlink } from '../support/tree.ts'
import { createSparseFile, folderSource, outputOf, temporaryFolders } from './in-process.ts'
import type { WalkOptions } from './in-process.ts'

const newFolder = temporaryFolders()

describe('packing', () => {
  it('writes an archive that GNU tar extracts to the same tree', async () => {
    const source = sampleTree()
    const target = newFolder()

    const { result, outputPath } = await pack(source)

    outputOf('tar', ['--zstd', '-xpf', outputPath, '-C', target])
    expect(describeTree(target)).toEqual(describeTree(source))
    expect(statSync(outputPath).mode & 0o777).toBe(0o600)
    expect(statSync(outputPath).size).toBe(result.outputBytes)
    expect(result).toMatchObject({ memberCount: 206, warningCount: 0, warnings: [], notes: [] })
  })

  it('gives the same tar, whether it is verified or not, and at any time', async () => {
    const source = sampleTree()

    const [first, second] = [await pack(source, { verifies: true }), await pack(source)]

    expect(first.result.sha256).toBe(second.result.sha256)
  })

  it('tells how far the file has grown, never backwards, and exactly at its end', async () => {
    const source = newFolder()
    makeTree(source, [file('big', Buffer.alloc(50_000_000, 'text '))])
    const heard: PackProgress[] = []

    const { result } = await pack(source, {}, { onProgress: (progress) => heard.push(progress) })

    for (const [number, { outputBytes }] of heard.slice(1).entries())
      expect(outputBytes).toBeGreaterThanOrEqual(heard[number]!.outputBytes)
    const { outputBytes, sourceBytes, memberCount } = result
    expect(heard.at(-1)).toEqual({ outputBytes, sourceBytes, memberCount })
    expect(sourceBytes).toBe(50_000_000)
  })

  it('leaves nothing beside the archive: not even while it writes', async () => {
    const { spool } = await pack(sampleTree())

    expect(readdirSync(spool)).toEqual(['archive.partial'])
  })

  it('leaves itself and own folders out when they lie inside the source [F61]', async () => {
    const source = newFolder()
    makeTree(source, [file('a'), file('data/catalog.db'), folder('spool')])

    const { result, outputPath } = await pack(source, {
      ownPaths: [join(source, 'data')],
      outputPath: join(source, 'spool/x'),
    })

    const names = outputOf('tar', ['--zstd', '-tf', outputPath]).toString()
    expect(names).toBe('./\na\nspool/\n')
    expect(result.notes.map(({ path }) => path)).toEqual(['data', 'spool/x'])
  })
})

describe('packing fails', () => {
  it.each([
    ['a source that is missing', 'SOURCE_MISSING', () => '/nowhere'],
    ['a source that is a file', 'SOURCE_MISSING', () => '/etc/passwd'],
    ['a source that is empty', 'SOURCE_EMPTY', newFolder],
  ])('for %s', async (_, code, source) => {
    await expect(pack(source())).rejects.toMatchObject({ name: 'SpillwayError', code })
  })

  it('for an output file that exists, and does not touch it', async () => {
    const outputPath = join(newFolder(), 'there')
    writeFileSync(outputPath, 'precious')

    await expect(pack(sampleTree(), { outputPath })).rejects.toMatchObject({ code: 'SPOOL_FAILED' })

    expect(readFileSync(outputPath, 'utf8')).toBe('precious')
  })

  it('for a spool folder that is not there', async () => {
    await expect(pack(sampleTree(), { outputPath: '/nowhere/x' })).rejects.toMatchObject({
      code: 'SPOOL_FAILED',
      message: 'could not create /nowhere/x: ENOENT',
    })
  })

  it.each([0, 1_000, 5_000_000])('when the file would pass %i bytes', async (outputBytesMax) => {
    const outputPath = join(newFolder(), 'archive.partial')
    const job = { outputBytesMax, outputPath }

    await expect(pack(noise(), job)).rejects.toMatchObject({ code: 'SPOOL_FULL' })

    expect(statSync(outputPath).size).toBeLessThanOrEqual(outputBytesMax)
  })

  it('when a thread cannot be started, and the other one ends', async () => {
    const ownPaths = [(() => 'cannot be sent to a thread') as never]

    await expect(pack(sampleTree(), { ownPaths })).rejects.toMatchObject({ name: 'DataCloneError' })

    expect(threadCount()).toBe(0)
  })

  it('with the bug itself when a thread has one', async () => {
    await expect(pack(sampleTree(), { zstdLevel: 'high' as never })).rejects.toMatchObject({
      name: 'Error',
    })
  })
})

describe('an interruption', () => {
  it('before it begins leaves no file', async () => {
    const outputPath = join(newFolder(), 'x')
    const job = { outputPath }

    await expect(pack(sampleTree(), job, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'INTERRUPTED',
    })

    expect(readdirSync(join(outputPath, '..'))).toEqual([])
  })

  it('ends both threads within a second', async () => {
    const source = newFolder()
    createSparseFile(join(source, 'huge'), 1e12)
    const controller = new AbortController()
    let abortedAt = 0
    const onProgress = () => {
      abortedAt ||= performance.now()
      controller.abort()
    }

    await expect(pack(source, {}, { signal: controller.signal, onProgress })).rejects.toMatchObject(
      { code: 'INTERRUPTED', message: 'packing tree was interrupted' },
    )

    expect(performance.now() - abortedAt).toBeLessThan(1_000)
    expect(threadCount()).toBe(0)
  })

  it('leaves the packer ready for the next archive', async () => {
    await expect(pack(sampleTree(), {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'INTERRUPTED',
    })

    expect((await pack(sampleTree())).result.memberCount).toBe(206)
  })
})

describe('a survey', () => {
  it('counts what packing would count, and writes nothing', async () => {
    const source = sampleTree()
    const { result } = await pack(source)

    const survey = await createPacker().survey(
      { source: folderSource(source), ownPaths: [] },
      new AbortController().signal,
    )

    const { sourceBytes, memberCount } = result
    const findings = { warnings: [], warningCount: 0 }
    expect(survey).toEqual({ sourceBytes, memberCount, findings })
  })

  it.each([
    ['SOURCE_MISSING', () => '/nowhere'],
    ['SOURCE_EMPTY', newFolder],
  ])('rejects as packing does: %s', async (code, source) => {
    const job = { source: folderSource(source()), ownPaths: [] }
    await expect(createPacker().survey(job, new AbortController().signal)).rejects.toMatchObject({
      code,
    })
  })

  it('can be interrupted', async () => {
    const source = folderSource('/usr')
    const controller = new AbortController()
    const survey = createPacker().survey({ source, ownPaths: [] }, controller.signal)
    controller.abort()

    await expect(survey).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(threadCount()).toBe(0)
  })
})

type More = {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: PackProgress) => void
  readonly walk?: WalkOptions
}

async function pack(source: string, change: Partial<PackJob> = {}, more: More = {}) {
  const spool = newFolder()
  const job: PackJob = {
    archiveId: '01234567-89ab-7def-8123-456789abcdef',
    host: 'test-host',
    source: folderSource(source, more.walk),
    outputPath: join(spool, 'archive.partial'),
    startedAt: new Date('2026-03-01T02:30:00Z'),
    zstdLevel: 3,
    verifies: false,
    ownPaths: [],
    outputBytesMax: undefined,
    ...change,
  }
  const { signal = new AbortController().signal, onProgress = () => undefined } = more
  const result = await createPacker().pack(job, onProgress, signal)
  return { result, outputPath: job.outputPath, spool }
}

function sampleTree(): string {
  const source = newFolder()
  makeTree(source, [
    ...Array.from({ length: 200 }, (_, number) =>
      file(`d/file-${number}`, Buffer.alloc(number * 700, `${number} `)),
    ),
    file(Buffer.from('\xff', 'latin1'), 'x', { mtimeUs: 1_600_000_000_123_456 }),
    hardlink('hard', 'd/file-9'),
    symlink('link', 'd'),
    folder('empty'),
  ])
  return source
}

function noise(): string {
  const source = newFolder()
  writeFileSync(join(source, 'noise'), crypto.getRandomValues(Buffer.alloc(65_536)))
  // 12 MB that do not compress: xorshift, so that it takes no time.
  const bytes = new Uint32Array(3_000_000)
  let state = 0x9e3779b9
  for (let at = 0; at < bytes.length; at += 1) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[at] = state
  }
  writeFileSync(join(source, 'more'), bytes)
  return source
}

/** Worker threads of this process that are still there. */
function threadCount(): number {
  const report = process.report.getReport() as unknown as { readonly workers: readonly unknown[] }
  return report.workers.length
}
