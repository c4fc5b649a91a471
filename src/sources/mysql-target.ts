// MySQL and MariaDB as the target of a restore: each dump is fed to the server's own client. It consists of
// statements that take effect one by one, so a restore that fails half way leaves half of it: a database
// that was created for it is dropped again, and of any other it is said.

import { isFailure, messageOf } from '../domain/errors.ts'
import type { MysqlSource, Program } from '../domain/source.ts'
import { answerOf } from './child-answer.ts'
import { feedProgram } from './child-feed.ts'
import type { ReadDump } from './child-feed.ts'
import { printable } from './database-dumps.ts'
import type { DumpedDatabase } from './database-list.ts'
import type {
  DatabaseTarget,
  DumpNeeds,
  DumpPair,
  GlobalsPlan,
  Restorable,
  TargetContents,
  TargetServer,
} from './database-target.ts'
import { DumpTables } from './mysql-dump-tables.ts'
import { tooLargeFor } from './mysql-packet.ts'
import type { TooLarge } from './mysql-packet.ts'
import { MysqlTools } from './mysql-server.ts'
import {
  contentsFrom,
  contentsQuery,
  definersQuery,
  named,
  namesQuery,
} from './mysql-target-queries.ts'
import type { OutputContext } from './output.ts'
import { restoreExplained, restoreFailed } from './restore-failed.ts'

// It makes a folder on the server; more is a server that does not answer.
const ANSWER_MS = 120_000
// After an interruption somebody waits for us to end.
const CLEAN_UP_MS = 10_000
// It holds the users of the server itself.
const SYSTEM_DATABASE = 'mysql'

// So many names tell what is meant.
const NAMES_SHOWN = 10

const NO_USERS = 'users and grants of the server are not restored'
const USERS_IN_TABLES = `${NO_USERS}: they are in databases/mysql.sql of the archive, for a server of the same version (spillway cat)`
// As the tool writes them: a grant repeats the password.
const USERS_LEFT_OUT = `${NO_USERS}: where they are to come back: spillway cat ARCHIVE globals.sql | mariadb --binary-mode; users that are there keep what they may do and get the passwords of the archive, root, too`

export class MysqlTarget implements DatabaseTarget {
  readonly label: string
  readonly isAtomic = false
  readonly #context: OutputContext
  readonly #tools: MysqlTools
  #packetBytes = Infinity
  /** What was fed last. */
  #filled: DumpTables | undefined

  constructor(source: MysqlSource, context: OutputContext) {
    const { host = 'localhost', port = '3306', socket } = source.options
    this.label = socket ?? `${host.includes(':') ? `[${host}]` : host}:${port}`
    this.#context = context
    this.#tools = new MysqlTools(source, context)
  }

  close(): void {
    this.#tools.close()
  }

  async open(): Promise<TargetServer> {
    const rows = await this.#query(
      `select 'version', version(); select 'packet', @@global.max_allowed_packet; select 'database', hex(schema_name) from information_schema.schemata`,
    )
    const version = rows.find(([kind]) => kind === 'version')?.[1] ?? ''
    this.#packetBytes = Number(rows.find(([kind]) => kind === 'packet')?.[1] ?? Infinity)
    const databases = rows.filter(([kind]) => kind === 'database').map(([, hex = '']) => text(hex))
    const name = /mariadb/i.test(version) ? 'MariaDB' : 'MySQL'
    return { version: `${name} ${version}`, databases }
  }

  async contents(database: string): Promise<TargetContents> {
    return contentsFrom(await this.#query(contentsQuery(database)))
  }

  async contentsAfterwards(database: string): Promise<TargetContents> {
    return contentsFrom(await this.#query(contentsQuery(database), 'afterwards'))
  }

  /** Users are no part of it: which of them would take over the server, nobody can tell from here. */
  restorable(pairs: readonly DumpPair[], isWhole: boolean): Restorable {
    if (!isWhole) return { pairs, notes: [] }
    const ours = pairs.filter(([, into]) => into !== SYSTEM_DATABASE)
    return { pairs: ours, notes: [ours.length < pairs.length ? USERS_IN_TABLES : USERS_LEFT_OUT] }
  }

  async needsOf(): Promise<DumpNeeds> {
    return { tables: undefined, roles: [], namedRoles: [], tablespaces: [], settings: [] }
  }

  planGlobals(): undefined {
    return undefined
  }

  async applyGlobals(_plan: GlobalsPlan): Promise<void> {
    // There is never a plan.
  }

  missingRoles(): readonly string[] {
    return []
  }

  missingTablespaces(): readonly string[] {
    return []
  }

  async create(database: string, { properties }: DumpedDatabase): Promise<void> {
    const { characterSet, collation } = properties
    const option = (words: string, value: string | undefined): string =>
      value === undefined || !/^\w+$/.test(value) ? '' : ` ${words} ${value}`
    await this.#query(
      `create database ${quoted(database)}` +
        option('character set', characterSet) +
        option('collate', collation),
    )
  }

  nameBeside(): undefined {
    return undefined
  }

  async swap(): Promise<void> {
    // Nothing is ever filled beside.
  }

  async drop(database: string): Promise<void> {
    // The server goes on with the statement of a client that is gone, and that holds its tables.
    const rows = await this.#query(
      `select id from information_schema.processlist where db = ${named(database)} and id <> connection_id()`,
      'afterwards',
    )
    for (const [id = ''] of rows)
      await this.#query(`kill ${id}`, 'afterwards').catch((error: unknown) => {
        // It has ended meanwhile.
        if (!/Unknown thread id/.test(messageOf(error))) throw error
      })
    await this.#query(`drop database if exists ${quoted(database)}`, 'afterwards')
  }

  cannotTake(dumped: DumpedDatabase): TooLarge | undefined {
    return tooLargeFor(dumped, this.#packetBytes)
  }

  /** Views and routines name tables of other databases. */
  async mayTryAgain(database: string): Promise<boolean> {
    const query = `select 1 from information_schema.schemata where schema_name = ${named(database)}`
    try {
      return (await this.#query(query, 'afterwards')).length === 0
    } catch (error) {
      if (!isFailure(error, 'RESTORE_FAILED')) throw error
      return false
    }
  }

  /** Its own words for a failure name the line of the dump. */
  async fill(database: string, read: ReadDump): Promise<string> {
    const work = async (): Promise<string> =>
      feedProgram(await this.#feeder(database), this.#noting(read), this.#context)
    return this.#explaining(`database ${printable(database)}`, work())
  }

  /** With the names of its tables. */
  #noting(read: ReadDump): ReadDump {
    return (write) => {
      const tables = new DumpTables()
      this.#filled = tables
      return read(async (piece) => {
        tables.see(piece)
        await write(piece)
      })
    }
  }

  /** `DROP TABLE` passes a view by, and the table cannot be created then. Reads the dump if there is a view. */
  async clashes(database: string, read: ReadDump): Promise<readonly string[]> {
    const views = (await this.#query(namesQuery(database, 'views'))).flat().map(text)
    if (views.length === 0) return []
    const tables = new DumpTables()
    await read(async (piece) => tables.see(piece))
    return views.filter((view) => tables.names.has(view))
  }

  /**
   * The client with nothing in it that a dump could use against us: who can write to an archive must not run
   * commands here, or send our files to the server. `--sandbox` would still start an editor.
   */
  async #feeder(database: string): Promise<Program> {
    const client = await this.#tools.client()
    const known = await this.#tools.help(client)
    if (!known.includes('--binary-mode'))
      throw restoreFailed(
        `${client} is too old to be fed a dump: it does not know --binary-mode, and would run commands that stand in it`,
      )
    return this.#tools.program(client, [
      ...['--batch', '--default-character-set=utf8mb4', '--max-allowed-packet=1G'],
      ...['--connect-timeout=30', '--binary-mode', '--local-infile=0'],
      // Else it shows the statement that failed, with all rows in it.
      ...(known.includes('--print-query-on-error') ? ['--skip-print-query-on-error'] : []),
      `--database=${database}`,
    ])
  }

  async notesOn(database: string): Promise<readonly string[]> {
    return [...(await this.#otherTables(database)), ...(await this.#missingDefiners(database))]
  }

  async #otherTables(database: string): Promise<readonly string[]> {
    const tables = (await this.#query(namesQuery(database, 'tables'))).flat().map(text)
    const others = tables.filter((table) => this.#filled?.names.has(table) !== true).map(printable)
    if (others.length === 0) return []
    const more = others.length > NAMES_SHOWN ? `, and ${others.length - NAMES_SHOWN} more` : ''
    const some = others.slice(0, NAMES_SHOWN).join(', ') + more
    return [`tables that the dump does not have are there as they were: ${some}`]
  }

  /** The server takes the name of a role that it lacks for a user's: that stays. */
  async #missingDefiners(database: string): Promise<readonly string[]> {
    try {
      const rows = await this.#query(definersQuery(database, 'missing'))
      return rows.map(([definer = '', object = '', count = '1']) => {
        const more = count === '1' ? '' : ` and ${Number(count) - 1} more`
        const [who, what] = [printable(text(definer)), printable(text(object))]
        return `the user ${who} is not on the server, and ${what}${more} cannot work without: create it (a whole backup has it in globals.sql), and where it is a role restore again`
      })
    } catch (error) {
      if (!isFailure(error, 'RESTORE_FAILED')) throw error
      return this.#uncertainDefiners(database)
    }
  }

  /** Where the users of the server are not for everybody to read. */
  async #uncertainDefiners(database: string): Promise<readonly string[]> {
    const rows = await this.#query(definersQuery(database, 'others'))
    if (rows.length === 0) return []
    const users = rows.map(([definer = '']) => printable(text(definer))).join(', ')
    return [
      `whether these users are on the server could not be asked, and views, triggers, routines or events cannot work without them: ${users}`,
    ]
  }

  async applySettings(): Promise<string[]> {
    return []
  }

  async #query(query: string, when?: 'afterwards'): Promise<string[][]> {
    const options =
      when === undefined
        ? { ...this.#context, timeoutMs: ANSWER_MS }
        : { ...this.#context, signal: new AbortController().signal, timeoutMs: CLEAN_UP_MS }
    const work = async (): Promise<string> =>
      answerOf(
        this.#tools.program(await this.#tools.client(), [
          ...['--batch', '--raw', '--skip-column-names', '--connect-timeout=30'],
          ...['--default-character-set=utf8mb4', `--execute=${query}`],
        ]),
        options,
      )
    const answer = await this.#explaining(this.label, work())
    return answer
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split('\t'))
  }

  async #explaining<Result>(subject: string, work: Promise<Result>): Promise<Result> {
    try {
      return await work
    } catch (error) {
      throw restoreExplained('mysql', subject, error)
    }
  }
}

function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

function text(hex: string): string {
  return Buffer.from(hex, 'hex').toString('utf8')
}
