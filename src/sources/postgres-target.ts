// PostgreSQL as the target of a restore. Each dump is restored by one pg_restore in one transaction, fed from
// the archive by a pipe: until its last statement nobody sees any of it, and whatever ends it, the server
// rolls it back. Databases are created by ourselves from what the archive knows of them, since that
// cannot be a part of a transaction; roles come before, as far as they are missing.

import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import type { PostgresSource } from '../domain/source.ts'
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
import { isLeftByRestore, nameBeside, replacedName } from './postgres-beside.ts'
import { postgresDumpNeeds, settingFor } from './postgres-dump-needs.ts'
import { planPostgresGlobals } from './postgres-globals.ts'
import { contentsQuery, DROP_WITH_FORCE_FROM, targetQuery } from './postgres-target-queries.ts'
import type { TargetFacts } from './postgres-target-queries.ts'
import type { PostgresProperties } from './postgres-properties.ts'
import { cannotHave, createOptions, describeLocale, propertiesFrom } from './postgres-properties.ts'
import { PostgresTools } from './postgres-server.ts'
import { explaining, Psql } from './postgres-psql.ts'
import { feedAndGoOn } from './postgres-restore-errors.ts'
import { restoreFailed } from './restore-failed.ts'
import { quotedSqlName, quotedSqlText } from './sql-statements.ts'

// What --no-owner leaves out of the settings of a database.
const OF_ROLES = /^(?:GRANT|REVOKE|ALTER ROLE) /

export class PostgresTarget implements DatabaseTarget {
  readonly label: string
  readonly isAtomic = true
  readonly #source: PostgresSource
  readonly #context: OutputContext
  readonly #tools: PostgresTools
  readonly #psql: Psql
  #maintenanceDatabase = 'postgres'
  #facts: TargetFacts | undefined

  constructor(source: PostgresSource, context: OutputContext) {
    const { host = 'localhost', port = '5432' } = source.parameters
    this.label = `${host.includes(':') ? `[${host}]` : host}:${port}`
    this.#source = source
    this.#context = context
    this.#tools = new PostgresTools(source, context)
    this.#psql = new Psql(this.#tools, context, this.label)
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
        const answer = await this.#psql.ask(this.#maintenanceDatabase, targetQuery)
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
    return { version: `PostgreSQL ${version}`, databases: databases.map(({ name }) => name) }
  }

  async contents(database: string): Promise<TargetContents> {
    return contentsFrom(await this.#psql.ask(database, contentsQuery))
  }

  async contentsAfterwards(database: string): Promise<TargetContents> {
    return contentsFrom(await this.#psql.ask(database, contentsQuery, 'afterwards'))
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
    await this.#psql.script(this.#maintenanceDatabase, script, 'roles')
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
    const { owner, tablespace } = like.properties
    const { tablespaces, versionNumber } = this.#known()
    const hasPlace = tablespace !== undefined && tablespaces.includes(tablespace)
    const statement =
      // The only template that may have another encoding, and that nobody has put anything into.
      `CREATE DATABASE ${quotedSqlName(database)} TEMPLATE template0` +
      createOptions(like.properties, versionNumber) +
      (hasPlace ? ` TABLESPACE ${quotedSqlName(tablespace)}` : '') +
      (owner === undefined || leavesOwners ? '' : ` OWNER ${quotedSqlName(owner)}`)
    await this.#psql.ask(this.#maintenanceDatabase, statement)
  }

  cannotCreate({ properties }: DumpedDatabase): string | undefined {
    return cannotHave(properties, this.#known().versionNumber)
  }

  cannotFill(database: string, { properties: { encoding } }: DumpedDatabase): string | undefined {
    const here = this.#propertiesOf(database)['encoding']
    if (encoding === undefined || here === undefined || encoding === here) return undefined
    return `cannot take it: its encoding is ${here}, and that of the dump is ${encoding}`
  }

  differences(
    database: string,
    { properties }: DumpedDatabase,
    leavesOwners: boolean,
  ): readonly string[] {
    const here = this.#propertiesOf(database)
    const [sorts, sorted] = [here, properties].map(describeLocale)
    const { owner = here['owner'] } = properties
    return [
      ...(sorts === sorted
        ? []
        : [`it sorts and compares by ${sorts} here, and did by ${sorted} where it comes from`]),
      ...(leavesOwners || owner === here['owner']
        ? []
        : [`it belongs to ${here['owner']} here, and did to ${owner} where it comes from`]),
    ]
  }

  leftovers(): readonly string[] {
    return this.#known()
      .databases.filter(({ name }) => isLeftByRestore(name))
      .map(
        ({ name }) =>
          `${name} was left by a restore that was cut off; if none is at work: DROP DATABASE ${name}`,
      )
  }

  #propertiesOf(database: string): PostgresProperties {
    const there = this.#known().databases.find(({ name }) => name === database)
    return propertiesFrom(there?.properties ?? {})
  }

  nameBeside(): string {
    return nameBeside()
  }

  async swap(beside: string, into: string): Promise<void> {
    const old = replacedName(beside)
    const rename = (from: string, to: string): string =>
      `ALTER DATABASE ${quotedSqlName(from)} RENAME TO ${quotedSqlName(to)};\n`
    const place = this.#placeBeside(into)
    // Neither is interrupted: it takes a moment, and half of it nobody could explain.
    const renames = rename(into, old) + rename(beside, into)
    try {
      await this.#psql.script(place, renames, `database ${printable(into)}`, 'afterwards')
    } catch (error) {
      // Its answer may be lost, and the change made.
      if (!(await this.#isThere(place, old))) throw error
    }
  }

  async dropReplaced(beside: string): Promise<string | undefined> {
    const old = replacedName(beside)
    try {
      await this.#drop(old, '')
      return undefined
    } catch (error) {
      if (!(error instanceof SpillwayError)) throw error
      return `the old database could not be dropped, and is called ${old} now: ${messageOf(error)}; drop it: DROP DATABASE ${old}`
    }
  }

  async drop(database: string): Promise<void> {
    const { versionNumber } = this.#known()
    // A server at work for a client that is gone notices that late.
    if (versionNumber < DROP_WITH_FORCE_FROM)
      await this.#psql.ask(
        this.#maintenanceDatabase,
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = ${quotedSqlText(database)}`,
        'afterwards',
      )
    await this.#drop(database, versionNumber < DROP_WITH_FORCE_FROM ? '' : ' WITH (FORCE)')
  }

  staysAsItIs(database: string): boolean {
    return database === 'template1'
  }

  async #isThere(place: string, database: string): Promise<boolean> {
    const asked = `select count(*) from pg_database where datname = ${quotedSqlText(database)}`
    return (await this.#psql.ask(place, asked, 'afterwards')).trim() === '1'
  }

  async #drop(database: string, force: string): Promise<void> {
    const [place, name] = [this.#placeBeside(database), quotedSqlName(database)]
    const isTemplate = `select count(*) from pg_database where datistemplate and datname = ${quotedSqlText(database)}`
    // No server drops one of these.
    if ((await this.#psql.ask(place, isTemplate, 'afterwards')).trim() === '1')
      await this.#psql.ask(place, `ALTER DATABASE ${name} IS_TEMPLATE false`, 'afterwards')
    await this.#psql.ask(place, `DROP DATABASE IF EXISTS ${name}${force}`, 'drop')
  }

  /** One can neither rename nor drop the database that one is connected to. */
  #placeBeside(database: string): string {
    return database === this.#maintenanceDatabase ? 'template1' : this.#maintenanceDatabase
  }

  async fill(
    database: string,
    read: ReadDump,
    { leavesOwners, needs, onRefused }: FillOptions,
  ): Promise<string> {
    const isWithoutPlace = this.missingTablespaces(needs.tablespaces).length > 0
    const program = this.#tools.program('pg_restore', database, [
      '--format=custom',
      // Only a talkative one says which object an error is of.
      ...(onRefused === undefined ? ['--exit-on-error', '--single-transaction'] : ['--verbose']),
      ...(leavesOwners ? ['--no-owner', '--no-privileges'] : []),
      ...(isWithoutPlace ? ['--no-tablespaces'] : []),
    ])
    const work =
      onRefused === undefined
        ? feedProgram(program, read, this.#context)
        : feedAndGoOn(program, read, { ...this.#context, onRefused })
    return explaining(`database ${printable(database)}`, work)
  }

  async applySettings(
    database: string,
    like: DumpedDatabase,
    { needs, leavesOwners }: FillOptions,
  ): Promise<string[]> {
    const settings = needs.settings.filter((each) => !leavesOwners || !OF_ROLES.test(each))
    const known = settings.map((each) => settingFor(database, each))
    const notes = settings
      .filter((_, at) => known[at] === undefined)
      .map((each) => `not run: ${each.slice(0, 80)}`)
    const script = known.flatMap((each) => (each === undefined ? [] : [`${each};\n`])).join('')
    if (script === '') return notes
    try {
      await this.#psql.script(database, script, `settings of the database ${like.name}`)
    } catch (error) {
      // All its data is there: this alone is no reason to take them away again.
      if (!isFailure(error, 'RESTORE_FAILED')) throw error
      notes.push(messageOf(error))
    }
    return notes
  }

  #known(): TargetFacts {
    if (this.#facts === undefined) throw restoreFailed(`${this.label} was not asked yet`)
    return this.#facts
  }
}

type Contents = Omit<TargetContents, 'tables' | 'sizeBytes'> & {
  readonly tableNames: readonly string[]
  readonly sizeBytes: number | null
}

function contentsFrom(answer: string): TargetContents {
  const { sizeBytes, ...rest } = JSON.parse(answer) as Contents
  return { ...rest, tables: rest.tableNames.length, sizeBytes: sizeBytes ?? undefined }
}
