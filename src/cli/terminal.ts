// Standard output and standard error, as one place to write to.
//
// Lines that stay at the bottom (progress) are drawn on standard error only when it is a terminal, and
// are taken away before anything else is written to either stream, so that output never mixes with
// them. In systemd's journal each line of standard error carries its priority.

import { fstatSync } from 'node:fs'
import type { Screen } from './command.ts'
import { cut } from './text.ts'
import { SpillwayError } from '../domain/errors.ts'

/** What we use of a stream of Node. */
export type OutputStream = {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly fd?: number
  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): boolean
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
}

/** From the environment, whose owner is config/load.ts; each undefined when it is not set. */
export type TerminalSettings = {
  readonly noColor: string | undefined
  readonly term: string | undefined
  readonly journalStream: string | undefined
}

export type Terminal = {
  readonly print: (line: string) => void
  readonly printError: (line: string) => void
  readonly write: (bytes: Uint8Array) => Promise<void>
  /** Resolves when all that was printed is handed on; rejects with OUTPUT_FAILED where that could not be. */
  readonly flushed: () => Promise<void>
  readonly showLive: (lines: readonly string[]) => void
  readonly out: Screen
  readonly err: Screen
  readonly isJournal: boolean
  /** Takes the live lines away and stops listening; the streams stay open. */
  readonly close: () => void
}

export function openTerminal(
  settings: TerminalSettings,
  stdout: OutputStream = process.stdout,
  stderr: OutputStream = process.stderr,
): Terminal {
  const out = screenOf(stdout, settings)
  const err = screenOf(stderr, settings)
  // `spillway list | head` closes our output early; that is no failure, and nobody is left to tell.
  // Without a listener Node would end the process with a stack trace.
  let failure: Error | undefined
  stdout.on('error', (error) => (failure ??= error))
  stderr.on('error', () => {})

  const live = liveLines(stderr, err)
  const print = (stream: OutputStream, line: string) => {
    live.hide()
    stream.write(`${line}\n`)
    live.draw()
  }
  return {
    out,
    err,
    isJournal: isJournal(stderr, settings.journalStream),
    print: (line) => print(stdout, line),
    printError: (line) => print(stderr, line),
    write: (bytes) => writeBytes(stdout, bytes),
    flushed: async () => {
      await new Promise<void>((resolve) => stdout.write('', () => setImmediate(resolve)))
      if (failure !== undefined && !isReaderGone(failure)) throw outputFailed(failure)
    },
    showLive: (lines) => live.show(lines),
    // The listeners stay: the error of a write comes later than the write.
    close: () => live.show([]),
  }
}

function screenOf(stream: OutputStream, { noColor, term }: TerminalSettings): Screen {
  const isTerminal = stream.isTTY === true && term !== 'dumb'
  return {
    isTerminal,
    // no-color.org: any value but the empty one.
    hasColour: isTerminal && (noColor ?? '') === '',
    // 80 where the terminal does not say, as everywhere since the VT100.
    columns: () => (stream.columns !== undefined && stream.columns > 0 ? stream.columns : 80),
  }
}

/** Whether the stream is the very one that systemd named: not when it was redirected since. */
function isJournal(stream: OutputStream, journalStream: string | undefined): boolean {
  if (journalStream === undefined || stream.fd === undefined) return false
  try {
    const { dev, ino } = fstatSync(stream.fd)
    return journalStream === `${dev}:${ino}`
  } catch {
    // A closed descriptor is no journal.
    return false
  }
}

/** Resolves when the bytes are handed on, so that a slow reader slows the writer down. */
function writeBytes(stream: OutputStream, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => {
      if (error === null || error === undefined) resolve()
      else reject(isReaderGone(error) ? readerGone(error) : outputFailed(error))
    })
  })
}

/** As when it has seen enough: `| head`. */
function isReaderGone(error: Error): boolean {
  return 'code' in error && error.code === 'EPIPE'
}

function readerGone(cause: Error): SpillwayError {
  const what = `the reader of the output went away: ${cause.message}`
  return new SpillwayError('INTERRUPTED', what, { cause })
}

function outputFailed(cause: Error): SpillwayError {
  const what = `standard output could not be written: ${cause.message}`
  return new SpillwayError('OUTPUT_FAILED', what, { cause })
}

function liveLines(stream: OutputStream, screen: Screen) {
  let wanted: readonly string[] = []
  let drawn: readonly string[] = []
  const hide = () => {
    if (drawn.length === 0) return
    // To the first of our lines, then erase to the end of the screen.
    stream.write(`\x1b[${drawn.length}A\r\x1b[J`)
    drawn = []
  }
  const draw = () => {
    if (!screen.isTerminal || wanted.length === 0) return
    // One column stays free: a full line would wrap, and going up would then miss a line.
    drawn = wanted.map((line) => cut(line, screen.columns() - 1))
    stream.write(drawn.map((line) => `${line}\n`).join(''))
  }
  const show = (lines: readonly string[]) => {
    if (!screen.isTerminal) return
    wanted = lines
    hide()
    draw()
  }
  return { hide, draw, show }
}
