// Programs of our own beside main.ts, run like a dump tool: what they do may hang on a disk or a server, may
// need minutes without a pause, or may crash, and a child process can be ended whatever it does.
//
// They tell a failure that they understand by an exit code of their own and two lines: what it is, and what
// to do about it.

import { readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { Program, ProgramSurroundings } from '../domain/source.ts'
import { workerUrl } from '../lib/worker.ts'
import { databaseFailed } from './database-failure.ts'

// No code of Node's own (1 to 13) and no signal's (128 and more).
const TOLD_EXIT = 64
const HINT = 'to do: '
const STDOUT = 1
const STDERR = 2

/** `args` can be seen by everybody. */
export function ownProgram(
  name: 'sqlite-program' | 'redis-program',
  args: readonly string[],
  { workingFolder, environment, secrets }: ProgramSurroundings,
): Program {
  const script = fileURLToPath(workerUrl(name))
  return {
    argv: [process.execPath, script, ...args],
    ...{ workingFolder, environment, secrets },
  }
}

/** What such a program has told, as the failure that it is; undefined: it has told nothing. */
export function toldFailure(failure: SpillwayError): SpillwayError | undefined {
  const start = ` ended with exit code ${TOLD_EXIT}; it said: `
  const message = messageOf(failure)
  const at = message.indexOf(start)
  if (at < 0) return undefined
  const [what = '', hint] = message.slice(at + start.length).split(` | ${HINT}`)
  return databaseFailed(what, hint, failure)
}

/** In the program: runs its work and tells how that failed. */
export async function runOwnProgram(
  work: (args: readonly string[]) => Promise<void>,
): Promise<void> {
  // What it writes to disk is a copy of what only its owner may read.
  process.umask(0o077)
  try {
    await work(process.argv.slice(2))
  } catch (error) {
    // Anything else is a mistake of ours: Node shows it, and ends with 1.
    if (!(error instanceof SpillwayError)) throw error
    process.exitCode = TOLD_EXIT
    say(error.message.replace(/\s+/g, ' '))
    if (error.hint !== undefined) say(HINT + error.hint)
  }
}

/** A line that becomes a warning where all goes well. */
export function say(line: string): void {
  writeAll(STDERR, Buffer.from(`${line}\n`))
}

/** Waits until it is taken: so whoever reads sets the pace. */
export function writeOutput(bytes: Uint8Array): void {
  writeAll(STDOUT, bytes)
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
}

/** An order with a secret, in a file that only its owner can read. */
export function readOrder(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'))
}
