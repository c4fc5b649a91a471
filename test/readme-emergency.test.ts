// The README's page for an emergency: its own commands, taken out of its text and run as they stand, with
// the tools that this machine has, against a model server, a directory and a spool.

import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  describeTree,
  file,
  folder,
  hardlink,
  makeTree,
  removeTree,
  symlink,
} from './support/tree.ts'
import { World } from './support/world.ts'

const README = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8')
const MIB = 1024 * 1024
const aDay = 1_700_000_000_123_456

const TREE = [
  folder('.', { mtimeUs: aDay }),
  file('a', randomBytes(9 * MIB), { mtimeUs: aDay }),
  folder('etc', { mode: 0o710, mtimeUs: aDay }),
  file('etc/app.conf', 'port=80\n', { mode: 0o640, mtimeUs: aDay }),
  symlink('etc/link', 'app.conf', { mtimeUs: aDay }),
  hardlink('other', 'etc/app.conf'),
  file('y', randomBytes(9 * MIB), { mtimeUs: aDay }),
  file('z', 'the last one', { mtimeUs: aDay }),
]

const blocks = new Map<string, string>()
let world: World
let [key, sha256] = ['', '']
let work = ''

beforeAll(async () => {
  const section = /## In an emergency[^\n]*\n([\s\S]*?)\n## /.exec(README)![1]!
  for (const [, text = ''] of section.matchAll(/^```\n([\s\S]*?)^```$/gm))
    blocks.set(/^# (.*)/.exec(text)?.[1] ?? 'settings', text)
  world = await World.make([{}, {}])
  const directory = join(world.folder, 'store')
  mkdirSync(directory)
  for (const name of Object.keys(world.env))
    if (name.startsWith('S3_SERVER_2_')) delete world.env[name]
  world.env['S3_SERVER_2_ENDPOINT'] = `file://${directory}`
  Object.assign(world.env, { COPIES: '2', LOCAL_KEEP: '1' })
  makeTree(world.source, TREE)
  const report = await world.run()
  expect(report).toMatchObject({ outcome: 'ok' })
  ;({ key, sha256 } = report.archives[0] as { key: string; sha256: string })
})

afterAll(async () => {
  removeTree(world.source)
  await world.close()
})

let count = 0
beforeEach(() => {
  count += 1
  work = join(world.folder, `work-${count}`)
  mkdirSync(work)
})

it('asks for the facts that the tests give, and for no others', () => {
  const names = [...blocks.get('settings')!.matchAll(/(?:^|\s)([A-Z_]+)=/g)].map(([, name]) => name)
  const keys = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
  expect(names).toEqual(['ENDPOINT', 'BUCKET', 'REGION', 'KEY', 'FILE', 'MEMBER', ...keys])
})

describe('an archive on a server is fetched and unpacked', () => {
  it.skipIf(!have('aws', 'zstd')).each(['aws'])('with %s', async () => fetchWith('with the AWS'))
  it.skipIf(!have('rclone', 'zstd')).each(['rclone'])('with %s', async () =>
    fetchWith('with rclone'),
  )
  it.skipIf(!hasSigningCurl() || !have('zstd')).each(['curl'])('with %s alone', async () =>
    fetchWith('with curl alone'),
  )

  it.skipIf(!have('aws', 'zstd'))('or only one file of it', async () => {
    await run('export AWS_DEFAULT_REGION=$REGION', 'one file, without')
    expect(readFileSync(join(work, 'one-file'), 'utf8')).toBe('port=80\n')
  })
})

describe.skipIf(!have('zstd'))('a file', () => {
  it.each([
    ['a directory that is a server', () => join(world.folder, 'store', key)],
    ['the spool', () => join(world.folder, 'data/spool', fileName())],
  ])('of %s is unpacked, whole and in part', async (_, path) => {
    copyFileSync(path(), join(work, fileName()))
    await run('everything', 'one file, named')
    expect(readFileSync(join(work, 'one-file'), 'utf8')).toBe('port=80\n')
    expectWhole('restored')
  })

  it('says what it is, and proves it', async () => {
    copyFileSync(join(world.folder, 'store', key), join(work, fileName()))

    const { out } = await run('what the archive says')

    const [manifest = '', sum] = out.trim().split('\n')
    expect(JSON.parse(manifest)).toMatchObject({ format: 'spillway', host: 'host', sha256 })
    expect(sum).toBe(`${sha256}  -`)
  })

  it('with a flipped bit has another checksum', async () => {
    writeDamaged(200_000)
    const { out } = await run('what the archive says')
    expect(out).toContain(`"sha256":"${sha256}"`)
    expect(out.trim().split('\n')[1]).not.toBe(`${sha256}  -`)
  })

  it.each([
    ['whose frame is no frame any more', 0, true],
    ['with a flipped bit that zstd does not notice', 2 * MIB, have('xxh64sum')],
  ])('%s gives back all that lies elsewhere', async (_, atBytes, isFound) => {
    if (!isFound) return
    // In the second frame, which holds nothing but a part of "a".
    writeDamaged(4 * MIB + 1024 + atBytes)

    const { out, err } = await run('what the archive says', 'a damaged archive')

    expect(err).toMatch(/^damaged: blocks 8192 to 16383$/m)
    expect(out).toMatch(/^block \d+: z$/m)
    const others = (lines: readonly string[]) => lines.filter((line) => !line.startsWith('a '))
    expect(others(describeTree(join(work, 'rescued')))).toEqual(others(describeTree(world.source)))
    expect(
      readFileSync(join(work, 'rescued/a')).equals(readFileSync(join(world.source, 'a'))),
    ).toBe(false)
  })
})

async function fetchWith(how: string): Promise<void> {
  const { out } = await run(how, 'everything')
  expect(out).toContain(key)
  expectWhole('restored')
}

function expectWhole(name: string): void {
  expect(describeTree(join(work, name))).toEqual(describeTree(world.source))
}

function fileName(): string {
  return key.slice(key.lastIndexOf('/') + 1)
}

/** Noise is stored as it is, so a place in the tar is about the same place in the file. */
function writeDamaged(atBytes: number): void {
  const bytes = readFileSync(join(world.folder, 'store', key))
  bytes[atBytes]! ^= 0x40
  writeFileSync(join(work, fileName()), bytes)
}

/** Blocks of the page by the beginnings of their titles, in one shell, in a folder of their own. */
async function run(...titles: readonly string[]): Promise<{ out: string; err: string }> {
  const { endpoint, keys } = world.models[0]!
  const settings = [
    `ENDPOINT=${endpoint} BUCKET=backups REGION=${keys.region} KEY=${key}`,
    `FILE=\${KEY##*/} MEMBER=etc/app.conf`,
    `export AWS_ACCESS_KEY_ID=${keys.accessKey} AWS_SECRET_ACCESS_KEY=${keys.secretKey}`,
  ]
  const texts = titles.map((title) => {
    const found = [...blocks].filter(([name]) => name.startsWith(title))
    return found.length === 1 ? found[0]![1] : title
  })
  const script = ['set -eu', ...settings, ...texts].join('\n')
  const env: NodeJS.ProcessEnv = { ...process.env, HOME: work, AWS_EC2_METADATA_DISABLED: 'true' }
  // rclone refuses a bundle of authorities for a server without TLS.
  delete env['AWS_CA_BUNDLE']
  const child = spawn('bash', ['-c', script], { cwd: work, env })
  let [out, err] = ['', '']
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (err += bytes.toString()))
  const exit = await new Promise((resolve) => child.on('close', resolve))
  expect({ exit, err: exit === 0 ? '' : err }).toEqual({ exit: 0, err: '' })
  return { out, err }
}

function have(...programs: readonly string[]): boolean {
  return programs.every((program) => {
    try {
      execFileSync('bash', ['-c', `command -v ${program}`], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}

function hasSigningCurl(): boolean {
  if (!have('curl')) return false
  return execFileSync('curl', ['--help', 'all'], { encoding: 'utf8' }).includes('--aws-sigv4')
}
