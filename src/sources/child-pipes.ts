// Two pipes for a program: its standard output, which another thread reads by calls that wait, and its
// standard error. Pipes with a name for a moment, since Node by itself connects a program by sockets, and
// those cannot be opened as /dev/stdout or /dev/stderr, which dump tools and scripts do.

import { execFile } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, SpillwayError } from '../domain/errors.ts'

const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants

/** It makes two names in a folder; a disk that takes longer does not answer. */
const MKFIFO_TIMEOUT_MS = 30_000

export type ChildPipes = {
  /** Of the output; reading waits. The caller closes it. */
  readonly outputFd: number
  /** Of the errors; reading does not wait. The caller closes it. */
  readonly errorsFd: number
  /** The program's ends. */
  readonly programOutputFd: number
  readonly programErrorsFd: number
  /** To be called once the program has its ends. */
  readonly closeProgramEnds: () => void
  /** Whoever waits for output is woken by a byte that nobody wants. */
  readonly wakeReader: () => void
  /** To be called at the end. */
  readonly close: () => void
}

/** `folder` has room for two names for a moment. Rejects with SOURCE_COMMAND_FAILED. */
export async function openChildPipes(folder: string): Promise<ChildPipes> {
  const opened: number[] = []
  const open = (path: string, flags: number): number => {
    const fd = openSync(path, flags)
    opened.push(fd)
    return fd
  }
  let place: string | undefined
  try {
    place = await mkdtemp(join(folder, '.spillway-pipes-'))
    const [output, errors] = [join(place, 'output'), join(place, 'errors')]
    await promisify(execFile)('mkfifo', ['-m', '0600', '--', output, errors], {
      // Nothing of ours: the environment may hold secrets.
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      timeout: MKFIFO_TIMEOUT_MS,
    })
    // As long as somebody has it for both, opening one end does not wait for the other.
    const held = open(output, O_RDWR | O_NONBLOCK)
    const outputFd = open(output, O_RDONLY)
    const wakingFd = open(output, O_RDONLY | O_NONBLOCK)
    const programOutputFd = open(output, O_WRONLY)
    const errorsFd = open(errors, O_RDONLY | O_NONBLOCK)
    const programErrorsFd = open(errors, O_WRONLY)
    closeSync(held)
    return {
      ...{ outputFd, errorsFd, programOutputFd, programErrorsFd },
      closeProgramEnds: () => {
        closeSync(programOutputFd)
        closeSync(programErrorsFd)
      },
      wakeReader: () => wake(wakingFd),
      close: () => closeSync(wakingFd),
    }
  } catch (cause) {
    for (const fd of opened) closeSync(fd)
    throw new SpillwayError(
      'SOURCE_COMMAND_FAILED',
      `no pipe for a command could be made in ${folder}: ${messageOf(cause).trim()}`,
      { cause, hint: 'is mkfifo of coreutils there, and can that file system hold pipes?' },
    )
  } finally {
    if (place !== undefined) await rm(place, { recursive: true, force: true })
  }
}

function wake(fd: number): void {
  try {
    const writer = openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK)
    try {
      writeSync(writer, '\n')
    } finally {
      closeSync(writer)
    }
  } catch (error) {
    // It is full: then nobody waits for more.
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
}
