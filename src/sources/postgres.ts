// PostgreSQL as a source: one database, or all of a server with its roles, each dumped by pg_dump in the
// custom format without compression of its own (zstd is better at it).

import type { Warning } from '../domain/archive.ts'
import type { PostgresSource } from '../domain/source.ts'
import {
  chooseDatabases,
  dumpDatabases,
  GLOBALS_FILE,
  notWhole,
  printable,
  surveyOf,
} from './database-dumps.ts'
import type { Chosen } from './database-dumps.ts'
import { databaseFailed, explained } from './database-failure.ts'
import { dumpFileName } from './dump-names.ts'
import type { OutputContext, OutputSeries, OutputSurvey, ProgramOutput } from './output.ts'
import { isLeftByRestore } from './postgres-beside.ts'
import { PostgresTools } from './postgres-server.ts'
import type { PostgresServer } from './postgres-server.ts'

// Newer minor versions add a line for psql behind it.
const GLOBALS_END = /\n-- PostgreSQL database cluster dump complete\n--\s*(?:\\unrestrict \S+\s*)?$/

// So many names tell which ones are meant.
const TABLES_SHOWN = 20

export async function surveyPostgres(
  source: PostgresSource,
  context: OutputContext,
): Promise<OutputSurvey> {
  const tools = new PostgresTools(source, context)
  try {
    const server = await tools.server()
    requireNewEnough(await tools.toolVersion('pg_dump'), server)
    // The roles, the list.
    const otherMembers = source.database === undefined ? 2 : 1
    return surveyOf(chooseDatabases(source, server.databases), otherMembers)
  } finally {
    tools.close()
  }
}

export async function* postgresOutputs(
  source: PostgresSource,
  context: OutputContext,
): OutputSeries {
  const tools = new PostgresTools(source, context)
  try {
    const server = await tools.server()
    const version = await tools.toolVersion('pg_dump')
    requireNewEnough(version, server)
    const isWholeServer = source.database === undefined
    const { readsPasswords: hasPasswords } = server
    const chosen = chooseDatabases(source, server.databases)
    const ofStandby = server.isStandby ? await withoutRows(tools, chosen) : []
    return yield* dumpDatabases({
      ...chosen,
      about: {
        ...{ kind: source.kind, isWholeServer, server: { version: server.version } },
        tool: { name: 'pg_dump', version },
      },
      globals: isWholeServer
        ? { output: globalsOutput(source, tools, server), hasPasswords }
        : undefined,
      dumpOf: ({ name }) => dumpOutput(source, tools, name),
      warnings: [
        ...ofStandby,
        ...(isWholeServer && !hasPasswords ? [withoutPasswords(server)] : []),
        ...(isWholeServer ? leftByRestores(source, server) : []),
      ],
    })
  } finally {
    tools.close()
  }
}

function globalsOutput(
  source: PostgresSource,
  tools: PostgresTools,
  { maintenanceDatabase, readsPasswords }: PostgresServer,
): ProgramOutput {
  const asked = tools.program('pg_dumpall', maintenanceDatabase, [
    ...['--globals-only', `--database=${maintenanceDatabase}`],
    ...(readsPasswords ? [] : ['--no-role-passwords']),
  ])
  // Else it would come in the encoding of that database, which nobody knows of a file.
  const environment = { ...asked.environment, PGCLIENTENCODING: 'UTF8' }
  const program = { ...asked, environment }
  return {
    ...{ kind: 'program', fileName: GLOBALS_FILE, program, format: 'text' },
    accept: ({ found, said }) => {
      if (GLOBALS_END.test(found.end ?? '')) return
      throw notWhole(program, 'roles', 'does not end with the words that say so', said)
    },
    explain: (failure) => explained(source, undefined, failure),
  }
}

function withoutPasswords({ user }: PostgresServer): Warning {
  const reason = `the roles are there without their passwords, which ${printable(user)} may not read`
  return { path: GLOBALS_FILE, reason }
}

async function withoutRows(tools: PostgresTools, { chosen }: Chosen): Promise<readonly Warning[]> {
  const warnings: Warning[] = []
  for (const { name } of chosen) {
    const tables = await tools.unloggedTables(name)
    if (tables.length === 0) continue
    const are = tables.length === 1 ? 'is' : 'are'
    const shown = tables.slice(0, TABLES_SHOWN).map(printable).join(', ')
    const more = tables.length > TABLES_SHOWN ? `, and ${tables.length - TABLES_SHOWN} more` : ''
    const reason = `a standby has no rows of unlogged tables: ${shown}${more} ${are} archived empty`
    warnings.push({ path: printable(name), reason })
  }
  return warnings
}

/** What was left out on purpose needs no word. */
function leftByRestores(
  { excludes }: PostgresSource,
  { databases }: PostgresServer,
): readonly Warning[] {
  return databases
    .filter(({ name }) => isLeftByRestore(name) && !excludes.includes(name))
    .map(({ name, leftOutBecause = '' }) => ({ path: name, reason: leftOutBecause }))
}

function dumpOutput(source: PostgresSource, tools: PostgresTools, database: string): ProgramOutput {
  const shown = printable(database)
  const program = tools.program('pg_dump', database, ['--format=custom', '--compress=0'])
  return {
    ...{ kind: 'program', program, format: 'postgres-custom' },
    fileName: dumpFileName(database, '.dump'),
    accept: ({ found, said }) => {
      if (found.problem !== undefined)
        throw notWhole(program, `database ${shown}`, found.problem, said)
      if (found.database === database) return
      throw databaseFailed(
        `database ${shown}: pg_dump wrote a dump of another database, ${printable(found.database ?? '')}`,
        'is the pg_dump in PATH what it should be?',
      )
    },
    explain: (failure) => explained(source, shown, failure),
  }
}

/** pg_dump refuses servers of a newer major version; said before anything is dumped. */
function requireNewEnough(toolVersion: string, { version, versionNumber }: PostgresServer): void {
  const [major = 0, minor = 0] = toolVersion.split('.').map(Number)
  // Up to 9.6 the second number was a part of the major version.
  const toolNumber = major >= 10 ? major * 10_000 : major * 10_000 + minor * 100
  const step = versionNumber >= 100_000 ? 10_000 : 100
  if (toolNumber >= Math.floor(versionNumber / step) * step) return
  throw databaseFailed(
    `the pg_dump in PATH is of version ${toolVersion}, older than the server, ${version}: it cannot dump that`,
    "install the client programs of the server's version, and put their folder first into PATH",
  )
}
