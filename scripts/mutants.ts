// `npm run mutants`: tries the mutants of test/mutants, one at a time, on a copy of the tree in a temporary folder, and
// runs there the tests that each says it is found by. `--only NAME` (may be repeated) tries some of them.
//
// First all these tests run with nothing changed: a test that fails anyway, or that no longer exists, would find every
// mutant. Exit 1: a mutant survived, or could not be tried.

import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { parseArgs } from 'node:util'
import { MUTANTS } from '../test/mutants/all-mutants.ts'
import { mutate } from '../test/mutants/mutant.ts'
import { patternOf, whyNotKilled, whyNotSound } from '../test/mutants/killer.ts'
import type { Killer, TestResult } from '../test/mutants/killer.ts'
import type { Mutant } from '../test/mutants/mutant.ts'

const ROOT = join(import.meta.dirname, '../..')
const NOT_COPIED = new Set(['node_modules', 'dist', 'data', '.git', '.env'])

// The slowest killer takes 10 s on a busy machine; all of them together, with nothing changed, some minutes.
const RUN_MS_MAX = 120_000
const ALL_MS_MAX = 900_000

// Two side by side: a mutant is mostly one process that starts, builds and waits. More only make tests late.
const LANES = Math.min(2, availableParallelism())

type Lane = { readonly folder: string }
type Verdict = { readonly mutant: Mutant; readonly why: string | undefined; readonly ms: number }

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } })
const chosen = MUTANTS.filter(({ name }) => values.only?.includes(name) ?? true)
const unknown = values.only?.find((name) => MUTANTS.every((mutant) => mutant.name !== name))
if (unknown !== undefined) {
  console.error(`there is no mutant ${unknown}; test/README.md lists them`)
  process.exit(2)
}

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
const lanes = Array.from({ length: LANES }, () => openLane())
try {
  process.exitCode = await tryAll()
} finally {
  for (const { folder } of lanes) rmSync(folder, { recursive: true, force: true })
}

/** A copy of the tree, in which one mutant is tried at a time. */
function openLane(): Lane {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-mutants-'))
  cpSync(ROOT, folder, {
    recursive: true,
    filter: (path) => !NOT_COPIED.has(relative(ROOT, path).split(sep)[0]!),
  })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return { folder }
}

async function tryAll(): Promise<number> {
  if (!(await areSound(chosen.flatMap(({ killedBy }) => killedBy)))) return 1
  const left = [...chosen]
  const verdicts: Verdict[] = []
  await Promise.all(
    lanes.map(async (lane) => {
      for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
        if (stop.signal.aborted) return
        const begun = performance.now()
        const why = await tryOne(lane, mutant)
        const verdict = { mutant, why, ms: performance.now() - begun }
        verdicts.push(verdict)
        console.log(lineOf(verdict))
      }
    }),
  )
  if (stop.signal.aborted) return 130
  const alive = verdicts.filter(({ why }) => why !== undefined)
  console.log(`\n${verdicts.length - alive.length} of ${verdicts.length} mutants are found`)
  for (const verdict of alive) console.log(`${lineOf(verdict)}\n    ${verdict.mutant.loses}`)
  return alive.length === 0 ? 0 : 1
}

/** Whether all of them pass where nothing is changed; says which do not. */
async function areSound(killers: readonly Killer[]): Promise<boolean> {
  const first = await runTests(lanes[0]!, killers, ALL_MS_MAX)
  const late = killers.filter((killer) => whyNotSound(killer, first.results) !== undefined)
  if (late.length === 0) return true
  // Once more by themselves: on a busy machine a test may be late.
  const { results, output } = await runTests(lanes[0]!, late, ALL_MS_MAX)
  const unsound = new Set(late.flatMap((killer) => whyNotSound(killer, results) ?? []))
  if (unsound.size === 0) return true
  console.error(`${[...unsound].join('\n')}\n${results.length === 0 ? output : ''}`)
  return false
}

function lineOf({ mutant: { name }, why, ms }: Verdict): string {
  const seconds = `(${(ms / 1_000).toFixed(1)} s)`
  return why === undefined ? `found    ${name} ${seconds}` : `SURVIVED ${name} ${seconds}: ${why}`
}

/** undefined: each of its killers found it. */
async function tryOne(lane: Lane, { edits, killedBy }: Mutant): Promise<string | undefined> {
  const before = new Map<string, string>()
  try {
    for (const edit of edits) {
      const path = join(lane.folder, 'src', edit.file)
      const text = readFileSync(path, 'utf8')
      const changed = mutate(text, edit)
      if (changed === undefined) return `"${edit.find}" does not stand once in src/${edit.file}`
      if (!before.has(path)) before.set(path, text)
      writeFileSync(path, changed)
    }
    const { results, output } = await runTests(lane, killedBy, RUN_MS_MAX)
    if (results.length === 0) return `it does not build, or nothing ran:\n${output}`
    const reasons = killedBy.flatMap((killer) => whyNotKilled(killer, results) ?? [])
    return reasons.length === 0 ? undefined : reasons.join('\n    ')
  } finally {
    for (const [path, text] of before) writeFileSync(path, text)
  }
}

type Outcome = { readonly results: readonly TestResult[]; readonly output: string }

/** Of tests that did not run because of `-t`, nothing is in `results`. The build comes first: test/support/build.ts. */
async function runTests(lane: Lane, killers: readonly Killer[], msMax: number): Promise<Outcome> {
  const reportFile = join(lane.folder, 'report.json')
  rmSync(reportFile, { force: true })
  const files = [...new Set(killers.map(({ file }) => join('test', file)))]
  const titles = [...new Set(killers.map((killer) => patternOf(killer)))].join('|')
  const args = ['run', ...files, '-t', titles, '--reporter=json', `--outputFile=${reportFile}`]
  const output = await runVitest(lane, args, msMax)
  try {
    return { results: readReport(lane, readFileSync(reportFile, 'utf8')), output }
  } catch {
    // No report at all: the output says why.
    return { results: [], output }
  }
}

function runVitest({ folder }: Lane, args: readonly string[], msMax: number): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', ...args], {
      cwd: folder,
      // A group of its own, so that nothing of it stays when it is ended.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const end = (): void => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    }
    const timer = setTimeout(end, msMax)
    stop.signal.addEventListener('abort', end)
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)))
    child.on('close', () => {
      clearTimeout(timer)
      stop.signal.removeEventListener('abort', end)
      resolve(output)
    })
  })
}

type Report = {
  readonly testResults: readonly {
    readonly name: string
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[]
      readonly title: string
      readonly status: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

function readReport({ folder }: Lane, json: string): readonly TestResult[] {
  return (JSON.parse(json) as Report).testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'passed' || status === 'failed')
      .map(({ ancestorTitles, title, status, failureMessages }) => ({
        file: relative(join(folder, 'test'), name),
        titles: [...ancestorTitles, title],
        status,
        failureMessages,
      })),
  )
}
