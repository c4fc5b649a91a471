// Programs whose system calls fail, or kill them, at the N-th time: strace does it, and the program knows nothing of it.

import { execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

/** Whether calls can be traced here; a container may forbid that. */
export const hasStrace = ((): boolean => {
  try {
    execFileSync('strace', ['-qq', '-o', '/dev/null', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

// More than any write of ours: 4 MiB to a server.
const WHOLE_BYTES = 64 * 1024 * 1024

export type Traced = {
  readonly exit: number | null
  readonly signal: NodeJS.Signals | null
  /** Lines of strace, of all threads in their order; descriptors come with their paths. */
  readonly calls: readonly string[]
  readonly output: string
}

/**
 * Runs the program with these calls watched. `inject`: as strace wants it, e.g. `signal=SIGKILL` or `error=EIO`,
 * for the `when`th of the calls from 1; `1+`: for all.
 */
export async function traced(input: {
  readonly argv: readonly string[]
  readonly calls: readonly string[]
  /** Watched as well, and left alone. */
  readonly alsoSeen?: readonly string[]
  /** Only calls on these files are watched, counted and tampered with; undefined: on all. */
  readonly paths?: readonly string[]
  readonly logPath: string
  readonly inject?: { readonly what: string; readonly when: number | '1+' }
  /** All bytes of every string, for `readCalls`. */
  readonly isWhole?: boolean
  /** Another one than ours. */
  readonly program?: string
  /** Of standard error, which is no part of the output then. */
  readonly errorsPath?: string
  /** A program that hangs is killed after this. */
  readonly patienceMs?: number
}): Promise<Traced> {
  const {
    argv,
    calls,
    alsoSeen = [],
    paths = [],
    logPath,
    inject,
    errorsPath,
    program = PROGRAM,
  } = input
  const errors = errorsPath === undefined ? 'pipe' : openSync(errorsPath, 'w')
  const argumentsOfStrace = [
    // Not with --seccomp-bpf, which is faster: strace 6.1 then counts no further than the first call.
    ...['-f', '-qq', '-y', '-o', logPath],
    ...(input.isWhole === true ? ['-xx', '-s', String(WHOLE_BYTES)] : []),
    ...['-e', `trace=${[...calls, ...alsoSeen].join(',')}`],
    ...paths.flatMap((path) => ['-P', path]),
    ...(inject === undefined
      ? []
      : ['-e', `inject=${calls.join(',')}:${inject.what}:when=${inject.when}`]),
    ...[process.execPath, program, ...argv],
  ]
  const child = spawn('strace', argumentsOfStrace, {
    stdio: ['ignore', 'pipe', errors],
    // With all that it traces.
    detached: true,
  })
  if (typeof errors === 'number') closeSync(errors)
  const end = (): unknown => process.kill(-child.pid!, 'SIGKILL')
  const timer = input.patienceMs === undefined ? undefined : setTimeout(end, input.patienceMs)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended = await new Promise<Pick<Traced, 'exit' | 'signal'>>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exit, signal) => resolve({ exit, signal }))
  })
  clearTimeout(timer)
  return { ...ended, output, calls: wholeCalls(readFileSync(logPath, 'utf8').split('\n')) }
}

/**
 * Fails these calls on one file from now on, in a program that runs already: every one of them, of whatever thread.
 * Resolves once strace is there; `ended` with its lines when the program has ended.
 */
export async function failOnFile(input: {
  readonly pid: number
  readonly path: string
  readonly calls: readonly string[]
  readonly what: string
  readonly logPath: string
}): Promise<{ readonly ended: Promise<readonly string[]> }> {
  const { pid, path, calls, what, logPath } = input
  const child = spawn('strace', [
    ...['-f', '-y', '-o', logPath, '-p', String(pid), '-P', path],
    ...['-e', `trace=${calls.join(',')}`, '-e', `inject=${calls.join(',')}:${what}`],
  ])
  const ended = new Promise<readonly string[]>((resolve) =>
    child.on('close', () => resolve(wholeCalls(readFileSync(logPath, 'utf8').split('\n')))),
  )
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => reject(new Error(`strace ended: ${said}`)))
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes(`Process ${pid} attached`)) resolve()
    })
  })
  return { ended }
}

/** A call during which another thread made one is on two lines; here it is where it ended. */
function wholeCalls(lines: readonly string[]): readonly string[] {
  const begun = new Map<string, string>()
  const calls: string[] = []
  for (const line of lines) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (rest.endsWith('<unfinished ...>')) begun.set(thread, rest.slice(0, -16).trimEnd())
    else if (rest.startsWith('<... '))
      calls.push(`${thread} ${begun.get(thread) ?? ''}${rest.replace(/^<\.\.\. \w+ resumed>/, '')}`)
    else if (rest !== '' && !/^[+-]{3}/.test(rest)) calls.push(line)
  }
  return calls
}
