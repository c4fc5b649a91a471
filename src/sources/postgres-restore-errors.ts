// What pg_restore says while it goes on behind what the server refuses: which statements are missing now, and
// whether it came to its end at all. Rows stand in what follows on its error lines, and those are not kept.

import { isFailure } from '../domain/errors.ts'
import type { Program } from '../domain/source.ts'
import { feedProgram } from './child-feed.ts'
import type { FeedOptions, ReadDump } from './child-feed.ts'
import type { Refused } from './database-target.ts'

// Whoever has more of them reads the first ones.
const MESSAGES_MAX = 100

const ENTRY = /^pg_restore: from TOC entry \d+; \d+ \d+ (.*)$/
const ERROR = /^pg_restore: error: (.*)$/
const END = /^pg_restore: (?:warning: )?errors ignored on restore: (\d+)$/
const WARNING = /^pg_restore: warning: .*$/
const WARNINGS_MAX = 4
const CONNECTION_LOST =
  /server closed the connection|no connection to the server|terminating connection|could not receive data|SSL connection has been closed|connection .*lost/i

class RestoreErrors {
  readonly #messages: string[] = []
  readonly #warnings: string[] = []
  #entry = ''
  #count: number | undefined
  #isCutOff = false

  /** A line of its standard error, printable. */
  see(line: string): void {
    const [, entry] = ENTRY.exec(line) ?? []
    // Said once of an entry with several errors.
    if (entry !== undefined) this.#entry = `${entry}: `
    const [, error] = ERROR.exec(line) ?? []
    if (error !== undefined) this.#refused(error)
    const [, count] = END.exec(line) ?? []
    if (count !== undefined) this.#count = Number(count)
    else if (WARNING.test(line) && this.#warnings.length < WARNINGS_MAX) this.#warnings.push(line)
  }

  /** Apart from errors. */
  said(): string {
    return this.#warnings.join(' | ')
  }

  /** undefined: it did not come to its end, or not with this server all the time. */
  ended(): Refused | undefined {
    if (this.#isCutOff || this.#count === undefined) return undefined
    return { count: this.#count, messages: this.#messages }
  }

  #refused(error: string): void {
    this.#isCutOff ||= CONNECTION_LOST.test(error)
    if (this.#messages.length >= MESSAGES_MAX) return
    const isOfRows = error.startsWith('COPY failed')
    const said = error.replace(/^could not execute query: (?:ERROR:\s+)?/, '')
    // A value that does not fit ends the line, in quotes.
    this.#messages.push(this.#entry + (isOfRows ? said.replace(/: ".*$/, '') : said))
  }
}

/** As `feedProgram`, and it ends well when pg_restore has come to its end, whatever the server did not take. */
export async function feedAndGoOn(
  program: Program,
  read: ReadDump,
  { onRefused, ...options }: FeedOptions & { readonly onRefused: (refused: Refused) => void },
): Promise<string> {
  const errors = new RestoreErrors()
  // Its own words, which are looked for.
  const environment = { ...program.environment, LC_ALL: 'C' }
  try {
    await feedProgram({ ...program, environment }, read, {
      ...options,
      onErrorLine: (line) => errors.see(line),
    })
  } catch (error) {
    const refused = errors.ended()
    if (!isFailure(error, 'SOURCE_COMMAND_FAILED') || refused === undefined) throw error
    onRefused(refused)
  }
  return errors.said()
}
