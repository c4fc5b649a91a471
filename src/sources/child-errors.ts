// What a program says on its standard error: read to the end, so that it never waits for us, and the last
// lines kept, since they name the cause. Bounded, whatever it says.

import { Socket } from 'node:net'
import { stripVTControlCharacters } from 'node:util'
import type { Program } from '../domain/source.ts'
import { createRedactor } from '../lib/redact.ts'

const KEPT_BYTES = 8 * 1024
const LINES_MAX = 4
const LINE_CHARACTERS_MAX = 300

// Behind an error PostgreSQL's tools show the statement or the row, which may be long and hold what is nobody's business.
const COMMAND_SHOWN =
  /^(?:Command was: |LINE \d+: |QUERY: {2}|CONTEXT: {2}|DETAIL: {2}(?:Failing row contains|Key \())[\s\S]*/m

// More of one line nobody reads.
const LINE_BYTES_MAX = 4 * 1024

export class ChildErrors {
  readonly #socket: Socket
  readonly #redact: (text: string) => string
  readonly #ended: Promise<void>
  #kept = Buffer.alloc(0)
  #first = Buffer.alloc(0)
  readonly #chatter: RegExp | undefined
  /** The beginning of a line that may become chatter. */
  #line = ''

  /** The beginning of a line that nobody was given yet. */
  #untold = Buffer.alloc(0)

  /** Closes `fd` at its end. `onLine` is given each line, printable, without secrets. */
  constructor(
    fd: number,
    { secrets, chatter }: Pick<Program, 'secrets' | 'chatter'>,
    onLine?: (line: string) => void,
  ) {
    this.#redact = createRedactor(secrets)
    this.#chatter = chatter
    this.#socket = new Socket({ fd, readable: true, writable: false })
    this.#socket.on('data', (chunk: Buffer) => {
      this.#keep(this.#withoutChatter(chunk))
      if (onLine !== undefined) this.#giveLines(chunk, onLine)
    })
    // A pipe has no errors but its end, and a message is not worth the archive.
    this.#socket.on('error', () => undefined)
    this.#ended = new Promise((resolve) =>
      this.#socket.once('close', () => {
        if (this.#line !== '') this.#keep(this.#withoutChatter(Buffer.from('\n')))
        resolve()
      }),
    )
  }

  #keep(bytes: Buffer): void {
    if (this.#first.length < KEPT_BYTES)
      this.#first = Buffer.concat([this.#first, bytes]).subarray(0, KEPT_BYTES)
    this.#kept = Buffer.concat([this.#kept, bytes]).subarray(-KEPT_BYTES)
  }

  /** Dropped as it comes: a warning is early, and there may be a million lines behind it. */
  #withoutChatter(chunk: Buffer): Buffer {
    const chatter = this.#chatter
    if (chatter === undefined) return chunk
    const lines = (this.#line + chunk.toString('latin1')).split('\n')
    const rest = lines.pop() ?? ''
    const isLong = rest.length > KEPT_BYTES
    this.#line = isLong ? '' : rest
    const kept = lines.filter((line) => !chatter.test(line)).map((line) => `${line}\n`)
    return Buffer.from(kept.join('') + (isLong ? rest : ''), 'latin1')
  }

  /** Waits so long at most: something that the program left behind may hold it open. */
  async end(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.#socket.destroy(), timeoutMs)
    await this.#ended
    clearTimeout(timer)
  }

  /** Its last lines as one, made printable, without secrets; '' where it said nothing. */
  lastLines(): string {
    const kept = COMMAND_SHOWN.test(this.#first.toString('utf8')) ? this.#first : this.#kept
    const said = kept.toString('utf8').replace(COMMAND_SHOWN, '')
    const lines = this.#redact(stripVTControlCharacters(said))
      .split(/[\r\n]+/)
      .map(onOneLine)
      .filter((line) => line !== '')
    return lines.slice(-LINES_MAX).map(shortened).join(' | ')
  }

  #giveLines(chunk: Buffer, onLine: (line: string) => void): void {
    let rest = chunk
    for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n')) {
      const line = Buffer.concat([this.#untold, rest.subarray(0, end)]).subarray(0, LINE_BYTES_MAX)
      const text = stripVTControlCharacters(line.toString('utf8'))
      onLine(shortened(onOneLine(this.#redact(text))))
      this.#untold = Buffer.alloc(0)
      rest = rest.subarray(end + 1)
    }
    this.#untold = Buffer.concat([this.#untold, rest]).subarray(0, LINE_BYTES_MAX)
  }
}

function onOneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- whatever a terminal would act on
  return text.replace(/[\s\x00-\x1f\x7f-\x9f]+/g, ' ').trim()
}

/** The ends of a line tell most. */
function shortened(line: string): string {
  if (line.length <= LINE_CHARACTERS_MAX) return line
  const half = LINE_CHARACTERS_MAX / 2
  return `${line.slice(0, half)}[...]${line.slice(-half)}`
}
