// A machine for which koffi has no binary: everything works but what needs it, and that is said.

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { describeTree, file, folder, makeTree } from '../support/tree.ts'
import { createSparseFile, temporaryFolders } from '../pack/in-process.ts'

const ROOT = join(import.meta.dirname, '../..')
const newFolder = temporaryFolders()

/** The built program with every package; that one has no binary. */
function installWithout(missing: string): string {
  const to = newFolder()
  cpSync(join(ROOT, 'dist'), join(to, 'dist'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(to, 'package.json'))
  mkdirSync(join(to, 'node_modules'))
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (name !== missing && !name.startsWith('.'))
      symlinkSync(join(ROOT, 'node_modules', name), join(to, 'node_modules', name))
  // In its place, since one further up would be found otherwise: what it does where it has no binary.
  mkdirSync(join(to, 'node_modules', missing))
  writeFileSync(
    join(to, 'node_modules', missing, 'index.js'),
    `throw new Error('Cannot find the native ${missing} module')`,
  )
  return join(to, 'dist/src/main.js')
}

it('archives, warns once, restores, and the self-test says so', () => {
  const program = installWithout('koffi')
  const base = newFolder()
  const [source, store, back] = ['source', 'store', 'back'].map((name) => join(base, name))
  makeTree(source!, [file('a', 'x'), folder('d', { mtimeUs: 1_600_000_000_123_456 }), file('b')])
  createSparseFile(join(source!, 'holes'), 5_000_000)
  mkdirSync(store!)
  const config = join(base, '.env')
  const lines = [
    ...['SERVER_ID=host', `DATA_DIR=${base}/data`, `S3_SERVER_1_ENDPOINT=file://${store}`],
    ...[`SOURCE_1_PATH=${source}`, 'SOURCE_1_NAME=docs'],
  ]
  writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 })
  const spillway = (...args: string[]) =>
    spawnSync(process.execPath, [program, ...args, '--config', config], { encoding: 'utf8' })

  const run = spillway('run', '--json')
  const report = JSON.parse(run.stdout) as {
    archives: readonly { warnings: readonly { path: string; reason: string }[] }[]
  }
  expect(report.archives[0]?.warnings).toEqual([
    {
      path: '.',
      reason: expect.stringMatching(
        /^extended attributes, ACLs and holes are not kept .* koffi /,
      ) as string,
    },
  ])
  expect(run.status).toBe(3)

  expect(spillway('restore', 'latest:docs', '--to', back!).status).toBe(0)
  expect(describeTree(back!)).toEqual(describeTree(source!))

  expect(spillway('self-test').stdout).toMatch(/Note: Extended attributes, ACLs .* not kept here/)
  // The sparse file was read byte by byte: the archive is an ordinary one all the same.
  const [archive] = execFileSync('find', [store!, '-name', '*.tar.zst'], {
    encoding: 'utf8',
  }).split('\n')
  expect(execFileSync('tar', ['--zstd', '-tf', archive!], { encoding: 'utf8' })).toContain('holes')
}, 60_000)
