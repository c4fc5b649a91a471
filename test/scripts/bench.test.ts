// The benchmark itself, on little data: it measures what it says, checks what comes back, and says what it leaves out.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseArguments } from '../../scripts/bench/arguments.ts'
import { GNU_TIME, measure, parseTime } from '../../scripts/bench/measure.ts'
import { readResults } from '../../scripts/bench/results.ts'
import { isThere, versionsOf } from '../../scripts/bench/machine.ts'
import { environment, sumOf } from '../../scripts/bench/rounds.ts'
import { SampleText } from '../../scripts/bench/sample-text.ts'

const BENCH = join(import.meta.dirname, '../../dist/scripts/bench/bench.js')
const hasGnuTime = fs.existsSync(GNU_TIME)

let folder: string
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'bench-test-'))
})
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

it('of the API lists its options', async () => {
  const api = join(import.meta.dirname, '../../dist/scripts/bench/api.js')
  const { stdout } = await promisify(execFile)(process.execPath, [api, '--help'])
  expect(stdout).toMatch(/--archives N .*--pause MS/s)
})

describe.runIf(hasGnuTime)('measuring', () => {
  const run = (command: string, signal = new AbortController().signal) =>
    measure({ command, env: process.env, folder, signal })

  it('adds up all processes of a pipeline', async () => {
    // Each of them is busy until it had 0.15 s.
    const used = 'Object.values(process.cpuUsage()).reduce((sum, each) => sum + each)'
    const count = `"${process.execPath}" -e 'const end = ${used} + 150_000; while (${used} < end);'`
    const one = await run(count)
    const three = await run(`${count} | ${count} | ${count}`)
    expect(one.cpuSeconds).toBeGreaterThan(0.14)
    expect(three.cpuSeconds).toBeGreaterThan(0.44)
    expect(one.peakMiB).toBeGreaterThan(20)
    expect(three.seconds).toBeGreaterThan(0.15)
  })

  it.each(['false | cat', 'cat /dev/null | false', 'cd /nowhere && true', 'false; true'])(
    'fails with any part of %j',
    async (command) => {
      await expect(run(command)).rejects.toThrow(`ended with 1: ${command}`)
    },
  )

  it('tells what a failing program said', async () => {
    await expect(run('echo out of cheese >&2; exit 7')).rejects.toThrow(
      /ended with 7[^]*out of cheese/,
    )
  })

  it('is interrupted with all processes of the pipeline', async () => {
    const interrupted = new AbortController()
    const fifo = join(folder, 'fifo')
    await promisify(execFile)('mkfifo', [fifo])
    const running = run(`sleep 600 | { echo up; exec sleep 601; } > "${fifo}"`, interrupted.signal)
    const held = fs.createReadStream(fifo, 'utf8')
    expect(await once(held, 'data')).toEqual(['up\n'])
    const ended = once(held, 'end')
    interrupted.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
    // Nobody holds it open any more.
    await ended
  })
})

it('figures of GNU time are read behind a line of its own', () => {
  const text = 'Command exited with non-zero status 3\n1.25 0.50 2048\n'
  expect(parseTime(text)).toEqual({ cpuSeconds: 1.75, peakMiB: 2 })
  expect(() => parseTime('')).toThrow('GNU time')
})

describe('the sum of a folder', () => {
  it('is that of its copy, and another one when anything differs that must not', () => {
    const [one, other] = [tree('one'), tree('other')]
    expect(sumOf(one)).toBe(sumOf(other))
    const changes: (() => void)[] = [
      () => fs.writeFileSync(join(other, 'a/file'), 'Content'),
      () => fs.chmodSync(join(other, 'a/file'), 0o600),
      () => fs.utimesSync(join(other, 'a'), 1, 1),
      () => fs.symlinkSync('nowhere', join(other, 'link')),
      () => fs.rmSync(join(other, 'a/file')),
    ]
    let before = sumOf(other)
    for (const change of changes) {
      change()
      const after = sumOf(other)
      expect(after).not.toBe(before)
      before = after
    }
  })

  function tree(name: string): string {
    const at = join(folder, name)
    fs.mkdirSync(join(at, 'a'), { recursive: true })
    fs.writeFileSync(join(at, 'a/file'), 'content')
    for (const path of ['a/file', 'a']) fs.utimesSync(join(at, path), 1_700_000_000, 1_700_000_000)
    return at
  }
})

it('the dump is the same every time, in whole rows, and nothing comes twice', () => {
  const [one, other] = [new SampleText(), new SampleText()]
  const text = one.take(300_000)
  expect(other.take(300_000).equals(text)).toBe(true)
  expect(text.length).toBeGreaterThanOrEqual(300_000)
  const rows = text.toString().split('\n')
  expect(rows.at(-1)).toBe('')
  expect(rows.every((row) => row === '' || row.split('\t').length === 9)).toBe(true)
  expect(one.take(300_000).equals(text)).toBe(false)
})

it.each([
  [['--only=files,toys'], 'there is no "toys", only files, dump'],
  [['--operations=sing'], 'there is no "sing"'],
  [['--contenders=spillways'], 'there is no "spillways"'],
  [['--rounds=0'], '--rounds must be 1 or more'],
  [['--scale=5'], '--scale must be above 0'],
  [['--files=/nowhere'], 'there is no /nowhere'],
  [['--fast'], "Unknown option '--fast'"],
])('%j is refused before anything is made', (words, message) => {
  expect(() => parseArguments(words)).toThrow(message)
})

it.runIf(hasGnuTime)(
  'measures all operations, and leaves nothing behind',
  async () => {
    const json = join(folder, 'figures.json')
    const work = join(folder, 'work')
    fs.mkdirSync(work)
    const words = [
      '--only=dump,parts',
      '--scale=0.002',
      '--rounds=1',
      `--json=${json}`,
      `--work=${work}`,
    ]
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [BENCH, ...words, '--contenders=spillway,spillway-unchecked'],
      { env: { PATH: process.env['PATH'] } },
    )
    expect(fs.readdirSync(work)).toEqual([])
    expect(stderr).toContain('parts one-file, round 1 of 1: Spillway: ')
    expect(stdout).toContain('Restore of everything: one dump, 3.00 MB\n')
    const { figures, scale } = readResults(json)
    expect(scale).toBe(0.002)
    expect(figures.map((each) => `${each.dataSet} ${each.operation} ${each.contender}`)).toEqual([
      'dump archive spillway',
      'dump archive spillway-unchecked',
      'dump restore spillway',
      'dump verify spillway',
      'parts one-file spillway',
    ])
    const [archived, , restored, verified] = figures
    // Every archive is a whole one, and every reading reads all of it.
    for (const { traffic, storedBytes } of archived!.runs) {
      expect(storedBytes).toBeGreaterThan(700_000)
      expect(traffic!.sentBytes).toBeGreaterThan(storedBytes!)
    }
    for (const { traffic } of [...restored!.runs, ...verified!.runs])
      expect(traffic!.receivedBytes).toBeGreaterThan(700_000)
  },
  // Some twenty programs are started, which takes its time where other tests run beside it.
  120_000,
)

it('knows what is installed', () => {
  const env = environment(folder)
  expect(isThere('bash', env)).toBe(true)
  expect(isThere('no-such-program', env)).toBe(false)
  expect(versionsOf(['tar', 'bash'], env)['tar']).toMatch(/^\d+\.\d+/)
})

it('gives the programs nothing of this user but the path', () => {
  expect(Object.keys(environment(folder)).toSorted()).toEqual(['HOME', 'LANG', 'PATH', 'TMPDIR'])
  expect(environment(folder)['HOME']).toBe(folder)
})
