// The order of events: for each data set and operation some rounds, in each of which every contender has its turn, so that a
// machine that slows down slows all of them. Who comes first changes from round to round. Round 0 fills the page cache and
// checks that what comes back is what went in; it is not counted.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { measure } from './measure.ts'
import type { Contender } from './contenders.ts'
import type { DataSet } from './data.ts'
import type { Figure, Operation, Run } from './results.ts'
import type { BenchServer, Place } from './server.ts'

export type RoundsInput = {
  readonly dataSet: DataSet
  readonly operations: readonly Operation[]
  readonly contenders: readonly Contender[]
  readonly rounds: number
  readonly server: BenchServer
  /** Unique to this benchmark: nothing else in the bucket is touched. */
  readonly prefix: string
  /** Temporary. */
  readonly folder: string
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** All operations on one data set. */
export async function runRounds(input: RoundsInput): Promise<readonly Figure[]> {
  const { operations } = input
  const reading = operations.filter((operation) => operation !== 'archive')
  const isArchived = operations.includes('archive')
  const figures = isArchived
    ? await archiveRounds(input, input.rounds, reading.length > 0)
    : await archiveRounds({ ...input, contenders: readersOf(input, reading) }, 0, true)
  const source = reading.length > 0 ? sumOf(input.dataSet.folder) : ''
  for (const operation of reading)
    figures.push(...(await readRounds({ ...input, operation, source })))
  for (const contender of input.contenders) await forget(input, placeOf(input, contender))
  return figures
}

function readersOf({ contenders }: RoundsInput, reading: readonly Operation[]) {
  return contenders.filter(({ commands }) => reading.some((each) => commands[each] !== undefined))
}

/** Every archive is a first one. Those of the last round stay where they are to be read. */
async function archiveRounds(
  input: RoundsInput,
  rounds: number,
  isKept: boolean,
): Promise<Figure[]> {
  return inTurns({ ...input, rounds, operation: 'archive' }, async (contender, round) => {
    const place = placeOf(input, contender)
    await forget(input, place)
    mkdirSync(place.folder, { recursive: true })
    contender.prepare?.(place, environmentOf(contender, place))
    const run = await measured(input, contender, 'archive', {})
    const storedBytes =
      contender.localRepository === undefined
        ? await input.server.storedBytes(place.prefix)
        : diskBytes(join(place.folder, contender.localRepository))
    if (!(isKept && round === rounds)) await forget(input, place)
    return { ...run, storedBytes }
  })
}

async function readRounds(
  input: RoundsInput & { readonly operation: Operation; readonly source: string },
): Promise<Figure[]> {
  const { operation, dataSet, source } = input
  const target = join(input.folder, 'target')
  return inTurns(input, async (contender, round) => {
    mkdirSync(target)
    const run = await measured(input, contender, operation, { TARGET: target })
    const isSame =
      operation === 'verify' ||
      (operation === 'one-file'
        ? isSameFile(join(dataSet.folder, dataSet.member), join(target, dataSet.member))
        : // Reading all of it again is for the round that is not counted.
          round > 0 || sumOf(target) === source)
    if (!isSame)
      throw new Error(`${contender.name}: what came back is not what went in (${target})`)
    removeFolder(target)
    return run
  })
}

async function inTurns(
  input: RoundsInput & { readonly operation: Operation },
  turn: (contender: Contender, round: number) => Promise<Run>,
): Promise<Figure[]> {
  const { operation, dataSet, rounds, say } = input
  const contenders = input.contenders.filter(({ commands }) => commands[operation] !== undefined)
  const runs = new Map<string, Run[]>(contenders.map(({ id }) => [id, []]))
  for (let round = 0; round <= rounds; round += 1) {
    const first = round % contenders.length
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      const run = await turn(contender, round)
      if (round > 0) runs.get(contender.id)!.push(run)
      const which = round === 0 ? 'warm-up' : `round ${round} of ${rounds}`
      say(`${dataSet.id} ${operation}, ${which}: ${contender.name}: ${run.seconds.toFixed(2)} s`)
    }
  }
  return [...runs]
    .filter(([, all]) => all.length > 0)
    .map(([contender, all]) => ({ dataSet: dataSet.id, operation, contender, runs: all }))
}

async function measured(
  input: RoundsInput,
  contender: Contender,
  operation: Operation,
  more: Readonly<Record<string, string>>,
): Promise<Run> {
  const { server, dataSet, folder, signal } = input
  const env = {
    ...environmentOf(contender, placeOf(input, contender)),
    ...{ SOURCE: dataSet.folder, MEMBER: dataSet.member },
    ...more,
  }
  // Otherwise the writeback of one would be paid by the next, and all that borg tells the kernel to forget.
  execFileSync('sync')
  if (operation === 'archive') readOnce(dataSet.folder)
  const before = await server.traffic()
  const run = await measure({ command: contender.commands[operation]!, env, folder, signal })
  const after = await server.traffic()
  const isAway = contender.localRepository !== undefined
  const traffic =
    before === null || after === null || isAway
      ? null
      : {
          sentBytes: after.sentBytes - before.sentBytes,
          receivedBytes: after.receivedBytes - before.receivedBytes,
          requests: after.requests - before.requests,
        }
  return { ...run, traffic, storedBytes: null }
}

/** Its content is in the page cache then. */
function readOnce(folder: string): void {
  // To /dev/null itself tar would write nothing, and read nothing.
  execFileSync('bash', ['-c', 'tar -C "$1" -cf - . | cat > /dev/null', 'read', folder])
}

function placeOf(input: RoundsInput, { id }: Contender): Place {
  return {
    folder: join(input.folder, 'contenders', id),
    source: input.dataSet.folder,
    server: input.server.endpoint,
    prefix: `${input.prefix}/${id}`,
  }
}

function environmentOf(contender: Contender, place: Place): NodeJS.ProcessEnv {
  return { ...environment(place.folder), ...contender.variables(place) }
}

/** Settings, certificates and caches of this user would change what is measured: of ours there is PATH alone. */
export function environment(home: string): NodeJS.ProcessEnv {
  return {
    // Debian's own programs before those of version managers, whose shims cost time.
    PATH: `/usr/bin:/bin:${process.env['PATH'] ?? ''}`,
    HOME: home,
    LANG: 'C.UTF-8',
    TMPDIR: home,
  }
}

async function forget({ server }: RoundsInput, { folder, prefix }: Place): Promise<void> {
  await server.removeAll(prefix)
  removeFolder(folder)
}

/** A million files: rm is a good deal faster than Node here. */
export function removeFolder(folder: string): void {
  if (existsSync(folder)) execFileSync('rm', ['-rf', '--', folder])
}

function diskBytes(folder: string): number {
  return Number(execFileSync('du', ['-sb', folder], { encoding: 'utf8' }).split('\t')[0])
}

/**
 * Of names, types, modes, owners, times (to the second: GNU tar's default keeps no more), links and content. Without the
 * folder itself, which the harness made.
 */
export function sumOf(folder: string): string {
  const script =
    `cd "$1"; { find . -mindepth 1 -type d -printf '%P\\t%y %m %U %G %Ts\\n'; ` +
    `find . -mindepth 1 ! -type d -printf '%P\\t%y %m %U %G %s %Ts %l\\n'; ` +
    `find . -type f -print0 | xargs -0 --no-run-if-empty sha256sum; } | LC_ALL=C sort | sha256sum`
  return execFileSync('bash', ['-c', `set -eo pipefail; ${script}`, 'sum', folder], {
    encoding: 'utf8',
  })
}

function isSameFile(one: string, other: string): boolean {
  try {
    execFileSync('cmp', [one, other], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}
