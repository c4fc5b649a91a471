// A job is a command of ours in a process of its own: what it does, prints and locks is what it does,
// prints and locks for a person. A run that needs much memory, or dies of it, takes no daemon with it, and
// requests are answered while it waits for a disk.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { getPriority, setPriority } from 'node:os'
import { ChildGuard } from '../sources/child-guard.ts'
import { environmentOfJob } from '../config/started-by.ts'
import { messageOf } from '../domain/errors.ts'
import type { Job } from '../domain/job.ts'

// A report of a thousand sources is some MB.
const RESULT_BYTES_MAX = 64 * 1024 * 1024

// With both cores busy this leaves the daemon three quarters of the time that it wants.
const NICER_BY = 5
const NICE_MAX = 19

export type JobProgram = {
  /** main.js of this very version. */
  readonly path: string
  readonly configFile: string | undefined
}

export type JobEnd = {
  /** undefined: killed. */
  readonly exit: number | undefined
  readonly result: unknown
  readonly reason: string | undefined
}

/**
 * Resolves when the process is over. `onLine` gets each event, and each line of standard error that is
 * none as a text. An aborted signal asks it to end as Ctrl-C does.
 */
export async function runJobProcess(
  program: JobProgram,
  args: readonly string[],
  onLine: (event: unknown) => void,
  signal: AbortSignal,
  job: Pick<Job, 'id' | 'origin'>,
): Promise<JobEnd> {
  const config = program.configFile === undefined ? [] : ['--config', program.configFile]
  const guard = new ChildGuard()
  const [command = '', ...rest] = args
  // Not behind them: a "--" ends the flags.
  const child = spawn(process.execPath, [program.path, command, ...config, ...rest], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: Ctrl-C in the daemon's terminal is the daemon's to hand on.
    detached: true,
    env: environmentOfJob(job),
  })
  if (child.pid !== undefined) {
    guard.watch(child.pid)
    yieldToOthers(child.pid)
  }
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    const lines = createInterface({ input: child.stderr })
    lines.on('line', (line) => onLine(eventOf(line)))
    const output = readAll(child.stdout)
    const ended = await new Promise<{ exit: number | null; name: string | null } | Error>(
      (resolve) => {
        child.on('error', resolve)
        child.on('close', (exit, name) => resolve({ exit, name }))
      },
    )
    if (ended instanceof Error)
      return { exit: undefined, result: undefined, reason: messageOf(ended) }
    const { exit, name } = ended
    const result = documentOf(await output)
    const reason = name === null ? undefined : `it was ended by ${name}`
    return { exit: exit ?? undefined, result, reason }
  } finally {
    signal.removeEventListener('abort', stop)
    await guard.end()
  }
}

/** Packing takes every core that there is; whoever asks the daemon meanwhile is answered first. */
function yieldToOthers(pid: number): void {
  try {
    setPriority(pid, Math.min(NICE_MAX, getPriority() + NICER_BY))
  } catch {
    // It ended at once, or nobody may do that here: it is a courtesy only.
  }
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of stream) {
    bytes += piece.length
    if (bytes <= RESULT_BYTES_MAX) pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** undefined: the command failed before it had one. */
function documentOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function eventOf(line: string): unknown {
  try {
    const event: unknown = JSON.parse(line)
    if (typeof event === 'object' && event !== null && 'kind' in event) return event
  } catch {
    // A line for people: of Node, or before the events begin.
  }
  return { at: new Date().toISOString(), kind: 'line', message: line }
}
