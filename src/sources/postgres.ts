// PostgreSQL as a source: one database, or all of a server with its roles, each dumped by pg_dump in the
// custom format without compression of its own (zstd is better at it), one after another. Each dump is
// consistent in itself; two of them are of two moments.

import type { Warning } from '../domain/archive.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { PostgresSource } from '../domain/source.ts'
import { printablePath } from '../lib/printable-path.ts'
import { databaseFailed, explained } from './database-failure.ts'
import { DATABASE_LIST_FILE, databaseListOutput, timesOf } from './database-list.ts'
import type { DatabaseList, DumpedDatabase } from './database-list.ts'
import { dumpFileName } from './dump-names.ts'
import type {
  OutputContext,
  OutputFacts,
  OutputSeries,
  OutputSurvey,
  ProgramOutput,
} from './output.ts'
import { PostgresTools } from './postgres-server.ts'
import type { PostgresDatabase, PostgresServer } from './postgres-server.ts'

const GLOBALS_FILE = 'globals.sql'
const RESERVED = [GLOBALS_FILE, DATABASE_LIST_FILE]
// Newer minor versions add a line for psql behind it.
const GLOBALS_END = /\n-- PostgreSQL database cluster dump complete\n--\s*(?:\\unrestrict \S+\s*)?$/
const NO_CONNECTIONS = 'does not allow connections'

export async function surveyPostgres(
  source: PostgresSource,
  context: OutputContext,
): Promise<OutputSurvey> {
  const tools = new PostgresTools(source, context)
  try {
    const server = await tools.server()
    requireNewEnough(await tools.toolVersion('pg_dump'), server)
    const { chosen } = chooseDatabases(source, server)
    const sizes = chosen.map(({ sizeBytes }) => sizeBytes)
    const isKnown = sizes.every((size) => size !== undefined)
    return {
      sourceBytes: isKnown ? sizes.reduce((sum, size) => sum + size, 0) : undefined,
      memberCount: chosen.length + (source.database === undefined ? 2 : 1),
      parts: chosen.map(({ name, sizeBytes }) => ({ name, sizeBytes })),
    }
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
    const { chosen, leftOut } = chooseDatabases(source, server)
    const warnings: Warning[] = []
    const isWholeServer = source.database === undefined
    let globals: DatabaseList['globals'] = null
    if (isWholeServer) {
      const output = globalsOutput(source, tools, server)
      const facts = yield output
      warnings.push(...warningsOf(output, facts))
      const { readsPasswords: hasPasswords, user } = server
      if (!hasPasswords) warnings.push(withoutPasswords(user))
      globals = { file: GLOBALS_FILE, dumpBytes: facts.sizeBytes, hasPasswords }
    }
    const databases: DumpedDatabase[] = []
    for (const database of chosen) {
      const output = dumpOutput(source, tools, database.name)
      const facts = yield output
      warnings.push(...warningsOf(output, facts))
      databases.push(dumped(database, output.fileName, facts))
    }
    const tool = { name: 'pg_dump', version }
    const { kind } = source
    const about = { kind, server: { version: server.version }, tool, isWholeServer }
    yield databaseListOutput({ ...about, globals, databases, leftOut })
    // That templates stay away nobody need be told every night.
    const notes = leftOut.filter(({ reason }) => reason === NO_CONNECTIONS)
    return { warnings, notes: notes.map(({ name, reason }) => ({ path: printable(name), reason })) }
  } finally {
    tools.close()
  }
}

function globalsOutput(
  source: PostgresSource,
  tools: PostgresTools,
  { maintenanceDatabase, readsPasswords }: PostgresServer,
): ProgramOutput {
  const args = ['--globals-only', ...(readsPasswords ? [] : ['--no-role-passwords'])]
  return {
    kind: 'program',
    fileName: GLOBALS_FILE,
    program: tools.program('pg_dumpall', maintenanceDatabase, [
      ...args,
      `--database=${maintenanceDatabase}`,
    ]),
    format: 'text',
    accept: ({ found, said }) => {
      if (GLOBALS_END.test(found.end ?? '')) return
      throw notWhole('pg_dumpall', 'roles', 'does not end with its words for that', said)
    },
    explain: (failure) => explained(source, undefined, failure),
  }
}

function dumpOutput(source: PostgresSource, tools: PostgresTools, database: string): ProgramOutput {
  const shown = printable(database)
  return {
    kind: 'program',
    fileName: dumpFileName(database, '.dump', RESERVED),
    program: tools.program('pg_dump', database, ['--format=custom', '--compress=0']),
    format: 'postgres-custom',
    accept: ({ found, said }) => {
      if (found.problem !== undefined)
        throw notWhole('pg_dump', `database ${shown}`, found.problem, said)
      if (found.database !== database)
        throw databaseFailed(
          `database ${shown}: pg_dump wrote a dump of another database, ${printable(found.database ?? '')}`,
          'is the pg_dump in PATH what it should be?',
        )
    },
    explain: (failure) => explained(source, shown, failure),
  }
}

function dumped(
  { name, sizeBytes, owner, encoding, collation, characterType }: PostgresDatabase,
  file: string,
  facts: OutputFacts,
): DumpedDatabase {
  return {
    ...{ name, file, dumpBytes: facts.sizeBytes, databaseBytes: sizeBytes ?? null },
    ...timesOf(facts),
    properties: { owner, encoding, collation, characterType },
  }
}

function warningsOf({ fileName, program }: ProgramOutput, facts: OutputFacts): Warning[] {
  const { unchecked } = facts.found
  return [
    ...(facts.said === '' ? [] : [`${program.argv[0]} said: ${facts.said}`]),
    ...(unchecked === undefined
      ? []
      : [`only the beginning of the dump was checked: ${unchecked}`]),
  ].map((reason) => ({ path: fileName, reason }))
}

function withoutPasswords(user: string): Warning {
  const reason = `the roles are there without their passwords, which ${printable(user)} may not read`
  return { path: GLOBALS_FILE, reason }
}

function notWhole(program: string, subject: string, problem: string, said: string): SpillwayError {
  const words = said === '' ? '' : `; it said: ${said}`
  return databaseFailed(
    `${subject}: ${program} ended with exit code 0, but its dump ${problem}${words}`,
    `is the ${program} in PATH what it should be?`,
  )
}

function chooseDatabases(
  source: PostgresSource,
  { databases }: PostgresServer,
): { readonly chosen: PostgresDatabase[]; readonly leftOut: DatabaseList['leftOut'] } {
  if (source.database !== undefined) return { chosen: [...databases], leftOut: [] }
  const leftOut: { name: string; reason: string }[] = []
  const chosen = databases.filter(({ name, isTemplate, allowsConnections }) => {
    const reason = source.excludes.includes(name)
      ? 'excluded'
      : isTemplate
        ? 'a template'
        : allowsConnections
          ? undefined
          : NO_CONNECTIONS
    if (reason !== undefined) leftOut.push({ name, reason })
    return reason === undefined
  })
  if (chosen.length === 0 && !source.mayBeEmpty)
    throw new SpillwayError('SOURCE_EMPTY', `${source.text} has no database to dump`, {
      hint: `if that is meant, set SOURCE_${source.number}_ALLOW_EMPTY=true`,
    })
  return { chosen, leftOut }
}

/** pg_dump refuses servers of a newer major version; said before anything is dumped. */
function requireNewEnough(toolVersion: string, { version, versionNumber }: PostgresServer): void {
  const [major = 0, minor = 0] = toolVersion.split('.').map(Number)
  // Up to 9.6 the second number was a part of the major version.
  const toolNumber = major >= 10 ? major * 10_000 : major * 10_000 + minor * 100
  const serverNumber = versionNumber >= 100_000 ? 10_000 : 100
  if (toolNumber >= Math.floor(versionNumber / serverNumber) * serverNumber) return
  throw databaseFailed(
    `the pg_dump in PATH is of version ${toolVersion}, older than the server, ${version}: it cannot dump that`,
    "install the client programs of the server's version, and put their folder first into PATH",
  )
}

function printable(name: string): string {
  return printablePath(Buffer.from(name).toString('latin1'))
}
