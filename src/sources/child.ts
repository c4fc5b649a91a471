// Runs one program and says how it ended. Its output is a pipe that another thread reads; the end of the
// output says nothing, only an exit code of 0 and no signal do.
//
// The program gets no input (unless it is fed: child-feed.ts), no terminal (a session of its own: a tool that would ask for a password fails
// at once), the environment that it is given and nothing else of ours, and a process group of its
// own, which is ended as a whole: when it hangs, when the run is interrupted, and when we are killed.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { Program } from '../domain/source.ts'
import { ChildErrors } from './child-errors.ts'
import { ChildGuard } from './child-guard.ts'
import { openChildPipes } from './child-pipes.ts'
import type { ChildPipes } from './child-pipes.ts'
import { findProgram } from './child-program.ts'

// A tool takes its locks and temporary files away when it is asked to end; then it is ended.
const TERM_MS = 2_000

// Who hangs in a call of the system, or belongs to another user, is left behind.
const KILL_MS = 2_000

// Its last words are in the pipe when it has ended.
const LAST_WORDS_MS = 1_000

export type Child = {
  /** Its standard input, where one was asked for. */
  readonly input: Writable | null
  /** Reading waits. To be closed by whoever started the program. */
  readonly outputFd: number
  /** Resolves when it ended well; rejects with SOURCE_COMMAND_FAILED. */
  readonly ended: Promise<void>
  /** What it said last on its standard error: `; it said: ...`, or ''. */
  readonly lastWords: () => string
  /** The same without an introduction. */
  readonly said: () => string
  /** Kills what the program, which has ended, has left behind in its group. */
  readonly endRest: () => void
  /** Ends the whole group, unless the program has ended by itself, and wakes the reader. */
  readonly stop: () => Promise<void>
}

type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

type ChildOptions = {
  /** Its output goes where its errors go: it is nothing but words, too. */
  readonly hasNoOutput?: boolean
  /** It reads what `input` of the child is given. */
  readonly isFed?: boolean
  /** Each line of its standard error, as far as it ends with one. */
  readonly onErrorLine?: ((line: string) => void) | undefined
}

/** `pipesFolder` has room for two names for a moment. Rejects with SOURCE_COMMAND_FAILED. */
export async function startChild(
  program: Program,
  pipesFolder: string,
  options: ChildOptions = {},
): Promise<Child> {
  const path = findProgram(program)
  const pipes = await openChildPipes(pipesFolder)
  const errors = new ChildErrors(pipes.errorsFd, program, options.onErrorLine)
  const guard = new ChildGuard()
  let child: ChildProcess
  try {
    child = await spawned(program, path, { pipes, guard, ...options })
  } catch (cause) {
    guard.end()
    closeSync(pipes.outputFd)
    pipes.close()
    throw notStarted(program, path, cause)
  }
  const exited = exitOf(child)
  const lastWords = (): string => {
    const said = errors.lastLines()
    return said === '' ? '' : `; it said: ${said}`
  }
  const ended = exited.then(async (exit) => {
    await errors.end(LAST_WORDS_MS)
    if (exit.code === 0 && exit.signal === null) return
    // What it started has lost its purpose.
    signalGroup(child, 'SIGKILL')
    throw failed(program, `${describeExit(exit)}${lastWords()}`)
  })
  ended.catch(() => undefined)
  const over = ended.catch(() => undefined).finally(() => guard.end())
  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    pipes.wakeReader()
    await endGroup(child, exited)
    pipes.close()
    if (!hasEnded(child)) child.unref()
    else await over
  }
  return {
    input: child.stdin,
    outputFd: pipes.outputFd,
    ended,
    lastWords,
    said: () => errors.lastLines(),
    endRest: () => signalGroup(child, 'SIGKILL'),
    stop: () => (stopping ??= stop()),
  }
}

async function spawned(
  { argv, workingFolder, environment }: Program,
  path: string,
  {
    pipes,
    guard,
    hasNoOutput = false,
    isFed = false,
  }: ChildOptions & { readonly pipes: ChildPipes; readonly guard: ChildGuard },
): Promise<ChildProcess> {
  const { programOutputFd, programErrorsFd } = pipes
  try {
    const child = spawn(path, argv.slice(1), {
      argv0: argv[0],
      cwd: workingFolder,
      env: environment,
      // setsid: a group and a session of its own, and no terminal.
      detached: true,
      stdio: [
        isFed ? 'pipe' : 'ignore',
        hasNoOutput ? programErrorsFd : programOutputFd,
        programErrorsFd,
      ],
    })
    // At once: we may be killed while we wait for anything.
    if (child.pid !== undefined) guard.watch(child.pid)
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    // A signal that cannot be sent; the process itself is watched by its exit.
    child.on('error', () => undefined)
    return child
  } finally {
    pipes.closeProgramEnds()
  }
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

async function endGroup(child: ChildProcess, exited: Promise<Exit>): Promise<void> {
  if (hasEnded(child)) return
  signalGroup(child, 'SIGTERM')
  await atMost(TERM_MS, exited)
  // Also what it started and did not end with it.
  signalGroup(child, 'SIGKILL')
  await atMost(KILL_MS, exited)
}

async function atMost(timeoutMs: number, awaited: Promise<unknown>): Promise<void> {
  const stop = new AbortController()
  const late = sleep(timeoutMs, undefined, { signal: stop.signal }).catch(() => undefined)
  await Promise.race([awaited, late])
  stop.abort()
}

/** The group of the program, which has its number. Only while that is ours: see `endGroup`. */
function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid!, signal)
  } catch (error) {
    // Nobody is left in it, or only who belongs to another user (sudo).
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ESRCH' && code !== 'EPERM') throw error
  }
}

function describeExit({ code, signal }: Exit): string {
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`
}

/** `what` follows on the program's name. */
export function failed({ argv: [program] }: Program, what: string): SpillwayError {
  return new SpillwayError('SOURCE_COMMAND_FAILED', `${program} ${what}`)
}

function notStarted(program: Program, path: string, cause: unknown): SpillwayError {
  const { code } = cause as NodeJS.ErrnoException
  const why =
    code === 'ENOENT'
      ? 'the interpreter that its first line names does not exist'
      : code === 'EACCES'
        ? 'it may not be executed by this user'
        : code === 'E2BIG'
          ? 'its arguments are too long'
          : messageOf(cause)
  return failed(program, `could not be started (${path}): ${why}`)
}
