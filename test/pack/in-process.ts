// Walk, tar and archive in this process, without threads: so that a test can let a disk fail at a
// chosen byte and see the bytes that come out.

import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { execFileSync, spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect } from 'vitest'
import type { FolderSource } from '../../src/domain/source.ts'
import { ArchiveWriter } from '../../src/pack/archive-writer.ts'
import type { ArchiveJob } from '../../src/pack/archive-writer.ts'
import { IndexEncoder } from '../../src/pack/member-record.ts'
import type { RawIndexBlock } from '../../src/pack/member-record.ts'
import type { PackResult } from '../../src/pack/packer.ts'
import { SpoolFile } from '../../src/pack/spool-file.ts'
import { PATH_BYTES_MAX } from '../../src/pack/tar-header.ts'
import { BLOCK_BYTES, TarWriter } from '../../src/pack/tar-writer.ts'
import { Findings } from '../../src/sources/findings.ts'
import type { Member } from '../../src/sources/member.ts'
import { walkFolder } from '../../src/sources/walk.ts'
import type { WalkInput, WalkResult } from '../../src/sources/walk.ts'
import { removeTree } from '../support/tree.ts'

export type WalkOptions = Partial<Omit<FolderSource, 'path'>> &
  Partial<Pick<WalkInput, 'ownPaths' | 'files' | 'openFoldersMax' | 'pathBytesMax' | 'ownerNames'>>

export type Walked = WalkResult & {
  readonly blocks: readonly Buffer[]
  readonly tar: Buffer
  readonly members: readonly Member[]
  readonly index: readonly RawIndexBlock[]
  readonly findings: Findings
}

export function folderSource(path: string, more: WalkOptions = {}): FolderSource {
  return {
    kind: 'folder',
    number: more.number ?? 1,
    name: more.name ?? 'tree',
    path,
    excludes: more.excludes ?? [],
    isOneFileSystem: more.isOneFileSystem ?? false,
    excludesCaches: more.excludesCaches ?? false,
    mayBeEmpty: more.mayBeEmpty ?? false,
    keep: {
      last: undefined,
      daily: undefined,
      weekly: undefined,
      monthly: undefined,
      yearly: undefined,
      withinDays: undefined,
    },
  }
}

/** The whole tar of a folder, and all that was said on the way. */
export function walkToTar(
  path: string,
  options: WalkOptions = {},
  indexBlockBytes?: number,
): Walked {
  const blocks: Buffer[] = []
  const members: Member[] = []
  const index: RawIndexBlock[] = []
  const encoder = new IndexEncoder((block) => index.push(block), indexBlockBytes)
  let block = Buffer.alloc(0)
  const tar = new TarWriter(
    {
      // Full of rubbish, as a block that was used before.
      take: () => (block = Buffer.alloc(BLOCK_BYTES, 0xa5)),
      give: (lengthBytes) => blocks.push(block.subarray(0, lengthBytes)),
    },
    (member, place) => {
      members.push(member)
      encoder.add(member, place)
    },
  )
  const findings = new Findings(1_000)
  const walked = walkFolder({
    source: folderSource(path, options),
    ownPaths: options.ownPaths ?? [],
    pathBytesMax: options.pathBytesMax ?? PATH_BYTES_MAX,
    ownerNames: options.ownerNames ?? { users: new Map(), groups: new Map() },
    sink: tar,
    findings,
    checkpoint: () => undefined,
    ...(options.files === undefined ? {} : { files: options.files }),
    ...(options.openFoldersMax === undefined ? {} : { openFoldersMax: options.openFoldersMax }),
  })
  tar.end()
  encoder.flush()
  return { ...walked, blocks, tar: Buffer.concat(blocks), members, index, findings }
}

/** Writes what was walked as an archive file. */
export async function writeArchive(
  walked: Walked,
  outputPath: string,
  more: Partial<ArchiveJob> & { readonly indexPayloadMax?: number } = {},
): Promise<PackResult> {
  const file = SpoolFile.create(outputPath)
  const job: ArchiveJob = {
    archiveId: '01234567-89ab-7def-8123-456789abcdef',
    host: 'test-host',
    source: { name: 'tree', kind: 'folder' },
    startedAt: new Date('2026-03-01T02:30:00Z'),
    zstdLevel: 3,
    verifies: true,
    outputPath,
    ...more,
  }
  const writer = new ArchiveWriter(file, job, undefined, more.indexPayloadMax)
  try {
    for (const block of walked.blocks) await writer.addBlock(block, () => undefined)
    for (const block of walked.index) await writer.addMembers(block)
    const { warningCount, warnings, notes } = walked.findings
    const { sourceBytes, memberCount } = walked
    return await writer.finish({ sourceBytes, memberCount, warningCount, warnings, notes })
  } finally {
    await writer.close()
    file.close()
  }
}

/** A folder that is removed after each test. */
export function temporaryFolders(): () => string {
  const made: string[] = []
  afterEach(() => {
    for (const folder of made.splice(0)) removeTree(folder)
  })
  return () => {
    const folder = mkdtempSync(join(tmpdir(), 'spillway-pack-'))
    made.push(folder)
    return folder
  }
}

/** Whether a tool is here that is no part of every Linux: bsdtar, python3, zstd. */
export function hasTool(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0
}

/** Output of a tool that must say nothing on stderr and end well. */
export function outputOf(tool: string, args: readonly string[], input?: Buffer): Buffer {
  const { status, stdout, stderr, error } = spawnSync(tool, args, {
    input,
    maxBuffer: 1024 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  })
  if (error !== undefined) throw error
  const said = { status, stderr: stderr.toString() }
  expect(said, `${tool} ${args.join(' ')}`).toEqual({ status: 0, stderr: '' })
  return stdout
}

export function createSparseFile(path: string, sizeBytes: number): void {
  closeSync(openSync(path, 'wx'))
  execFileSync('truncate', ['-s', String(sizeBytes), path])
}

export function removeFile(path: string): void {
  rmSync(path)
}
