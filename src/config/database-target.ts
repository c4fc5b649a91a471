// The URL of `restore --into` -> a server of databases, read by the same rules as the one of a source, so that
// the same tools reach it in the same way. Its password is that of the source of the same server, if there
// is one: in a URL on a command line everybody could read it.

import { SpillwayError } from '../domain/errors.ts'
import { isServerSource, withPassword } from '../domain/source.ts'
import type { ServerSource, Source } from '../domain/source.ts'
import { formatProblem } from './problem.ts'
import type { Problem } from './problem.ts'
import { readSettings } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { KEEP_SETTINGS } from './settings.ts'
import { SOURCE_KINDS } from './source-kinds.ts'
import { readSources } from './sources.ts'

const KIND_OF_SCHEME: Readonly<Record<string, ServerSource['kind']>> = {
  postgres: 'postgres',
  postgresql: 'postgres',
  mysql: 'mysql',
  mariadb: 'mysql',
}

/** `--into=source:NAME`: where that source is archived from. */
export const SOURCE_TARGET = 'source:'

const PASSWORD_HINT =
  'leave it out: it comes from the source of that server, from --password-file=FILE, or from a question on a terminal'

/** Throws USAGE; a password is never shown. */
export function readDatabaseTarget(
  url: string,
  place: {
    readonly env: EnvRecord
    readonly envFileDir: string
    readonly sources: readonly Source[]
  },
): ServerSource {
  if (url.startsWith(SOURCE_TARGET)) return ofSource(url.slice(SOURCE_TARGET.length), place.sources)
  const [, scheme = ''] = /^([a-z]+):\/\//i.exec(url) ?? []
  const kind = KIND_OF_SCHEME[scheme.toLowerCase()]
  if (/^mongodb(?:\+srv)?:\/\//i.test(url)) throw byMongorestore()
  if (kind === undefined)
    throw new SpillwayError(
      'USAGE',
      '--into must be postgres://..., mysql://..., source:NAME or origin',
      {
        hint: 'as in --into=postgres://user@db.example.net:5432, or with /DATABASE behind it',
      },
    )
  const problems: Problem[] = []
  const context = { envFileDir: place.envFileDir }
  const env = { ...withoutSources(place.env), SOURCE_1_NAME: 'target' }
  const [target] = readSources(
    { ...env, [`SOURCE_1_${SOURCE_KINDS[kind].mark}`]: url },
    context,
    readSettings({ settings: KEEP_SETTINGS, variablePrefix: '', env: {}, context, problems }),
    problems,
  )
  const [problem] = problems
  if (problem !== undefined) throw refused(problem)
  if (!isServerSource(target)) throw new Error('a URL of a server made no server of it')
  const password = passwordOf(target, place.sources)
  return password === undefined ? target : withPassword(target, password)
}

/** With all that its settings say of how it is reached. */
function ofSource(name: string, sources: readonly Source[]): ServerSource {
  const source = sources.find((each) => each.name === name)
  if (isServerSource(source)) return source
  if (source?.kind === 'mongodb') throw byMongorestore()
  const known = sources.filter(isServerSource).map((each) => each.name)
  throw new SpillwayError('USAGE', `there is no database server of PostgreSQL or MySQL "${name}"`, {
    hint: `sources that are: ${known.join(', ') || 'none'}`,
  })
}

function byMongorestore(): SpillwayError {
  return new SpillwayError('USAGE', '--into does not go into MongoDB: its own tool does', {
    hint: 'spillway cat ARCHIVE databases/NAME.archive | mongorestore --archive --config=FILE, with uri: and password: in FILE',
  })
}

function withoutSources(env: EnvRecord): EnvRecord {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('SOURCE_')))
}

function passwordOf(target: ServerSource, sources: readonly Source[]): string | undefined {
  const place = placeOf(target)
  const same = sources.find(
    (source) =>
      isServerSource(source) && source.password !== undefined && placeOf(source) === place,
  )
  return isServerSource(same) ? same.password : undefined
}

/** Same kind, host, port and user: another user's password is another password. */
function placeOf(source: ServerSource): string {
  const [named, portOtherwise] =
    source.kind === 'postgres' ? [source.parameters, '5432'] : [source.options, '3306']
  const { host = '', port = portOtherwise, user = '', socket = '' } = named
  return JSON.stringify([source.kind, host.toLowerCase(), port, user, socket])
}

function refused(problem: Problem): SpillwayError {
  const hasPassword = problem.reason.includes('password')
  const { remedy, ...rest } = { ...problem, variable: '--into' }
  return new SpillwayError('USAGE', formatProblem({ ...rest, remedy: undefined }), {
    ...(hasPassword ? { hint: PASSWORD_HINT } : remedy === undefined ? {} : { hint: remedy }),
  })
}
