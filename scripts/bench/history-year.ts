// `node dist/scripts/bench/history-year.js`: what a year of nights costs the catalog, and how fast it answers.
//
// Every night the members of an archive are recorded as a run does it, in a catalog on disk; then the
// program itself is started for find, history, diff and `prune --dry-run`. The server is only a row: none
// of them asks it.
//
//   node dist/scripts/bench/history-year.js [--nights N] [--files N] [--share 0.01] [--keep N]
//
// With --keep, archives go as pruning deletes them: how large does a catalog stay that keeps N of them?

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { newArchiveId } from '../../src/domain/archive.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { recordMembers } from '../../src/operations/history-recorder.ts'
import { identityOf } from '../../src/domain/server.ts'
import { comparePaths } from '../../src/pack/member-record.ts'
import type { ArchiveRow, Catalog, CopyId } from '../../src/catalog/catalog.ts'
import type { Server } from '../../src/domain/server.ts'
import type { IndexedMember } from '../../src/pack/member-record.ts'

const PROGRAM = join(import.meta.dirname, '../../src/main.js')
const DAY_MS = 86_400_000
const MEMBERS_AT_ONCE = 4_000

const { values } = parseArgs({
  options: {
    nights: { type: 'string', default: '365' },
    files: { type: 'string', default: '50000' },
    share: { type: 'string', default: '0.01' },
    keep: { type: 'string', default: 'Infinity' },
  },
})
const nights = Number(values.nights)
const work = mkdtempSync(join(tmpdir(), 'spillway-year-'))
const ENDPOINT = 'https://s3.example.com'
const server = {
  identity: identityOf(ENDPOINT, 'backups', ''),
  label: '1: s3.example.com/backups',
  endpoint: ENDPOINT,
  bucket: 'backups',
  prefix: '',
  ...{ kind: 's3', number: 1, region: 'eu', accessKey: 'none', secretKey: 'none' },
  ...{ caPem: undefined, isPathStyle: undefined, storageClass: undefined },
  ...{ limitBytes: 100_000_000_000, isEnabled: true },
} satisfies Server

async function bench(): Promise<void> {
  const path = join(work, 'catalog.db')
  const catalog = await openCatalog({ path, host: 'bench' })
  await catalog.registerServers([server])
  const copies: CopyId[] = []
  const tree = new Tree(Number(values.files))
  const seconds: number[] = []
  for (let day = 0; day < nights; day += 1) {
    if (day > 0) tree.change(Number(values.share))
    const { archive, copyId } = await storedArchive(catalog, startOf(day))
    copies.push(copyId)
    const members = inBlocks(tree.members())
    const begun = performance.now()
    await recordMembers(catalog, archive, members, new AbortController().signal)
    seconds.push((performance.now() - begun) / 1_000)
    for (const gone of copies.splice(0, copies.length - Number(values.keep))) {
      await catalog.markDeleting(gone, 'not kept')
      await catalog.markDeleted(gone)
    }
  }
  await catalog.close()
  const [first = 0, ...later] = seconds
  const sorted = later.toSorted((a, b) => a - b)
  console.log(
    `${nights} nights of ${values.files} files, ${values.share} of them changed each night`,
  )
  console.log(`catalog            ${(statSync(path).size / 1e6).toFixed(1)} MB`)
  console.log(`first night        ${first.toFixed(3)} s`)
  console.log(`later, median      ${(sorted[sorted.length >> 1] ?? 0).toFixed(3)} s`)
  console.log(`later, slowest     ${(sorted.at(-1) ?? 0).toFixed(3)} s`)
  console.log(`memory, at most    ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`)
  const oldest = Math.max(0, nights - Number(values.keep))
  time('find one name', ['find', 'file-00123-300'])
  time('find a glob', ['find', 'share/**/*-99[0-9].txt'])
  time('find everything', ['find', '**', '--limit=100000'])
  time('history of a path', ['history', tree.anyPath])
  time('diff of neighbours', ['diff', fileOf(nights - 2), fileOf(nights - 1)])
  time('diff of the ends', ['diff', fileOf(oldest), fileOf(nights - 1), '--limit=100000'])
  time('prune --dry-run', ['prune', '--dry-run'])
}

function time(what: string, args: readonly string[]): void {
  const env = join(work, '.env')
  const lines = [
    `SERVER_ID=bench\nDATA_DIR=${work}\nSOURCE_1_NAME=share\nSOURCE_1_PATH=${import.meta.dirname}`,
    'KEEP_DAILY=14\nKEEP_WEEKLY=8\nKEEP_MONTHLY=12',
    `S3_SERVER_1_ENDPOINT=${ENDPOINT}\nS3_SERVER_1_REGION=eu\nS3_SERVER_1_BUCKET=backups`,
    'S3_SERVER_1_ACCESS_KEY=none\nS3_SERVER_1_SECRET_KEY=none\n',
  ]
  writeFileSync(env, lines.join('\n'), { mode: 0o600 })
  const begun = performance.now()
  const out = execFileSync(process.execPath, [PROGRAM, ...args, `--config=${env}`], {
    maxBuffer: 1024 ** 3,
    encoding: 'utf8',
  })
  const seconds = (performance.now() - begun) / 1_000
  console.log(`${what.padEnd(18)} ${seconds.toFixed(3)} s, ${out.split('\n').length - 1} lines`)
}

function startOf(day: number): Date {
  return new Date(Date.UTC(2025, 0, 1) + day * DAY_MS)
}

function fileOf(day: number): string {
  const stamp = startOf(day).toISOString().slice(0, 10)
  return `share-${stamp.replaceAll('-', '')}-000000.tar.zst`
}

async function storedArchive(
  catalog: Catalog,
  startedAt: Date,
): Promise<{ archive: ArchiveRow; copyId: CopyId }> {
  const id = newArchiveId(startedAt.getTime())
  const row = await catalog.beginArchive({
    id,
    source: 'share',
    sourceKind: 'folder',
    startedAt,
    spoolDir: work,
  })
  await catalog.markReady(id, {
    localPath: join(work, row.file),
    sizeBytes: 1_000_000,
    sourceBytes: 3_000_000,
    memberCount: 1,
    sha256: 'ab'.repeat(32),
    endedAt: startedAt,
    warningCount: 0,
    warnings: [],
  })
  const copyId = await catalog.reserve({
    archiveId: id,
    identity: server.identity,
    key: row.key,
    token: id,
    bytes: 1_000_000,
    limitBytes: server.limitBytes,
  })
  if (copyId === undefined) throw new Error('no room')
  await catalog.markStored(copyId, {
    sizeBytes: 1_000_000,
    etag: undefined,
    versionId: undefined,
    at: startedAt,
  })
  await catalog.markLocalGone(id)
  return { archive: row, copyId }
}

async function* inBlocks(
  members: readonly IndexedMember[],
): AsyncGenerator<readonly IndexedMember[]> {
  for (let at = 0; at < members.length; at += MEMBERS_AT_ONCE)
    yield members.slice(at, at + MEMBERS_AT_ONCE)
}

/** Folders of a hundred files; each night some change, one in ten of them goes, and as many come. */
class Tree {
  readonly #members = new Map<string, IndexedMember>()
  #count = 0
  #seed = 1

  constructor(count: number) {
    while (this.#members.size < count) this.#add()
  }

  get anyPath(): string {
    const paths = [...this.#members.keys()]
    return paths[paths.length >> 1] ?? ''
  }

  change(share: number): void {
    const paths = [...this.#members.keys()]
    for (let left = Math.round(paths.length * share); left > 0; left -= 1) {
      const path = paths[this.#random(paths.length)]!
      if (left % 10 === 0) {
        this.#members.delete(path)
        this.#add()
      } else this.#members.set(path, this.#member(path))
    }
  }

  members(): readonly IndexedMember[] {
    return [...this.#members.values()].sort((a, b) => comparePaths(a.path, b.path))
  }

  #add(): void {
    const folder = String(Math.floor(this.#count / 100)).padStart(5, '0')
    const path = `share/folder-${folder}/file-${folder}-${this.#count % 1_000}.txt`
    this.#count += 1
    this.#members.set(path, this.#member(path))
  }

  #member(path: string): IndexedMember {
    return {
      path,
      kind: 'file',
      sizeBytes: this.#random(1_000_000),
      mtimeSeconds: 1_735_689_600 + this.#random(31_536_000),
      mtimeNanos: this.#random(1_000_000_000),
      mode: 0o644,
      offsetBytes: 0,
      spanBytes: 512,
    }
  }

  #random(below: number): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.#seed / 2 ** 32) * below)
  }
}

try {
  await bench()
} finally {
  rmSync(work, { recursive: true, force: true })
}
