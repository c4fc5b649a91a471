// What a program says on its standard error: read to the end, so that it never waits for us, and the last
// lines kept, since they name the cause. Bounded, whatever it says.

import { Socket } from 'node:net'
import { stripVTControlCharacters } from 'node:util'
import type { Program } from '../domain/source.ts'
import { createRedactor } from '../lib/redact.ts'

const KEPT_BYTES = 8 * 1024
const LINES_MAX = 4
const LINE_CHARACTERS_MAX = 300

// Behind its error pg_restore shows the statement, which may be long and hold what is nobody's business.
const COMMAND_SHOWN = /^Command was: [\s\S]*/m

export class ChildErrors {
  readonly #socket: Socket
  readonly #redact: (text: string) => string
  readonly #ended: Promise<void>
  #kept = Buffer.alloc(0)
  #first = Buffer.alloc(0)
  readonly #chatter: RegExp | undefined
  /** The beginning of a line that may become chatter. */
  #line = ''

  /** Closes `fd` at its end. */
  constructor(fd: number, { secrets, chatter }: Pick<Program, 'secrets' | 'chatter'>) {
    this.#redact = createRedactor(secrets)
    this.#chatter = chatter
    this.#socket = new Socket({ fd, readable: true, writable: false })
    this.#socket.on('data', (chunk: Buffer) => this.#keep(this.#withoutChatter(chunk)))
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
    const text = this.#redact(stripVTControlCharacters(said))
    const lines = text
      .split(/[\r\n]+/)
      // eslint-disable-next-line no-control-regex -- whatever a terminal would act on
      .map((line) => line.replace(/[\s\x00-\x1f\x7f-\x9f]+/g, ' ').trim())
      .filter((line) => line !== '')
    return lines.slice(-LINES_MAX).map(shortened).join(' | ')
  }
}

/** The ends of a line tell most. */
function shortened(line: string): string {
  if (line.length <= LINE_CHARACTERS_MAX) return line
  const half = LINE_CHARACTERS_MAX / 2
  return `${line.slice(0, half)}[...]${line.slice(-half)}`
}
