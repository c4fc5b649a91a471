// MongoDB as a source: one database, or all of a server with its users, as one archive of mongodump. Without
// the oplog each collection is of a moment of its own.

import type { Warning } from '../domain/archive.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { MongodbSource } from '../domain/source.ts'
import { notWhole, printable, warningsOf } from './database-dumps.ts'
import { databaseFailed, explained } from './database-failure.ts'
import { databaseListOutput, timesOf } from './database-list.ts'
import type { DumpedDatabase } from './database-list.ts'
import { dumpFileName } from './dump-names.ts'
import { MongodbTools } from './mongodb-server.ts'
import type { OutputContext, OutputFacts, OutputSeries } from './output.ts'
import type { OutputSurvey, ProgramOutput } from './output.ts'

/** In place of the name of a database. */
const ALL = 'all'
/** The oplog has no database. */
const OPLOG = ''
/** With users and roles. */
const ADMIN = 'admin'
const SERVERS_OWN = [ADMIN, 'config', 'local', OPLOG]

type CollectionCounts = ReadonlyMap<string, number>

export async function surveyMongodb(
  source: MongodbSource,
  context: OutputContext,
): Promise<OutputSurvey> {
  const tools = new MongodbTools(source, context)
  try {
    const version = await tools.version()
    await tools.connect()
    const name = `${source.database ?? 'all databases'}, by mongodump ${version}`
    // The dump, its folder, the list.
    return { sourceBytes: undefined, memberCount: 3, parts: [{ name, sizeBytes: undefined }] }
  } finally {
    tools.close()
  }
}

export async function* mongodbOutputs(source: MongodbSource, context: OutputContext): OutputSeries {
  const tools = new MongodbTools(source, context)
  try {
    const version = await tools.version()
    const output = dumpOutput(source, tools)
    const facts = yield output
    const counts = facts.found.collectionsByDatabase
    yield databaseListOutput({
      ...{ kind: source.kind, server: { version: facts.found.serverVersion ?? 'unknown' } },
      ...{ tool: { name: 'mongodump', version }, globals: null, leftOut: [] },
      isWholeServer: source.database === undefined,
      databases: [dumped(source, output, facts)],
    })
    const hidden = counts === undefined ? [] : hiddenDatabases(source, output, counts)
    return { warnings: [...warningsOf(output, facts), ...hidden], notes: [] }
  } finally {
    tools.close()
  }
}

function dumpOutput(source: MongodbSource, tools: MongodbTools): ProgramOutput {
  const { database, withOplog } = source
  const program = tools.program(withOplog ? ['--oplog'] : [])
  const shown = database === undefined ? undefined : printable(database)
  return {
    ...{ kind: 'program', program, format: 'mongodb-archive' },
    fileName: dumpFileName(database ?? ALL, '.archive'),
    accept: ({ found, said }) => {
      const subject = shown === undefined ? 'all databases' : `database ${shown}`
      if (found.problem !== undefined) throw notWhole(program, subject, found.problem, said)
      const counts = found.collectionsByDatabase
      if (counts === undefined) return
      requireAsked(source, counts)
      if (withOplog && !counts.has(OPLOG))
        throw notWhole(program, subject, 'has no oplog, although it was asked for', said)
    },
    explain: (failure) => explained(source, shown, failure),
  }
}

/** The tool ends well where a database is not there, too. */
function requireAsked(source: MongodbSource, counts: CollectionCounts): void {
  const { database, mayBeEmpty, number, text } = source
  const names = [...counts.keys()]
  const other = names.find((name) => database !== undefined && name !== database)
  if (other !== undefined)
    throw databaseFailed(
      `database ${printable(database!)}: mongodump wrote a dump of another database, ${printable(other)}`,
      'is the mongodump in PATH what it should be?',
    )
  const isEmpty =
    database === undefined ? names.every((name) => SERVERS_OWN.includes(name)) : names.length === 0
  if (!isEmpty || mayBeEmpty) return
  const where = database === undefined ? "but the server's own" : `in database ${database}`
  throw new SpillwayError('SOURCE_EMPTY', `${text} has no collection ${where}`, {
    hint: `is the name right? If that is meant, set SOURCE_${number}_ALLOW_EMPTY=true`,
  })
}

function dumped(source: MongodbSource, output: ProgramOutput, facts: OutputFacts): DumpedDatabase {
  const counts = facts.found.collectionsByDatabase ?? new Map<string, number>()
  const databases = [...counts.keys()].filter((name) => name !== OPLOG)
  const collections = databases.reduce((sum, name) => sum + counts.get(name)!, 0)
  return {
    ...{ name: source.database ?? source.text, file: output.fileName },
    ...{ dumpBytes: facts.sizeBytes, databaseBytes: null, ...timesOf(facts) },
    properties: {
      ...{ databases: databases.join(', '), collections: String(collections) },
      oplog: String(counts.has(OPLOG)),
    },
  }
}

/** A server shows a user what that user may read, and says nothing of the rest. */
function hiddenDatabases(
  { database }: MongodbSource,
  { fileName }: ProgramOutput,
  counts: CollectionCounts,
): Warning[] {
  if (database !== undefined || counts.has(ADMIN)) return []
  const reason =
    'has no database admin, so this user may not read all of the server: users, roles and perhaps other databases are missing (they need the role backup)'
  return [{ path: fileName, reason }]
}
