// How a PostgreSQL server is reached and asked: the one place that knows how its programs get their address
// (one argument in the words of libpq, so that no name of a database can be taken for anything else) and
// their password (a file).

import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { PostgresSource, Program } from '../domain/source.ts'
import { answerOf } from './child-answer.ts'
import { databaseFailed, explained } from './database-failure.ts'
import type { Database } from './database-dumps.ts'
import type { OutputContext } from './output.ts'
import { isLeftByRestore } from './postgres-beside.ts'
import { CHANGED_QUERY_FROM, changedQuery, unloggedQuery } from './postgres-target-queries.ts'
import { PROPERTIES_SQL, propertiesFrom } from './postgres-properties.ts'
import { SecretFolder } from './secret-folder.ts'

export type PostgresServer = {
  /** `postgres` is asked where no database is chosen, and `template1` where that is missing. */
  readonly maintenanceDatabase: string
  readonly version: string
  readonly versionNumber: number
  readonly user: string
  /** Whether roles can be dumped with their passwords. */
  readonly readsPasswords: boolean
  /** It follows another server, and does not have what that keeps for itself. */
  readonly isStandby: boolean
  readonly databases: readonly Database[]
}

type Answer = Omit<PostgresServer, 'maintenanceDatabase' | 'databases'> & {
  readonly databases: readonly {
    readonly name: string
    readonly allowsConnections: boolean
    readonly mayConnect: boolean
    readonly hasSettings: boolean
    readonly sizeBytes: number | null
    readonly properties: Readonly<Record<string, string | null>>
  }[]
}

/** A psql that says what it is asked, and stops at the first error. */
export const QUIET: readonly string[] = [
  '--no-psqlrc',
  '--quiet',
  '--no-align',
  '--tuples-only',
  '--set=ON_ERROR_STOP=1',
]

/** The programs of one source, with its password in a file. `close` takes that away. */
export class PostgresTools {
  readonly #source: PostgresSource
  readonly #context: OutputContext
  readonly #secrets: SecretFolder | undefined
  readonly #environment: Readonly<Record<string, string>>

  constructor(source: PostgresSource, context: OutputContext) {
    this.#source = source
    this.#context = context
    const { environment, password } = source
    this.#secrets = password === undefined ? undefined : new SecretFolder(context.folder)
    this.#environment =
      this.#secrets === undefined
        ? environment
        : { ...environment, PGPASSFILE: this.#secrets.write('pgpass', passwordLine(password!)) }
  }

  close(): void {
    this.#secrets?.remove()
  }

  /** `args` follow on the address. `--no-password`: nobody is asked. */
  program(name: string, database: string, args: readonly string[]): Program {
    const { parameters, secrets, workingFolder } = this.#source
    const address = connectionText({ ...parameters, dbname: database })
    return {
      argv: [name, '--no-password', `--dbname=${address}`, ...args],
      environment: this.#environment,
      ...{ secrets, workingFolder },
    }
  }

  /** psql, which answers one statement in UTF-8. */
  question(database: string, sql: string): Program {
    const program = this.program('psql', database, [
      ...QUIET,
      // Whose database it is can have put functions and operators of his own before the server's, and they
      // would run with the rights of whoever asks.
      '--command=SET search_path TO pg_catalog',
      `--command=${sql}`,
    ])
    return { ...program, environment: { ...program.environment, PGCLIENTENCODING: 'UTF8' } }
  }

  /** `15.7`, of `pg_dump (PostgreSQL) 15.7 (Debian ...)`. */
  async toolVersion(name: string): Promise<string> {
    const { secrets, workingFolder } = this.#source
    const environment = this.#environment
    const argv = [name, '--version'] as const
    const answer = await this.#answer({ argv, environment, secrets, workingFolder })
    const [, version] = /^\S+ \([^)]+\) (\d+(?:\.\d+)*)/.exec(answer) ?? []
    if (version !== undefined) return version
    const shown = JSON.stringify(answer.slice(0, 80))
    throw databaseFailed(`${name} --version says no version, but ${shown}`)
  }

  async server(): Promise<PostgresServer> {
    const { database } = this.#source
    const only = database === undefined ? 'true' : 'datname = current_database()'
    const maintenanceDatabase = database ?? 'postgres'
    try {
      return await this.#ask(maintenanceDatabase, only)
    } catch (error) {
      const isMissing = database === undefined && /"postgres" does not exist/.test(messageOf(error))
      if (!isMissing) throw error
      return this.#ask('template1', only)
    }
  }

  /** Of these a standby has no row, and pg_dump says nothing about it. */
  async unloggedTables(database: string): Promise<readonly string[]> {
    const answer = await this.#answer(this.question(database, unloggedQuery))
    return JSON.parse(answer) as string[]
  }

  async #ask(maintenanceDatabase: string, only: string): Promise<PostgresServer> {
    const answer = await this.#answer(this.question(maintenanceDatabase, serverQuery(only)))
    const server = parsed(answer)
    if (server === undefined)
      throw databaseFailed('psql ended well and did not say what databases there are')
    const databases = await this.#judged(server)
    return { ...server, databases, maintenanceDatabase }
  }

  /** Whatever somebody has put into a template is archived, too. */
  async #judged({ databases: answers, versionNumber }: Answer): Promise<readonly Database[]> {
    const databases: Database[] = []
    for (const answer of answers) {
      const isAsItCame =
        answer.name === 'template0' ||
        (answer.name === 'template1' &&
          mayAsk(answer) &&
          !(await this.#isChanged(answer, versionNumber)))
      const isLeft = isLeftByRestore(answer.name)
      databases.push((isAsItCame ? asItCame : isLeft ? leftByRestore : databaseOf)(answer))
    }
    return databases
  }

  async #isChanged({ name, hasSettings }: AnswerDatabase, versionNumber: number): Promise<boolean> {
    // Dumped once too often nothing is lost.
    if (hasSettings || versionNumber < CHANGED_QUERY_FROM) return true
    return (await this.#answer(this.question(name, changedQuery))).trim() !== 'f'
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

function serverQuery(only: string): string {
  return `select json_build_object(
    'version', current_setting('server_version'),
    'versionNumber', current_setting('server_version_num')::int,
    'user', current_user,
    'isStandby', pg_is_in_recovery(),
    'readsPasswords', has_table_privilege('pg_catalog.pg_authid', 'select'),
    'databases', (select json_agg(json_build_object(
      'name', datname,
      'allowsConnections', datallowconn and datconnlimit <> -2,
      'mayConnect', has_database_privilege(oid, 'connect'),
      'hasSettings', exists (select from pg_catalog.pg_db_role_setting s where s.setdatabase = d.oid),
      'sizeBytes', case when has_database_privilege(oid, 'connect') then pg_database_size(oid) end,
      'properties', ${PROPERTIES_SQL}) order by datname collate "C")
      from pg_catalog.pg_database d where ${only}))`.replace(/\s+/g, ' ')
}

function parsed(answer: string): Answer | undefined {
  try {
    const server = JSON.parse(answer) as Answer | null
    if (server === null || !Array.isArray(server.databases)) return undefined
    return server
  } catch {
    // The caller says what that means.
    return undefined
  }
}

type AnswerDatabase = Answer['databases'][number]

function mayAsk({ allowsConnections, mayConnect }: AnswerDatabase): boolean {
  return allowsConnections && mayConnect
}

function databaseOf(answer: AnswerDatabase): Database {
  const { allowsConnections, name, properties, sizeBytes } = answer
  // Else a server whose template1 is closed to whoever makes backups would have none at all.
  const isClosed = name === 'template1' && allowsConnections && !answer.mayConnect
  return {
    ...{ name, sizeBytes: sizeBytes ?? undefined, isOurs: true },
    properties: propertiesFrom(properties),
    leftOutBecause: isClosed
      ? 'this user may not connect to it'
      : allowsConnections
        ? undefined
        : 'does not allow connections',
  }
}

function leftByRestore(answer: AnswerDatabase): Database {
  const leftOutBecause = `left by a restore that was cut off, and not archived; if none is at work: DROP DATABASE ${answer.name}`
  // A warning, and not a note: somebody has to act.
  return { ...databaseOf(answer), isOurs: false, leftOutBecause }
}

function asItCame(answer: AnswerDatabase): Database {
  return { ...databaseOf(answer), isOurs: false, leftOutBecause: 'as every server has it' }
}

/** `host='a' dbname='it\'s'`: libpq takes every value in quotes as it is. */
export function connectionText(parameters: Readonly<Record<string, string>>): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${name}='${value.replace(/[\\']/g, '\\$&')}'`)
    .join(' ')
}

/** For every server, since only ours is asked with this file. */
function passwordLine(password: string): string {
  return `*:*:*:*:${password.replace(/[\\:]/g, '\\$&')}\n`
}
