// What the tests of the catalog share: servers, archives that are ready, and child processes that
// run the compiled catalog.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { onTestFinished } from 'vitest'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { newArchiveId } from '../../src/domain/archive.ts'
import { identityOf } from '../../src/domain/server.ts'
import type { S3Server } from '../../src/domain/server.ts'

export const NIGHT = new Date('2026-03-01T02:30:00.000Z')

export function server(number: number, change: Partial<S3Server> = {}): S3Server {
  const endpoint = change.endpoint ?? `https://s${number}.example.com`
  const bucket = change.bucket ?? 'night'
  const prefix = change.prefix ?? ''
  return {
    kind: 's3',
    number,
    identity: identityOf(endpoint, bucket, prefix),
    label: `${number}: s${number}.example.com/night`,
    endpoint,
    bucket,
    prefix,
    limitBytes: 1_000,
    isEnabled: true,
    region: 'eu-1',
    accessKey: 'key',
    secretKey: 'secret',
    caPem: undefined,
    isPathStyle: undefined,
    storageClass: undefined,
    ...change,
  }
}

export function minutesAfter(minutes: number): Date {
  return new Date(NIGHT.getTime() + minutes * 60_000)
}

export function begin(catalog: Catalog, source = 'home', startedAt = NIGHT) {
  return catalog.beginArchive({
    id: newArchiveId(startedAt.getTime()),
    source,
    sourceKind: 'folder',
    startedAt,
    spoolDir: '/spool',
  })
}

export async function ready(catalog: Catalog, source = 'home', startedAt = NIGHT) {
  const archive = await begin(catalog, source, startedAt)
  await catalog.markReady(archive.id, {
    localPath: `/spool/${archive.file}`,
    sizeBytes: 100,
    sourceBytes: 400,
    memberCount: 3,
    sha256: 'ab'.repeat(32),
    endedAt: startedAt,
    warningCount: 0,
    warnings: [],
  })
  return archive
}

/** A copy under way; fails the test when there is no room. */
export async function reserved(
  catalog: Catalog,
  archive: { readonly id: string; readonly key: string },
  to: S3Server,
  bytes = 100,
) {
  const copyId = await catalog.reserve({
    archiveId: archive.id,
    identity: to.identity,
    key: archive.key,
    token: `token-${archive.id}`,
    bytes,
    limitBytes: to.limitBytes,
  })
  if (copyId === undefined) throw new Error('no room')
  return copyId
}

export async function stored(
  catalog: Catalog,
  archive: { readonly id: string; readonly key: string },
  to: S3Server,
  bytes = 100,
) {
  const copyId = await reserved(catalog, archive, to, bytes)
  await catalog.markStored(copyId, proof(bytes))
  return copyId
}

export function proof(sizeBytes: number) {
  return { sizeBytes, etag: 'e-1', versionId: undefined, at: NIGHT }
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-catalog-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const DIST = pathToFileURL(join(import.meta.dirname, '../../dist/modules/src')).href

export type Child = {
  readonly process: ChildProcess
  /** Resolves with all that it printed when it has ended. */
  readonly output: Promise<string>
  /** Resolves when it has printed `text`; rejects when it ends without. */
  readonly prints: (text: string) => Promise<void>
}

/**
 * Runs a script in a process of its own. It may use `openCatalog`, `acquireRunLock`, `newArchiveId`,
 * `dist` for other compiled files, `args`, and `go`, which resolves when the test calls `start`: so that children race from one line.
 */
export function child(script: string, ...args: readonly string[]): Child & { start: () => void } {
  const prelude = `
    const dist = (file) => import('${DIST}/' + file)
    const { openCatalog } = await dist('catalog/open-sqlite.js')
    const { acquireRunLock } = await dist('catalog/run-lock.js')
    const { newArchiveId } = await dist('domain/archive.js')
    const args = process.argv.slice(1)
    const go = new Promise((resolve) => process.stdin.once('data', resolve))
    console.log('loaded')
  `
  const started = spawn(
    process.execPath,
    ['--input-type=module', '-e', `${prelude}\n${script}\nprocess.stdin.destroy()`, ...args],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  let text = ''
  started.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const output = new Promise<string>((resolve) => started.once('close', () => resolve(text)))
  return {
    process: started,
    output,
    prints: (expected) =>
      new Promise((resolve, reject) => {
        const look = () => text.includes(expected) && resolve()
        started.stdout.on('data', look)
        void output.then(() => reject(new Error(`child ended and printed only: ${text}`)))
        look()
      }),
    start: () => void started.stdin.write('go\n'),
  }
}

/** Starts several children at the same moment; resolves with what each printed after "loaded". */
export async function race(children: readonly ReturnType<typeof child>[]): Promise<string[]> {
  await Promise.all(children.map(({ prints }) => prints('loaded')))
  for (const { start } of children) start()
  const outputs = await Promise.all(children.map(({ output }) => output))
  return outputs.map((output) => output.replace('loaded\n', '').trim())
}

/** Runs SQL on a file in a process of its own, as a shell would: the rows of a query. */
export async function runSql(path: string, statement: string): Promise<unknown> {
  const script = `
    const { createRequire } = await import('node:module')
    const db = new (createRequire(args[2])('better-sqlite3'))(args[0])
    db.pragma('foreign_keys = off')
    const prepared = db.prepare(args[1])
    console.log(JSON.stringify(prepared.reader ? prepared.all() : prepared.run()))
    db.close()
  `
  const output = await child(script, path, statement, import.meta.filename).output
  return JSON.parse(output.replace('loaded\n', '')) as unknown
}

/** Seeded, so that a failure can be repeated: mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
