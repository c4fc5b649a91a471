// How a MySQL or MariaDB server is reached and asked: the one place that knows how its programs get their
// address (options) and their password (an option file, and then no other one: somebody's ~/.my.cnf
// would win over it, and could take half of a dump away). Where there is none, other files are looked at first.

import { SpillwayError } from '../domain/errors.ts'
import type { MysqlSource, Program } from '../domain/source.ts'
import { answerOf } from './child-answer.ts'
import { firstProgram } from './child-program.ts'
import type { Database } from './database-dumps.ts'
import { databaseFailed, explained } from './database-failure.ts'
import { Grants, parseGrant } from './mysql-grants.ts'
import { requireHarmlessOptions } from './mysql-option-files.ts'
import type { MysqlRights } from './mysql-rights.ts'
import type { OutputContext } from './output.ts'
import { SecretFolder } from './secret-folder.ts'

export type MysqlServer = {
  readonly version: string
  readonly isMariaDb: boolean
  readonly databases: readonly Database[]
  /** The largest statement that it takes. */
  readonly packetBytes: number
  /** Tables that no transaction holds still, by database. */
  readonly plainTables: ReadonlyMap<string, readonly string[]>
  /** Tables that keep what was in them, by database. */
  readonly versionedTables: ReadonlyMap<string, readonly string[]>
}

export type MysqlTool = {
  readonly name: string
  readonly version: string
  readonly isMariaDb: boolean
}

/** The programs of one source, with its password in a file. `close` takes that away. */
export class MysqlTools {
  readonly #source: MysqlSource
  readonly #context: OutputContext
  readonly #secrets: SecretFolder | undefined
  readonly #address: readonly string[]
  /** Whose option files were looked at. */
  readonly #harmless = new Set<string>()

  constructor(source: MysqlSource, context: OutputContext) {
    this.#source = source
    this.#context = context
    const { options, password } = source
    this.#secrets = password === undefined ? undefined : new SecretFolder(context.folder)
    const file = this.#secrets?.write('client.cnf', optionFile(password!))
    this.#address = [
      // It counts as the first argument only.
      ...(file === undefined ? [] : [`--defaults-file=${file}`]),
      ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    ]
  }

  close(): void {
    this.#secrets?.remove()
  }

  program(name: string, args: readonly string[]): Program {
    const { environment, secrets, workingFolder } = this.#source
    return { argv: [name, ...this.#address, ...args], environment, secrets, workingFolder }
  }

  /** The one that is asked and fed; rejects where option files change what it does. */
  async client(): Promise<string> {
    const name = firstProgram(['mariadb', 'mysql'], this.#source)
    if (!this.#harmless.has(name)) await this.requireHarmless(name, QUERY_OPTIONS)
    this.#harmless.add(name)
    return name
  }

  /** Rejects where option files would change what a tool does that is started with `args`. */
  async requireHarmless(tool: string, args: readonly string[]): Promise<void> {
    if (this.#secrets !== undefined) return
    const answer = await this.#told(tool, '--print-defaults')
    const help = await this.help(tool)
    requireHarmlessOptions({ tool, answer, args, help, number: this.#source.number })
  }

  /** What fits the server, of those that are there. */
  async dumpTool({ isMariaDb }: Pick<MysqlServer, 'isMariaDb'>): Promise<MysqlTool> {
    const name = firstProgram(
      isMariaDb ? ['mariadb-dump', 'mysqldump'] : ['mysqldump', 'mariadb-dump'],
      this.#source,
    )
    const answer = await this.#told(name, '--version')
    const version = /(?:Distrib|from|Ver) (\d+\.\d+\.\d+)/.exec(answer)?.[1]
    if (version !== undefined) return { name, version, isMariaDb: /mariadb/i.test(answer) }
    const shown = JSON.stringify(answer.slice(0, 80))
    throw databaseFailed(`${name} --version says no version, but ${shown}`)
  }

  /** Which options a program knows. */
  async help(name: string): Promise<string> {
    return this.#told(name, '--help')
  }

  async server(): Promise<MysqlServer> {
    const rows = (await this.#query(SERVER_QUERY)).map((line) => line.split('\t'))
    const ended = rows.at(-1)?.[0] === 'end'
    const version = rows.find(([kind]) => kind === 'version')?.[1]
    if (!ended || version === undefined)
      throw databaseFailed('the client ended well and did not say what databases there are')
    const plainTables = byDatabase(rowsOf(rows, 'table'), (table, engine) => `${table} (${engine})`)
    const versionedTables = byDatabase(rowsOf(rows, 'versioned'), (table) => table)
    const databases = rowsOf(rows, 'database').map(databaseOf)
    const isMariaDb = /mariadb/i.test(version)
    const packetBytes = Number(rowsOf(rows, 'packet')[0]?.[1])
    return { version, isMariaDb, databases, packetBytes, plainTables, versionedTables }
  }

  /** What its user may do; undefined: the server asks nobody for rights. */
  async rights(): Promise<MysqlRights | undefined> {
    let lines: readonly string[]
    try {
      lines = (await this.#query(RIGHTS_QUERY, [])).map(unescaped)
    } catch (error) {
      if (error instanceof SpillwayError && /--skip-grant-tables/.test(error.message)) return
      throw error
    }
    const [user = '', ...rest] = lines
    const at = user.lastIndexOf('@')
    const setting = (name: string): string | undefined =>
      rest.find((line) => line.startsWith(`${name}\t`))?.slice(name.length + 1)
    const hasPatterns = setting('partial_revokes') !== 'ON'
    const ignoresCase = (setting('lower_case_table_names') ?? '0') !== '0'
    const granted = rest.flatMap((line) => parseGrant(line) ?? [])
    return {
      user: `${quoted(user.slice(0, at))}@${quoted(user.slice(at + 1))}`,
      grants: new Grants(granted, { hasPatterns, ignoresCase }),
      hasPatterns,
    }
  }

  /** Databases with tables whose history is numbered by transactions, which no tool can dump. */
  async preciseHistories(): Promise<readonly string[]> {
    return (await this.#query(PRECISE_QUERY)).map(text)
  }

  /** Whether users and what they may do can be dumped. */
  async readsUsers(): Promise<boolean> {
    try {
      await this.#query('select 1 from mysql.user limit 1')
      return true
    } catch (error) {
      if (error instanceof SpillwayError && /denied/.test(error.message)) return false
      throw error
    }
  }

  /** What a program says of itself. */
  async #told(name: string, option: string): Promise<string> {
    const { environment, secrets, workingFolder } = this.#source
    return this.#answer({ argv: [name, option], environment, secrets, workingFolder })
  }

  async #query(query: string, form: readonly string[] = ['--raw']): Promise<readonly string[]> {
    const program = this.program(await this.client(), [
      ...[...QUERY_OPTIONS, ...form],
      ...['--default-character-set=utf8mb4', `--execute=${query}`],
    ])
    return (await this.#answer(program)).split('\n').slice(0, -1)
  }

  async #answer(program: Program): Promise<string> {
    const timeoutMs = this.#source.silenceMs
    try {
      return await answerOf(program, { ...this.#context, timeoutMs })
    } catch (error) {
      throw error instanceof SpillwayError ? explained(this.#source, undefined, error) : error
    }
  }
}

const QUERY_OPTIONS = ['--batch', '--skip-column-names', '--connect-timeout=30']

// Names come as hexadecimal digits: nothing in them can look like the end of one.
const SERVER_QUERY = `
  select 'version', version(); select 'packet', @@global.max_allowed_packet;
  select 'database', hex(s.schema_name), s.default_character_set_name, s.default_collation_name,
    (select coalesce(sum(t.data_length + t.index_length), 0) from information_schema.tables t
      where t.table_schema = s.schema_name)
    from information_schema.schemata s order by hex(s.schema_name);
  select 'table', hex(table_schema), hex(table_name), engine from information_schema.tables
    where table_type <> 'VIEW' and table_type <> 'SYSTEM VIEW' and engine is not null
    and engine not in (select engine from information_schema.engines where transactions = 'YES')
    order by 2, 3;
  select 'versioned', hex(table_schema), hex(table_name) from information_schema.tables
    where table_type = 'SYSTEM VERSIONED' order by 2, 3;
  select 'end'`
  .replace(/\s+/g, ' ')
  .trim()

// In words that every server has, however it is set.
const RIGHTS_QUERY = `
  set sql_mode = '', sql_quote_show_create = 1; select current_user();
  show variables where variable_name in ('partial_revokes', 'lower_case_table_names'); show grants`
  .replace(/\s+/g, ' ')
  .trim()

const PRECISE_QUERY = `select distinct hex(table_schema) from information_schema.columns where generation_expression = 'ROW START' and data_type = 'bigint'`

/** Made by the server itself, anew each time. */
export const SERVERS_OWN = ['information_schema', 'performance_schema', 'sys']

// How the server shows the name of a folder in its data directory that it has not made: `lost+found`.
const FOLDER = /^#mysql50#/

function databaseOf([, hex = '', characters = '', collation = '', size]: string[]): Database {
  const name = text(hex)
  const isSystem = SERVERS_OWN.includes(name.toLowerCase())
  const isFolder = FOLDER.test(name)
  return {
    ...{ name, sizeBytes: Number(size), properties: { characterSet: characters, collation } },
    leftOutBecause: isFolder
      ? 'a folder in the data directory of the server, no database'
      : isSystem
        ? "the server's own"
        : undefined,
    isOurs: isFolder,
  }
}

function rowsOf(rows: readonly string[][], kind: string): string[][] {
  return rows.filter(([first]) => first === kind)
}

function byDatabase(
  rows: readonly string[][],
  describe: (table: string, engine: string) => string,
): ReadonlyMap<string, readonly string[]> {
  const tables = new Map<string, string[]>()
  for (const [, database = '', table = '', engine = ''] of rows) {
    const name = text(database)
    const named = tables.get(name) ?? []
    named.push(describe(text(table), engine))
    tables.set(name, named)
  }
  return tables
}

/** What the client writes of a value that has line breaks in it. */
function unescaped(line: string): string {
  const chars: Readonly<Record<string, string>> = { n: '\n', t: '\t', 0: '\0' }
  return line.replace(/\\([nt0\\])/g, (_all, char: string) => chars[char] ?? char)
}

function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

function text(hex: string): string {
  return Buffer.from(hex, 'hex').toString('utf8')
}

function optionFile(password: string): string {
  return `[client]\npassword="${password.replace(/[\\"]/g, '\\$&')}"\n`
}
