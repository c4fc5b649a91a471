// PostgreSQL as the target of a restore. Each dump is restored by one pg_restore in one transaction, fed from
// the archive by a pipe: until its last statement nobody sees any of it, and whatever ends it, the server
// rolls it back. Databases are created by ourselves from what the archive knows of them, since that
// cannot be a part of a transaction; roles come before, as far as they are missing.

import { randomBytes } from 'node:crypto'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import type { PostgresSource, Program } from '../domain/source.ts'
import { answerOf } from './child-answer.ts'
import { feedProgram } from './child-feed.ts'
import type { ReadDump } from './child-feed.ts'
import { printable } from './database-dumps.ts'
import type { DumpedDatabase } from './database-list.ts'
import type {
  DatabaseTarget,
  DumpNeeds,
  DumpPair,
  FillOptions,
  GlobalsPlan,
  Restorable,
  TargetContents,
  TargetServer,
} from './database-target.ts'
import type { OutputContext } from './output.ts'
import { postgresDumpNeeds, settingFor } from './postgres-dump-needs.ts'
import { planPostgresGlobals } from './postgres-globals.ts'
import { contentsQuery, DROP_WITH_FORCE_FROM, targetQuery } from './postgres-target-queries.ts'
import type { TargetFacts } from './postgres-target-queries.ts'
import { PostgresTools } from './postgres-server.ts'
import { restoreExplained, restoreFailed } from './restore-failed.ts'
import { quotedSqlName } from './sql-statements.ts'

// Creating a database copies a template of 8 MB; more is a server that does not answer.
const ANSWER_MS = 120_000
// After an interruption somebody waits for us to end.
const CLEAN_UP_MS = 10_000

const QUIET = ['--no-psqlrc', '--quiet', '--no-align', '--tuples-only', '--set=ON_ERROR_STOP=1']

// How psql and the server read what follows: as `sqlStatements` does, whatever the server is set to.
const SCRIPT_BEGIN = `SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n`

export class PostgresTarget implements DatabaseTarget {
  readonly label: string
  readonly isAtomic = true
  readonly #source: PostgresSource
  readonly #context: OutputContext
  readonly #tools: PostgresTools
  #maintenanceDatabase = 'postgres'
  #facts: TargetFacts | undefined
  #restricts: boolean | undefined

  constructor(source: PostgresSource, context: OutputContext) {
    const { host = 'localhost', port = '5432' } = source.parameters
    this.label = `${host.includes(':') ? `[${host}]` : host}:${port}`
    this.#source = source
    this.#context = context
    this.#tools = new PostgresTools(source, context)
  }

  close(): void {
    this.#tools.close()
  }

  async open(): Promise<TargetServer> {
    const { database } = this.#source
    // Whoever may see one database only has to ask that one.
    const others = ['template1', ...(database === undefined ? [] : [database])]
    for (const other of [...others, undefined]) {
      try {
        const answer = await this.#psql(this.#maintenanceDatabase, targetQuery)
        this.#facts = JSON.parse(answer) as TargetFacts
        break
      } catch (error) {
        const mayAskElsewhere =
          /database ".*" does not exist|permission denied for database|no pg_hba\.conf entry/
        if (other === undefined || !mayAskElsewhere.test(messageOf(error))) throw error
        this.#maintenanceDatabase = other
      }
    }
    const { version, databases } = this.#known()
    return { version: `PostgreSQL ${version}`, databases }
  }

  async contents(database: string): Promise<TargetContents> {
    return contentsFrom(await this.#psql(database, contentsQuery))
  }

  async contentsAfterwards(database: string): Promise<TargetContents> {
    return contentsFrom(await this.#psql(database, contentsQuery, 'afterwards'))
  }

  restorable(pairs: readonly DumpPair[]): Restorable {
    return { pairs, notes: [] }
  }

  async needsOf(read: ReadDump): Promise<DumpNeeds> {
    return postgresDumpNeeds(read)
  }

  planGlobals(dump: string): GlobalsPlan {
    const { roles, tablespaces } = this.#known()
    return planPostgresGlobals(dump, {
      roles: new Set(roles),
      tablespaces: new Set(tablespaces),
    })
  }

  /** All of them or none. The script is fed: it holds hashes of passwords. */
  async applyGlobals({ script }: GlobalsPlan): Promise<void> {
    await this.#script(this.#maintenanceDatabase, script, 'roles')
  }

  missingRoles(names: readonly string[]): readonly string[] {
    const { roles } = this.#known()
    return names.filter((name) => !roles.includes(name))
  }

  missingTablespaces(names: readonly string[]): readonly string[] {
    const { tablespaces } = this.#known()
    return names.filter((name) => !tablespaces.includes(name))
  }

  async create(database: string, like: DumpedDatabase, leavesOwners: boolean): Promise<void> {
    const { owner, encoding, collation, characterType } = like.properties
    const option = (word: string, value: string | undefined): string =>
      value === undefined ? '' : ` ${word} ${quotedText(value)}`
    const statement =
      // The only template that may have another encoding, and that nobody has put anything into.
      `CREATE DATABASE ${quotedSqlName(database)} TEMPLATE template0` +
      option('ENCODING', encoding) +
      option('LC_COLLATE', collation) +
      option('LC_CTYPE', characterType) +
      (owner === undefined || leavesOwners ? '' : ` OWNER ${quotedSqlName(owner)}`)
    await this.#psql(this.#maintenanceDatabase, statement)
  }

  nameBeside(): string {
    return `spillway_restore_${randomBytes(4).toString('hex')}`
  }

  async swap(beside: string, into: string): Promise<void> {
    const old = `${beside}_old`
    const rename = (from: string, to: string): string =>
      `ALTER DATABASE ${quotedSqlName(from)} RENAME TO ${quotedSqlName(to)};\n`
    // One cannot rename the database that one is connected to.
    const place = into === this.#maintenanceDatabase ? 'template1' : this.#maintenanceDatabase
    // Neither is interrupted: it takes a moment, and half of it nobody could explain.
    const renames = rename(into, old) + rename(beside, into)
    await this.#script(place, renames, `database ${printable(into)}`, 'afterwards')
    try {
      await this.#psql(place, `DROP DATABASE ${quotedSqlName(old)}`, 'afterwards')
    } catch (error) {
      if (!(error instanceof SpillwayError)) throw error
      throw restoreFailed(
        `the database ${printable(into)} was replaced, but the old one, called ${old} now, could not be dropped: ${messageOf(error)}`,
        { cause: error, hint: `look what uses it, and drop it: DROP DATABASE ${old}` },
      )
    }
  }

  async drop(database: string): Promise<void> {
    const { versionNumber } = this.#known()
    const name = quotedSqlName(database)
    // A server at work for a client that is gone notices that late.
    if (versionNumber < DROP_WITH_FORCE_FROM)
      await this.#psql(
        this.#maintenanceDatabase,
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = ${quotedText(database)}`,
        'afterwards',
      )
    const force = versionNumber < DROP_WITH_FORCE_FROM ? '' : ' WITH (FORCE)'
    await this.#psql(
      this.#maintenanceDatabase,
      `DROP DATABASE IF EXISTS ${name}${force}`,
      'afterwards',
    )
  }

  async fill(
    database: string,
    read: ReadDump,
    { leavesOwners, needs }: FillOptions,
  ): Promise<string> {
    const isWithoutPlace = this.missingTablespaces(needs.tablespaces).length > 0
    const program = this.#tools.program('pg_restore', database, [
      ...['--format=custom', '--exit-on-error', '--single-transaction'],
      ...(leavesOwners ? ['--no-owner', '--no-privileges'] : []),
      ...(isWithoutPlace ? ['--no-tablespaces'] : []),
    ])
    return this.#explaining(
      `database ${printable(database)}`,
      feedProgram(program, read, this.#context),
    )
  }

  async applySettings(database: string, like: DumpedDatabase, needs: DumpNeeds): Promise<string[]> {
    const known = needs.settings.map((each) => settingFor(database, each))
    const notes = needs.settings
      .filter((_, at) => known[at] === undefined)
      .map((each) => `not run: ${each.slice(0, 80)}`)
    const script = known.flatMap((each) => (each === undefined ? [] : [`${each};\n`])).join('')
    if (script === '') return notes
    try {
      await this.#script(database, script, `settings of the database ${like.name}`)
    } catch (error) {
      // All its data is there: this alone is no reason to take them away again.
      if (!isFailure(error, 'RESTORE_FAILED')) throw error
      notes.push(messageOf(error))
    }
    return notes
  }

  async #script(
    database: string,
    script: string,
    subject: string,
    when?: 'afterwards',
  ): Promise<void> {
    const program = this.#tools.program('psql', database, [
      ...QUIET,
      // The server's words alone: a line of the script may hold the hash of a password.
      ...['--set=VERBOSITY=terse', '--single-transaction', '--file=-'],
    ])
    this.#restricts ??= await knowsRestrict(program, this.#context)
    const text = this.#restricts ? restricted(SCRIPT_BEGIN + script) : SCRIPT_BEGIN + script
    const read: ReadDump = (write) => write(Buffer.from(text))
    const signal = when === undefined ? this.#context.signal : new AbortController().signal
    const feeding = feedProgram(program, read, { folder: this.#context.folder, signal })
    await this.#explaining(subject, feeding)
  }

  async #psql(database: string, sql: string, when?: 'afterwards'): Promise<string> {
    const program = this.#tools.program('psql', database, [...QUIET, `--command=${sql}`])
    const environment = { ...program.environment, PGCLIENTENCODING: 'UTF8' }
    const options =
      when === undefined
        ? { ...this.#context, timeoutMs: ANSWER_MS }
        : { ...this.#context, signal: new AbortController().signal, timeoutMs: CLEAN_UP_MS }
    return this.#explaining(this.label, answerOf({ ...program, environment }, options))
  }

  async #explaining<Result>(subject: string, work: Promise<Result>): Promise<Result> {
    try {
      return await work
    } catch (error) {
      throw restoreExplained('postgres', subject, error)
    }
  }

  #known(): TargetFacts {
    if (this.#facts === undefined) throw restoreFailed(`${this.label} was not asked yet`)
    return this.#facts
  }
}

function contentsFrom(answer: string): TargetContents {
  const { sizeBytes, ...counts } = JSON.parse(answer) as TargetContents
  return { ...counts, sizeBytes: sizeBytes ?? undefined }
}

/** Means the same whether the server takes backslashes as they are or not (standard_conforming_strings). */
function quotedText(text: string): string {
  const doubled = text.replaceAll("'", "''")
  return text.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`
}

/** Whether this psql can be told to run no commands of its own. Newer minor versions can (CVE-2025-8714). */
async function knowsRestrict(psql: Program, context: OutputContext): Promise<boolean> {
  const argv = [psql.argv[0], '--help=commands'] as const
  return (await answerOf({ ...psql, argv }, { ...context, timeoutMs: ANSWER_MS })).includes(
    '\\restrict',
  )
}

/** Only who knows the key ends that. */
function restricted(script: string): string {
  const key = randomBytes(16).toString('hex')
  return `\\restrict ${key}\n${script}\\unrestrict ${key}\n`
}
