import { spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { changeEnvFile, writeEnvFile } from '../../src/config/env-file-write.ts'
import { lockFileOf } from '../../src/config/env-file-lock.ts'
import { canMount, withMounted } from '../support/small-disk.ts'

const isRoot = process.getuid?.() === 0
let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-write-'))
  file = join(folder, '.env')
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

it('creates the file for its owner alone, whatever the umask [F100]', async () => {
  for (const umask of [0o000, 0o022, 0o077, 0o777]) {
    const before = process.umask(umask)
    try {
      await writeEnvFile(file, 'A=1\n', undefined)
    } finally {
      process.umask(before)
    }
    expect(statSync(file).mode & 0o777).toBe(0o600)
    rmSync(file)
  }
})

it('takes rights away from a file that others could read [F100]', async () => {
  writeFileSync(file, 'A=1\n')
  chmodSync(file, 0o644)
  await writeEnvFile(file, 'A=2\n', 'A=1\n')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(file, 'utf8')).toBe('A=2\n')
})

it('leaves nothing else in the folder', async () => {
  await writeEnvFile(file, 'A=1\n', undefined)
  expect(readdirSync(folder)).toEqual(['.env'])
})

it('keeps a link, and replaces what it leads to', async () => {
  mkdirSync(join(folder, 'real'))
  const target = join(folder, 'real/settings')
  writeFileSync(target, 'A=1\n')
  symlinkSync('link2', file)
  symlinkSync('real/settings', join(folder, 'link2'))
  await writeEnvFile(file, 'A=2\n', 'A=1\n')
  expect(readlinkSync(file)).toBe('link2')
  expect(readFileSync(target, 'utf8')).toBe('A=2\n')
})

it('creates what a link leads to if it is not there yet', async () => {
  symlinkSync('settings', file)
  await writeEnvFile(file, 'A=2\n', undefined)
  expect(readlinkSync(file)).toBe('settings')
  expect(readFileSync(join(folder, 'settings'), 'utf8')).toBe('A=2\n')
})

it('refuses a link that leads in circles', async () => {
  symlinkSync('.env', file)
  await expect(writeEnvFile(file, 'A=2\n', undefined)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('leads nowhere') as string,
  })
})

it.skipIf(!isRoot)("keeps the owner when root edits somebody's file", async () => {
  writeFileSync(file, 'A=1\n')
  chownSync(file, 12_345, 23_456)
  await writeEnvFile(file, 'A=2\n', 'A=1\n')
  expect(statSync(file)).toMatchObject({ uid: 12_345, gid: 23_456 })
})

it.each([
  ['changed', 'A=other\n', 'A=1\n'],
  ['created', 'A=other\n', undefined],
  ['removed', undefined, 'A=1\n'],
])('does not overwrite what somebody else %s meanwhile', async (_how, now, before) => {
  if (now !== undefined) writeFileSync(file, now)
  await expect(writeEnvFile(file, 'A=2\n', before)).rejects.toMatchObject({
    code: 'SETTINGS_CHANGED',
    message: `${file} was changed by somebody else meanwhile`,
  })
  expect(existsSync(file) ? readFileSync(file, 'utf8') : undefined).toBe(now)
})

it('says where it could not write', async () => {
  const missing = join(folder, 'none/.env')
  await expect(writeEnvFile(missing, 'A=1\n', undefined)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(`cannot write ${missing}`) as string,
  })
})

it('removes what a killed predecessor left, but not what is being written now', async () => {
  const [old, young] = [join(folder, '..env.spillway-old'), join(folder, '..env.spillway-young')]
  for (const leftover of [old, young]) writeFileSync(leftover, 'S3_SERVER_1_SECRET_KEY=x\n')
  const anHourAgo = Date.now() / 1_000 - 3_600
  utimesSync(old, anHourAgo, anHourAgo)
  await writeEnvFile(file, 'A=1\n', undefined)
  expect(readdirSync(folder).sort()).toEqual(['..env.spillway-young', '.env'])
})

it('leaves the old or the new file, whole, when it is killed at any moment [F07c]', async () => {
  const size = 200_000
  const whole = (letter: string) => `${letter.repeat(size)}\n`
  writeFileSync(file, whole('A'), { mode: 0o600 })
  // Writes a, b, a, b, ... as fast as it can until it is killed.
  const module = pathToFileURL(
    join(import.meta.dirname, '../../dist/modules/src/config/env-file-write.js'),
  )
  const script = `
    const { writeEnvFile } = await import(${JSON.stringify(module.href)})
    const [file, whole] = [process.argv[1], (letter) => letter.repeat(${size}) + '\\n']
    const { readFileSync } = await import('node:fs')
    for (let letter = 'B'; ; letter = letter === 'A' ? 'B' : 'A') {
      await writeEnvFile(file, whole(letter), readFileSync(file, 'utf8'))
      process.stdout.write(letter)
    }`
  for (let round = 0; round < 12; round += 1) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    // It has the lock that the one before left, and writes on.
    await new Promise((resolve) => child.stdout.once('data', resolve))
    // Not an event that could be awaited: the point is to come at an unknown moment. Who reads meanwhile comes at many.
    const killAt = performance.now() + 5 + round * 7
    while (performance.now() < killAt) {
      expect([whole('A'), whole('B')]).toContain(readFileSync(file, 'utf8'))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
    const text = readFileSync(file, 'utf8')
    expect([whole('A'), whole('B')]).toContain(text)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  }
})

describe('of many who change the file at once', () => {
  const module = pathToFileURL(
    join(import.meta.dirname, '../../dist/modules/src/config/env-file-write.js'),
  )

  it('none loses what another one wrote', async () => {
    writeFileSync(file, 'A=0\n', { mode: 0o600 })
    // Each adds its line ten times, and begins again where somebody else was faster.
    const script = `
      const { writeEnvFile } = await import(${JSON.stringify(module.href)})
      const { readFileSync } = await import('node:fs')
      const [file, name] = process.argv.slice(1)
      for (let line = 0; line < 10; ) {
        const before = readFileSync(file, 'utf8')
        try {
          await writeEnvFile(file, before + name + line + '=1\\n', before)
          line += 1
        } catch (error) {
          if (error.code !== 'SETTINGS_CHANGED') throw error
        }
      }`
    const ends = Array.from({ length: 4 }, (_, at) => {
      const args = ['--input-type=module', '-e', script, file, `WRITER_${at}_`]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
      return new Promise((resolve) => child.once('exit', resolve))
    })
    expect(await Promise.all(ends)).toEqual([0, 0, 0, 0])
    const lines = readFileSync(file, 'utf8').trim().split('\n')
    expect(lines).toHaveLength(41)
    expect(new Set(lines).size).toBe(41)
    expect(readdirSync(folder)).toEqual(['.env'])
  })

  it('one that was killed holds up nobody', async () => {
    const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
    await new Promise((resolve) => child.once('exit', resolve))
    const dead = JSON.stringify({ pid: child.pid, startTicks: '1' })
    writeFileSync(lockFileOf(file), dead)
    await writeEnvFile(file, 'A=1\n', undefined)
    expect(readdirSync(folder)).toEqual(['.env'])
  })

  it('the next one waits until who is at it has done', async () => {
    writeFileSync(file, 'A=1\n', { mode: 0o600 })
    let second: Promise<void> | undefined
    await changeEnvFile(file, async (write) => {
      second = writeEnvFile(file, 'A=3\n', 'A=2\n')
      await write('A=2\n', 'A=1\n')
    })
    await second
    expect(readFileSync(file, 'utf8')).toBe('A=3\n')
  })
})

it.runIf(canMount)('says why a file that is mounted by itself cannot be replaced', async () => {
  writeFileSync(file, 'SERVER_ID=host\n', { mode: 0o600 })
  const argv = ['configure', '--set', 'SERVER_ID=other', '--config', file]
  const { exit, output } = await withMounted({ file, at: file }, argv)
  expect(exit).toBe(4)
  expect(output).toContain('mount its folder instead')
  expect(readFileSync(file, 'utf8')).toBe('SERVER_ID=host\n')
  expect(readdirSync(folder)).toEqual(['.env'])
})
