// Which kind of source dumps how: the one list of them. Another kind of database joins it here.

import type { CommandSource, OutputSource } from '../domain/source.ts'
import { findProgram } from './child-program.ts'
import { mongodbOutputs, surveyMongodb } from './mongodb.ts'
import { mysqlOutputs, surveyMysql } from './mysql.ts'
import type { OutputContext, OutputSeries, OutputSurvey } from './output.ts'
import { postgresOutputs, surveyPostgres } from './postgres.ts'
import { redisOutputs, surveyRedis } from './redis.ts'
import { sqliteOutputs, surveySqlite } from './sqlite.ts'

export function outputsOf(source: OutputSource, context: OutputContext): OutputSeries {
  switch (source.kind) {
    case 'command':
      return commandOutputs(source)
    case 'postgres':
      return postgresOutputs(source, context)
    case 'mysql':
      return mysqlOutputs(source, context)
    case 'mongodb':
      return mongodbOutputs(source, context)
    case 'sqlite':
      return sqliteOutputs(source, context)
    case 'redis':
      return redisOutputs(source, context)
  }
}

/** What there is, without dumping it. A command is looked for and not run. */
export async function surveyOutputs(
  source: OutputSource,
  context: OutputContext,
): Promise<OutputSurvey> {
  switch (source.kind) {
    case 'command':
      findProgram(source)
      return { sourceBytes: undefined, memberCount: 1 }
    case 'postgres':
      return surveyPostgres(source, context)
    case 'mysql':
      return surveyMysql(source, context)
    case 'mongodb':
      return surveyMongodb(source, context)
    case 'sqlite':
      return surveySqlite(source)
    case 'redis':
      return surveyRedis(source, context)
  }
}

async function* commandOutputs(source: CommandSource): OutputSeries {
  yield { kind: 'program', fileName: source.fileName, program: source }
  return { warnings: [], notes: [] }
}
