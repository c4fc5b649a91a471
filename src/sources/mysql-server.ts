// How a MySQL or MariaDB server is reached and asked: the one place that knows how its programs get their
// address (options) and their password (an option file, and then no other one: somebody's ~/.my.cnf
// would win over it, and could take half of a dump away).

import { SpillwayError } from '../domain/errors.ts'
import type { MysqlSource, Program } from '../domain/source.ts'
import { answerOf } from './child-answer.ts'
import { firstProgram } from './child-program.ts'
import type { Database } from './database-dumps.ts'
import { databaseFailed, explained } from './database-failure.ts'
import type { OutputContext } from './output.ts'
import { SecretFolder } from './secret-folder.ts'

export type MysqlServer = {
  readonly version: string
  readonly isMariaDb: boolean
  readonly databases: readonly Database[]
  /** Tables that no transaction holds still, by database. */
  readonly plainTables: ReadonlyMap<string, readonly string[]>
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

  /** What fits the server, of those that are there. */
  async dumpTool({ isMariaDb }: Pick<MysqlServer, 'isMariaDb'>): Promise<MysqlTool> {
    const name = firstProgram(
      isMariaDb ? ['mariadb-dump', 'mysqldump'] : ['mysqldump', 'mariadb-dump'],
      this.#source,
    )
    const { environment, secrets, workingFolder } = this.#source
    const argv = [name, '--version'] as const
    const answer = await this.#answer({ argv, environment, secrets, workingFolder })
    const version = /(?:Distrib|from|Ver) (\d+\.\d+\.\d+)/.exec(answer)?.[1]
    if (version !== undefined) return { name, version, isMariaDb: /mariadb/i.test(answer) }
    const shown = JSON.stringify(answer.slice(0, 80))
    throw databaseFailed(`${name} --version says no version, but ${shown}`)
  }

  async server(): Promise<MysqlServer> {
    const rows = (await this.#query(SERVER_QUERY)).map((line) => line.split('\t'))
    const ended = rows.at(-1)?.[0] === 'end'
    const version = rows.find(([kind]) => kind === 'version')?.[1]
    if (!ended || version === undefined)
      throw databaseFailed('the client ended well and did not say what databases there are')
    const plainTables = new Map<string, string[]>()
    for (const [, database = '', table = '', engine = ''] of rowsOf(rows, 'table')) {
      const name = text(database)
      plainTables.set(name, [...(plainTables.get(name) ?? []), `${text(table)} (${engine})`])
    }
    const databases = rowsOf(rows, 'database').map(databaseOf)
    return { version, isMariaDb: /mariadb/i.test(version), databases, plainTables }
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

  async #query(query: string): Promise<readonly string[]> {
    const name = firstProgram(['mariadb', 'mysql'], this.#source)
    const program = this.program(name, [
      ...['--batch', '--raw', '--skip-column-names', '--connect-timeout=30'],
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

// Names come as hexadecimal digits: nothing in them can look like the end of one.
const SERVER_QUERY = `
  select 'version', version();
  select 'database', hex(s.schema_name), s.default_character_set_name, s.default_collation_name,
    (select coalesce(sum(t.data_length + t.index_length), 0) from information_schema.tables t
      where t.table_schema = s.schema_name)
    from information_schema.schemata s order by hex(s.schema_name);
  select 'table', hex(table_schema), hex(table_name), engine from information_schema.tables
    where table_type <> 'VIEW' and table_type <> 'SYSTEM VIEW' and engine is not null
    and engine not in (select engine from information_schema.engines where transactions = 'YES')
    order by 2, 3;
  select 'end'`
  .replace(/\s+/g, ' ')
  .trim()

/** Made by the server itself, anew each time. */
const SYSTEM = ['information_schema', 'performance_schema', 'sys']

function databaseOf([, name = '', characters = '', collation = '', size]: string[]): Database {
  const properties = { characterSet: characters, collation }
  const isSystem = SYSTEM.includes(text(name).toLowerCase())
  return {
    ...{ name: text(name), sizeBytes: Number(size), properties },
    leftOutBecause: isSystem ? "the server's own" : undefined,
  }
}

function rowsOf(rows: readonly string[][], kind: string): string[][] {
  return rows.filter(([first]) => first === kind)
}

function text(hex: string): string {
  return Buffer.from(hex, 'hex').toString('utf8')
}

function optionFile(password: string): string {
  return `[client]\npassword="${password.replace(/[\\"]/g, '\\$&')}"\n`
}
