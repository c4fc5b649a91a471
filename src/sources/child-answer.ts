// Runs a program for its answer: a version, a list of databases. Started, watched and ended like a dump, but
// what it writes is short and is read here.

import { Socket } from 'node:net'
import { SpillwayError } from '../domain/errors.ts'
import type { Program } from '../domain/source.ts'
import { failed, startChild } from './child.ts'

// A hundred thousand databases with long names; more is no answer.
const ANSWER_BYTES_MAX = 64 * 1024 * 1024

export type AnswerOptions = {
  /** Has room for two names for a moment. */
  readonly folder: string
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/** Rejects with SOURCE_COMMAND_FAILED or INTERRUPTED; nothing of the program is left then. */
export async function answerOf(
  program: Program,
  { folder, signal, timeoutMs }: AnswerOptions,
): Promise<string> {
  const child = await startChild(program, folder)
  const socket = new Socket({ fd: child.outputFd, readable: true, writable: false })
  let timer: NodeJS.Timeout | undefined
  let forget = (): void => undefined
  try {
    return await new Promise<string>((resolve, reject) => {
      const onAbort = (): void => reject(interrupted(program))
      if (signal.aborted) onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      forget = () => signal.removeEventListener('abort', onAbort)
      timer = setTimeout(
        () => reject(failed(program, `did not answer within ${timeoutMs / 1_000} seconds`)),
        timeoutMs,
      )
      const ended = Promise.all([child.ended, contentOf(socket, program)])
      ended.then(([, content]) => resolve(content.toString('utf8')), reject)
    })
  } finally {
    clearTimeout(timer)
    forget()
    await child.stop()
    socket.destroy()
  }
}

async function contentOf(socket: Socket, program: Program): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  return new Promise((resolve, reject) => {
    socket.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (bytes > ANSWER_BYTES_MAX) reject(failed(program, 'does not end its answer'))
      else pieces.push(piece)
    })
    socket.once('error', reject)
    socket.once('end', () => resolve(Buffer.concat(pieces)))
  })
}

function interrupted({ argv: [name] }: Program): SpillwayError {
  return new SpillwayError('INTERRUPTED', `waiting for ${name} was interrupted`)
}
