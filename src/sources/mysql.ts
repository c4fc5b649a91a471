// MySQL and MariaDB as a source: one database, or all of a server with its users, each dumped in one
// transaction. Tables without transactions are dumped, too, and told: they may change meanwhile.

import type { Warning } from '../domain/archive.ts'
import type { MysqlSource } from '../domain/source.ts'
import {
  chooseDatabases,
  dumpDatabases,
  GLOBALS_FILE,
  notWhole,
  printable,
  surveyOf,
} from './database-dumps.ts'
import type { Chosen, Database, DumpPlan } from './database-dumps.ts'
import { databaseFailed, explained } from './database-failure.ts'
import { DATABASE_LIST_FILE } from './database-list.ts'
import { dumpFileName } from './dump-names.ts'
import { STATEMENT_BYTES, tooLargeFor } from './mysql-packet.ts'
import { MysqlTools } from './mysql-server.ts'
import type { MysqlServer, MysqlTool } from './mysql-server.ts'
import { requireRights } from './mysql-rights.ts'
import type { MysqlRights } from './mysql-rights.ts'
import type { OutputContext, OutputSeries, OutputSurvey, ProgramOutput } from './output.ts'
import { compareVersions } from './tool-version.ts'

const DUMP_END = /\n-- Dump completed[^\n]*\s*$/
const USERS_DATABASE = 'mysql'

// From here on every release dumps users as statements.
const DUMPS_USERS = [10, 6]
// And the history of tables, in words that only servers from here on take.
const DUMPS_HISTORY = [10, 11]

export async function surveyMysql(
  source: MysqlSource,
  context: OutputContext,
): Promise<OutputSurvey> {
  const tools = new MysqlTools(source, context)
  try {
    const server = await tools.server()
    const tool = await tools.dumpTool(server)
    requireNewEnough(tool, server)
    const hasUsers = source.database === undefined && dumpsUsers(tool, server)
    const chosen = choose(source, server, hasUsers)
    await rightsFor(source, tools, server, chosen)
    await tools.requireHarmless(tool.name, dumpOptions(tool, server))
    return surveyOf(chosen, hasUsers ? 2 : 1)
  } finally {
    tools.close()
  }
}

export async function* mysqlOutputs(source: MysqlSource, context: OutputContext): OutputSeries {
  const tools = new MysqlTools(source, context)
  try {
    const server = await tools.server()
    const tool = await tools.dumpTool(server)
    requireNewEnough(tool, server)
    const isWholeServer = source.database === undefined
    const hasUsers = isWholeServer && dumpsUsers(tool, server)
    const readsUsers = hasUsers && (await tools.readsUsers())
    const chosen = choose(source, server, hasUsers)
    const rights = await rightsFor(source, tools, server, chosen)
    await tools.requireHarmless(tool.name, dumpOptions(tool, server))
    const histories = await historiesOf(tools, tool, server, chosen)
    const plan: DumpPlan = {
      ...chosen,
      about: {
        ...{ kind: source.kind, isWholeServer, server: { version: server.version } },
        tool: { name: tool.name, version: tool.version },
      },
      globals: readsUsers
        ? { output: usersOutput(source, tools, tool), hasPasswords: true }
        : undefined,
      dumpOf: ({ name }) => {
        const history = histories.dumped.has(name) ? ['--dump-history'] : []
        return dumpOutput(source, tools, tool, name, [...dumpOptions(tool, server), ...history])
      },
      warningsAbout: (dumped) => {
        const found = tooLargeFor(dumped, server.packetBytes)
        return found === undefined ? [] : [`${found.message}: ${found.hint}`]
      },
      warnings: [
        ...(hasUsers && !readsUsers ? [WITHOUT_USERS] : []),
        ...(tool.isMariaDb === server.isMariaDb ? [] : [strangeTool(tool, server)]),
        ...(readsUsers && rights?.grants.isPublicGranted() === true ? [WITHOUT_PUBLIC] : []),
        ...plainTables(chosen, server),
        ...histories.warnings,
      ],
    }
    return yield* dumpDatabases(plan)
  } finally {
    tools.close()
  }
}

/** Rejects where something could be missing in the dumps. */
async function rightsFor(
  source: MysqlSource,
  tools: MysqlTools,
  server: MysqlServer,
  { chosen }: Chosen,
): Promise<MysqlRights | undefined> {
  const rights = await tools.rights()
  if (rights !== undefined)
    requireRights(
      source,
      server,
      rights,
      chosen.map(({ name }) => name),
    )
  return rights
}

type Histories = { readonly dumped: ReadonlySet<string>; readonly warnings: readonly Warning[] }

/** Of databases with system-versioned tables: whether a dump brings what was in them once. */
async function historiesOf(
  tools: MysqlTools,
  tool: MysqlTool,
  { versionedTables, version, isMariaDb }: MysqlServer,
  { chosen }: Chosen,
): Promise<Histories> {
  const names = chosen.map(({ name }) => name).filter((name) => versionedTables.has(name))
  if (names.length === 0) return { dumped: new Set(), warnings: [] }
  const precise = new Set(await tools.preciseHistories())
  const isOld =
    !isMariaDb ||
    !tool.isMariaDb ||
    [tool.version, version].some((each) => compareVersions(each, DUMPS_HISTORY) < 0)
  const reasonFor = (name: string): string | undefined => {
    if (isOld) return `only tool and server of MariaDB ${DUMPS_HISTORY.join('.')} or newer can`
    // The tool stops at the first such table, so the others go without, too.
    return precise.has(name) ? `${tool.name} cannot where it is by transaction` : undefined
  }
  const warnings = names.flatMap((name) => {
    const reason = reasonFor(name)
    if (reason === undefined) return []
    const some = someOf(versionedTables.get(name) ?? [])
    const words = `is without the history of system-versioned tables: ${some} (${reason})`
    return [{ path: dumpFileName(name, '.sql'), reason: words }]
  })
  return { dumped: new Set(names.filter((name) => reasonFor(name) === undefined)), warnings }
}

/** Where users are dumped by themselves, as statements, the tables that hold them are left out. */
function choose(source: MysqlSource, { databases }: MysqlServer, hasUsers: boolean): Chosen {
  const leftOutBecause = `users and grants are in ${GLOBALS_FILE}`
  const withoutUsers = (database: Database): Database =>
    hasUsers && database.name === USERS_DATABASE ? { ...database, leftOutBecause } : database
  return chooseDatabases(source, databases.map(withoutUsers))
}

function dumpsUsers(tool: MysqlTool, server: MysqlServer): boolean {
  return server.isMariaDb && tool.isMariaDb && compareVersions(tool.version, DUMPS_USERS) >= 0
}

function usersOutput(source: MysqlSource, tools: MysqlTools, { name }: MysqlTool): ProgramOutput {
  const program = tools.program(name, [
    ...['--system=users,servers,udfs', '--comments', '--default-character-set=utf8mb4'],
    // Root and the server's own user are on every server: to create them again would fail.
    '--insert-ignore',
  ])
  return {
    ...{ kind: 'program', fileName: GLOBALS_FILE, program, format: 'text' },
    accept: ({ found, said }) => requireEnd(program, 'users', found.end, said),
    explain: (failure) => explained(source, undefined, failure),
  }
}

function dumpOutput(
  source: MysqlSource,
  tools: MysqlTools,
  tool: MysqlTool,
  database: string,
  options: readonly string[],
): ProgramOutput {
  const shown = printable(database)
  const program = tools.program(tool.name, [...options, '--', database])
  return {
    ...{ kind: 'program', program, format: 'text' },
    fileName: dumpFileName(database, '.sql'),
    accept: ({ found, said }) => {
      requireEnd(program, `database ${shown}`, found.end, said)
      if (namesDatabase(found.begin ?? '', database)) return
      throw databaseFailed(
        `database ${shown}: ${tool.name} did not write a dump of it: its first lines do not name it`,
        `is the ${tool.name} in PATH what it should be?`,
      )
    },
    explain: (failure) => explained(source, shown, failure),
  }
}

function dumpOptions({ isMariaDb, version }: MysqlTool, server: MysqlServer): readonly string[] {
  return [
    // One moment for all tables with transactions, and no lock that would stop writers.
    ...['--single-transaction', '--skip-lock-tables', '--quick'],
    // Tables alone are the default.
    ...['--routines', '--events', '--triggers'],
    ...['--default-character-set=utf8mb4', '--quote-names'],
    // As digits a row has twice the size, and the server that holds it may not take it back. MariaDB takes
    // all bytes as they are; what MySQL does with them nobody has tried here.
    ...(isMariaDb && server.isMariaDb ? ['--skip-hex-blob'] : ['--hex-blob']),
    // The largest row that a server may hold.
    ...['--max-allowed-packet=1G', `--net-buffer-length=${STATEMENT_BYTES}`],
    // It needs a right that backups need not have.
    '--no-tablespaces',
    // The words at its end.
    '--comments',
    // What only MySQL's own knows: else a restore would take over the identity of the old server, and
    // older servers would be asked for what they do not have.
    ...(isMariaDb ? [] : ['--set-gtid-purged=OFF']),
    ...(isMariaDb || compareVersions(version, [8]) < 0 ? [] : ['--column-statistics=0']),
  ]
}

function requireEnd(
  program: ProgramOutput['program'],
  subject: string,
  end: string | undefined,
  said: string,
): void {
  if (DUMP_END.test(end ?? '')) return
  throw notWhole(program, subject, 'does not end with "-- Dump completed"', said)
}

/** `-- Host: localhost    Database: shop`, and a line of dashes; the name may have several lines. */
function namesDatabase(begin: string, database: string): boolean {
  const [, named] = /^-- Host: .*?\s{4}Database: ([^]*?)\n-- -{10}/m.exec(begin) ?? []
  return named !== undefined && flat(named) === flat(database)
}

/** Tools write line breaks in comments in their own ways. */
function flat(text: string): string {
  return text.replace(/\\n|[\r\n]+(?:-- )?/g, ' ')
}

const WITHOUT_USERS: Warning = {
  path: GLOBALS_FILE,
  reason: 'is not there: this user may not read the users of the server (SELECT on mysql.*)',
}

const WITHOUT_PUBLIC: Warning = {
  path: GLOBALS_FILE,
  reason: 'is without what is granted to PUBLIC: mariadb-dump leaves that out',
}

function strangeTool(tool: MysqlTool, server: MysqlServer): Warning {
  const called = (isMariaDb: boolean): string => (isMariaDb ? 'MariaDB' : 'MySQL')
  const reason = `dumped by ${tool.name} of ${called(tool.isMariaDb)} ${tool.version}, but the server is ${called(server.isMariaDb)}: what only that knows may be missing`
  return { path: DATABASE_LIST_FILE, reason }
}

const TABLES_NAMED = 5

function plainTables({ chosen }: Chosen, { plainTables: tables }: MysqlServer): Warning[] {
  return chosen.flatMap(({ name }) => {
    const plain = tables.get(name)
    // What the server keeps for itself is always so.
    if (plain === undefined || name === USERS_DATABASE) return []
    const reason = `not of one moment with the rest, having no transactions: ${someOf(plain)}`
    return [{ path: dumpFileName(name, '.sql'), reason }]
  })
}

function someOf(tables: readonly string[]): string {
  const some = tables.slice(0, TABLES_NAMED).map(printable).join(', ')
  return tables.length > TABLES_NAMED ? `${some}, and ${tables.length - TABLES_NAMED} more` : some
}

/** An older one does not know what it leaves out, and does not refuse by itself. */
function requireNewEnough(tool: MysqlTool, server: MysqlServer): void {
  if (tool.isMariaDb !== server.isMariaDb) return
  const serverMajor = Number(/^\d+/.exec(server.version)?.[0])
  if (compareVersions(tool.version, [serverMajor]) >= 0) return
  throw databaseFailed(
    `the ${tool.name} in PATH is of version ${tool.version}, older than the server, ${server.version}: it may leave out what it does not know`,
    "install the client programs of the server's version, and put their folder first into PATH",
  )
}
