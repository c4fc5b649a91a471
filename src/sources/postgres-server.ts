// How a PostgreSQL server is reached and asked: the one place that knows how its programs get their address
// (one argument in the words of libpq, so that no name of a database can be taken for anything else) and
// their password (a file).

import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { PostgresSource, Program } from '../domain/source.ts'
import { answerOf } from './child-answer.ts'
import { databaseFailed, explained } from './database-failure.ts'
import type { Database } from './database-dumps.ts'
import type { OutputContext } from './output.ts'
import { SecretFolder } from './secret-folder.ts'

export type PostgresServer = {
  /** `postgres` is asked where no database is chosen, and `template1` where that is missing. */
  readonly maintenanceDatabase: string
  readonly version: string
  readonly versionNumber: number
  readonly user: string
  /** Whether roles can be dumped with their passwords. */
  readonly readsPasswords: boolean
  readonly databases: readonly Database[]
}

type Answer = Omit<PostgresServer, 'maintenanceDatabase' | 'databases'> & {
  readonly databases: readonly {
    readonly name: string
    readonly allowsConnections: boolean
    readonly isTemplate: boolean
    readonly sizeBytes: number | null
    readonly properties: Readonly<Record<string, string>>
  }[]
}

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

  async #ask(maintenanceDatabase: string, only: string): Promise<PostgresServer> {
    const program = this.program('psql', maintenanceDatabase, [
      ...['--no-psqlrc', '--quiet', '--no-align', '--tuples-only', '--set=ON_ERROR_STOP=1'],
      `--command=${serverQuery(only)}`,
    ])
    // Names come as JSON in UTF-8: nothing in them can look like the end of one.
    const environment = { ...program.environment, PGCLIENTENCODING: 'UTF8' }
    const answer = await this.#answer({ ...program, environment })
    const server = parsed(answer)
    if (server === undefined)
      throw databaseFailed('psql ended well and did not say what databases there are')
    return { ...server, maintenanceDatabase }
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
    'readsPasswords', has_table_privilege('pg_catalog.pg_authid', 'select'),
    'databases', (select json_agg(json_build_object(
      'name', datname,
      'allowsConnections', datallowconn and datconnlimit <> -2,
      'isTemplate', datistemplate,
      'sizeBytes', case when has_database_privilege(oid, 'connect') then pg_database_size(oid) end,
      'properties', json_build_object(
        'owner', pg_get_userbyid(datdba),
        'encoding', pg_encoding_to_char(encoding),
        'collation', datcollate,
        'characterType', datctype)) order by datname collate "C")
      from pg_catalog.pg_database where ${only}))`.replace(/\s+/g, ' ')
}

function parsed(answer: string): Omit<PostgresServer, 'maintenanceDatabase'> | undefined {
  try {
    const server = JSON.parse(answer) as Answer | null
    if (server === null || !Array.isArray(server.databases)) return undefined
    return { ...server, databases: (server.databases as Answer['databases']).map(databaseOf) }
  } catch {
    // The caller says what that means.
    return undefined
  }
}

function databaseOf(answer: Answer['databases'][number]): Database {
  const { allowsConnections, isTemplate, name, properties, sizeBytes } = answer
  return {
    ...{ name, properties, sizeBytes: sizeBytes ?? undefined, isOurs: !isTemplate },
    leftOutBecause: isTemplate
      ? 'a template'
      : allowsConnections
        ? undefined
        : 'does not allow connections',
  }
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
