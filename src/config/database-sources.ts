// SOURCE_N_POSTGRES, _MYSQL or _MONGODB with its companions -> a source: how the server is reached, what is left out, and what
// its tools get.

import type { MongodbSource, MysqlSource, PostgresSource } from '../domain/source.ts'
import { commonEnvironment } from './program-surroundings.ts'
import { textOf } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { readSecret } from './secret-files.ts'
import { password } from './setting-values.ts'
import type { SourceInput } from './source-input.ts'

/** undefined: something is wrong with it, which was told. */
export function readPostgresSource(input: SourceInput): PostgresSource | undefined {
  const url = input.values.POSTGRES
  const common = readCommon(input, url?.database)
  if (url === undefined || common === undefined) return undefined
  const { parameters, text } = url
  // Where it stands is no secret, and what it holds is only for the tools.
  const environment = toolEnvironment(input.env, ['PGPASSFILE', 'PGSERVICEFILE'])
  return {
    ...{ kind: 'postgres', ...common, text, parameters },
    // A server that does not answer is one that is down; and its administrator sees who asks.
    environment: { ...environment, PGCONNECT_TIMEOUT: '30', PGAPPNAME: 'spillway' },
  }
}

/** undefined: something is wrong with it, which was told. */
export function readMysqlSource(input: SourceInput): MysqlSource | undefined {
  const url = input.values.MYSQL
  const common = readCommon(input, url?.database)
  if (url === undefined || common === undefined) return undefined
  const { options, text } = url
  return { kind: 'mysql', ...common, text, options, environment: toolEnvironment(input.env, []) }
}

/** undefined: something is wrong with it, which was told. */
export function readMongodbSource(input: SourceInput): MongodbSource | undefined {
  const { values, variablePrefix, problems } = input
  const url = values.MONGODB
  const common = readCommon(input, url?.database)
  if (url === undefined || common === undefined) return undefined
  const { uri, text, database } = url
  if (values.OPLOG === true && database !== undefined)
    problems.push({
      variable: `${variablePrefix}OPLOG`,
      value: undefined,
      reason: 'means nothing where one database is named',
      remedy: 'leave it out, or the name of the database',
    })
  const withOplog = values.OPLOG ?? (url.namesReplicaSet && database === undefined)
  const environment = toolEnvironment(input.env, [])
  return { kind: 'mongodb', ...common, text, uri, withOplog, environment }
}

function readCommon(input: SourceInput, database: string | undefined) {
  const { number, values, variablePrefix, context, problems, keep } = input
  const secret = readSecret({ ...input, name: 'PASSWORD', value: values.PASSWORD, parse: password })
  if (database !== undefined && values.EXCLUDE !== undefined)
    problems.push({
      variable: `${variablePrefix}EXCLUDE`,
      value: undefined,
      reason: 'means nothing where one database is named',
      remedy: 'leave it out, or the name of the database',
    })
  if (values.NAME === undefined) return undefined
  return {
    ...{ number, keep, database, name: values.NAME, password: secret },
    excludes: values.EXCLUDE ?? [],
    workingFolder: context.envFileDir,
    secrets: secret === undefined ? [] : [secret],
    silenceMs: values.SILENCE_MINUTES * 60_000,
    outputBytesMin: values.MIN_BYTES,
    mayBeEmpty: values.ALLOW_EMPTY,
  }
}

function toolEnvironment(env: EnvRecord, names: readonly string[]): Record<string, string> {
  const environment = commonEnvironment(env)
  for (const name of names) {
    const value = textOf(env, name)
    if (value !== undefined) environment[name] = value
  }
  // What tools say is looked into.
  environment['LC_ALL'] = 'C.UTF-8'
  return environment
}
