// `npm run bench`: Spillway side by side with the pipelines and programs that people use today, on the same data and the
// same server, in turn. What counts are the ratios: see compare.ts. `--help` lists the options.
//
// It needs GNU time and zstd, and measures those of rclone, awscli, restic and borgbackup that are installed (Debian's names).
// With all data at full size it takes hours and some 15 GB of disk; `--scale=0.03 --rounds=1` shows in minutes that it works.

import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArguments, USAGE } from './arguments.ts'
import { makeDataSet } from './data.ts'
import { describeMachine, isThere, versionsOf } from './machine.ts'
import { GNU_TIME } from './measure.ts'
import { drawPicture } from './picture.ts'
import { joinResults, readResults, writeResults } from './results.ts'
import { environment, removeFolder, runRounds } from './rounds.ts'
import { startServer } from './server.ts'
import { PICTURE, readmePart, terminalTables, withReadmePart } from './table.ts'
import type { BenchArguments } from './arguments.ts'
import type { Contender } from './contenders.ts'
import type { DataSetPlan } from './data.ts'
import type { DataSetRecord, Figure, Results } from './results.ts'
import type { BenchServer } from './server.ts'

// Neither of a whole group: an interruption from the keyboard reaches them all anyway.
const INTERRUPTIONS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const interrupted = new AbortController()
for (const signal of INTERRUPTIONS)
  process.once(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)))

try {
  await main()
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const given = parseArguments(process.argv.slice(2))
  if (given.help) return console.log(USAGE)
  const results = given.from === undefined ? await measureAll(given) : joined(given.from, given)
  process.stdout.write(`\n${terminalTables(results)}`)
  if (given.picture !== undefined) writeFileSync(given.picture, drawPicture(results))
  if (given.readme === undefined) return
  const readme = readFileSync(given.readme, 'utf8')
  writeFileSync(given.readme, withReadmePart(readme, readmePart(results, PICTURE)))
}

function joined(paths: string, { json }: BenchArguments): Results {
  const [first = '', ...others] = paths.split(',')
  const results = joinResults([readResults(first), ...others.map(readResults)])
  if (json !== undefined) writeResults(json, results)
  return results
}

async function measureAll(given: BenchArguments): Promise<Results> {
  if (!existsSync(GNU_TIME)) throw new Error(`there is no ${GNU_TIME}: install the package "time"`)
  const folder = mkdtempSync(join(given.work, 'spillway-bench-'))
  const env = environment(folder)
  const contenders = given.contenders.filter((contender) => canRun(contender, env))
  if (contenders.length === 0) throw new Error('none of the programs is here')
  const prefix = basename(folder)
  let server: BenchServer | undefined
  try {
    server = await startServer(folder)
    const dataSets: DataSetRecord[] = []
    const figures: Figure[] = []
    const results = {
      ...describeBench(given, contenders, server, folder),
      ...{ dataSets, figures },
    }
    for (const plan of given.only) {
      const measured = await measureOne({ given, plan, contenders, server, prefix, folder })
      dataSets.push(...measured.dataSets)
      figures.push(...measured.figures)
      // After each of them: an hour later something may fail.
      if (given.json !== undefined) writeResults(given.json, results)
    }
    return results
  } finally {
    if (server !== undefined) await leave(server, prefix)
    removeFolder(folder)
  }
}

/** Whatever ended the measuring is told, not that its server cannot be reached any more. */
async function leave(server: BenchServer, prefix: string): Promise<void> {
  try {
    await server.removeAll(prefix)
  } catch (error) {
    say(`what lies below ${prefix}/ could not be removed: ${String(error)}`)
  }
  await server.stop()
}

function canRun({ name, needs }: Contender, env: NodeJS.ProcessEnv): boolean {
  const missing = needs.filter((program) => !isThere(program, env))
  if (missing.length > 0) say(`LEFT OUT: ${name}: not installed: ${missing.join(', ')}`)
  return missing.length === 0
}

function describeBench(
  given: BenchArguments,
  contenders: readonly Contender[],
  server: BenchServer,
  folder: string,
): Omit<Results, 'dataSets' | 'figures'> {
  const programs = [...new Set(contenders.flatMap(({ needs }) => needs))]
  return {
    format: 1,
    measuredOn: new Date().toISOString().slice(0, 10),
    scale: given.scale,
    rounds: given.rounds,
    machine: describeMachine(folder),
    server: server.title,
    versions: {
      node: process.versions.node,
      ...versionsOf(programs, environment(folder)),
    },
    contenders: contenders.map(({ id, name, role, hasRandomAccess, commands }) => ({
      ...{ id, name, role, hasRandomAccess, commands },
    })),
  }
}

async function measureOne(input: {
  readonly given: BenchArguments
  readonly plan: DataSetPlan
  readonly contenders: readonly Contender[]
  readonly server: BenchServer
  readonly prefix: string
  readonly folder: string
}): Promise<{ readonly dataSets: DataSetRecord[]; readonly figures: readonly Figure[] }> {
  const { given, plan, contenders, server, prefix, folder } = input
  const operations = plan.operations.filter((operation) => given.operations.includes(operation))
  if (operations.length === 0) return { dataSets: [], figures: [] }
  say(`making data: ${plan.id}`)
  const into = join(folder, 'data')
  const { scale, files, rounds } = given
  const dataSet = makeDataSet({ plan, scale, files, into })
  const figures = await runRounds({
    ...{ dataSet, operations, contenders, rounds, server, prefix, folder, say },
    signal: interrupted.signal,
  })
  removeFolder(into)
  const { id, title, fileCount, bytes } = dataSet
  return { dataSets: [{ id, title, fileCount, bytes }], figures }
}

/** Progress is no part of the results: those go to standard output. */
function say(line: string): void {
  console.error(line)
}
