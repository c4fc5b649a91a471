// `node dist/scripts/bench/history-year.js`: what a year of nights costs the catalog, and how fast it answers.
//
// Every night the members of an archive are recorded as a run does it, in a catalog on disk; then the
// program itself is started for find, history and diff. No server is there: none is needed.
//
//   node dist/scripts/bench/history-year.js [--nights N] [--files N] [--share 0.01]

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { newArchiveId } from '../../src/domain/archive.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { recordMembers } from '../../src/operations/history-recorder.ts'
import { comparePaths } from '../../src/pack/member-record.ts'
import type { ArchiveRow, Catalog } from '../../src/catalog/catalog.ts'
import type { IndexedMember } from '../../src/pack/member-record.ts'

const PROGRAM = join(import.meta.dirname, '../../src/main.js')
const DAY_MS = 86_400_000
const MEMBERS_AT_ONCE = 4_000

const { values } = parseArgs({
  options: {
    nights: { type: 'string', default: '365' },
    files: { type: 'string', default: '50000' },
    share: { type: 'string', default: '0.01' },
  },
})
const nights = Number(values.nights)
const work = mkdtempSync(join(tmpdir(), 'spillway-year-'))
async function bench(): Promise<void> {
  const path = join(work, 'catalog.db')
  const catalog = await openCatalog({ path, host: 'bench' })
  const tree = new Tree(Number(values.files))
  const seconds: number[] = []
  for (let day = 0; day < nights; day += 1) {
    if (day > 0) tree.change(Number(values.share))
    const archive = await archiveOf(catalog, new Date(Date.UTC(2025, 0, 1) + day * DAY_MS))
    const members = inBlocks(tree.members())
    const begun = performance.now()
    await recordMembers(catalog, archive, members, new AbortController().signal)
    seconds.push((performance.now() - begun) / 1_000)
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
  time('find one name', ['find', 'file-00123-300'])
  time('find a glob', ['find', 'share/**/*-99[0-9].txt'])
  time('find everything', ['find', '**', '--limit=100000'])
  time('history of a path', ['history', tree.anyPath])
  time('diff of neighbours', ['diff', fileOf(nights - 2), fileOf(nights - 1)])
  time('diff over the year', ['diff', fileOf(0), fileOf(nights - 1)])
}

function time(what: string, args: readonly string[]): void {
  const env = join(work, '.env')
  writeFileSync(env, `SERVER_ID=bench\nDATA_DIR=${work}\n`, { mode: 0o600 })
  const begun = performance.now()
  const out = execFileSync(process.execPath, [PROGRAM, ...args, `--config=${env}`], {
    maxBuffer: 1024 ** 3,
    encoding: 'utf8',
  })
  const seconds = (performance.now() - begun) / 1_000
  console.log(`${what.padEnd(18)} ${seconds.toFixed(3)} s, ${out.split('\n').length - 1} lines`)
}

function fileOf(day: number): string {
  const stamp = new Date(Date.UTC(2025, 0, 1) + day * DAY_MS).toISOString().slice(0, 10)
  return `share-${stamp.replaceAll('-', '')}-000000.tar.zst`
}

async function archiveOf(catalog: Catalog, startedAt: Date): Promise<ArchiveRow> {
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
  return row
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
