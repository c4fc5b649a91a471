// URLs of database servers, read by ourselves: an address that WHATWG refuses (a user without a host, for a
// socket) is right here, and a password is refused before anything could print it.

import { ValueProblem } from './problem.ts'
import { no } from './values.ts'

export type DatabaseUrl = {
  /** As it stands in the settings; without a password. */
  readonly text: string
  readonly user: string | undefined
  readonly host: string | undefined
  readonly port: string | undefined
  /** undefined: all of the server. */
  readonly database: string | undefined
  readonly options: ReadonlyMap<string, string>
}

export type PostgresUrl = {
  readonly text: string
  readonly parameters: Readonly<Record<string, string>>
  readonly database: string | undefined
}

// What says how to connect. What would change the dump, or name another database, is not among them.
const POSTGRES_OPTIONS = [
  ...['host', 'hostaddr', 'port', 'user', 'connect_timeout', 'sslmode', 'sslrootcert', 'sslcert'],
  ...[
    'sslkey',
    'sslcrl',
    'ssl_min_protocol_version',
    'channel_binding',
    'gssencmode',
    'krbsrvname',
  ],
  ...['target_session_attrs', 'keepalives', 'keepalives_idle', 'tcp_user_timeout'],
]

export function postgresUrl(text: string): PostgresUrl {
  const url = databaseUrl(text, ['postgres', 'postgresql'], POSTGRES_OPTIONS)
  const { host, port, user, database } = url
  const parameters = { ...definedOf({ host, port, user }), ...Object.fromEntries(url.options) }
  return { text: url.text, parameters, database }
}

export type MysqlUrl = {
  readonly text: string
  readonly options: Readonly<Record<string, string>>
  readonly database: string | undefined
}

const MYSQL_OPTIONS = [
  ...['socket', 'ssl-ca', 'ssl-cert', 'ssl-key', 'ssl-mode', 'ssl-verify-server-cert', 'protocol'],
]

export function mysqlUrl(text: string): MysqlUrl {
  const url = databaseUrl(text, ['mysql', 'mariadb'], MYSQL_OPTIONS)
  const { host, port, user, database } = url
  const options = { ...definedOf({ host, port, user }), ...Object.fromEntries(url.options) }
  return { text: url.text, options, database }
}

export type MongodbUrl = {
  readonly text: string
  /** For its tools, as they want it. */
  readonly uri: string
  readonly database: string | undefined
  readonly namesReplicaSet: boolean
}

// How to connect; and what providers put into the URLs that they show, which means nothing to a dump.
const MONGODB_OPTIONS = [
  ...['authSource', 'authMechanism', 'replicaSet', 'directConnection', 'loadBalanced'],
  ...['tls', 'ssl', 'tlsCAFile', 'tlsCertificateKeyFile', 'tlsInsecure', 'srvServiceName'],
  ...['readPreference', 'readPreferenceTags', 'maxStalenessSeconds', 'compressors'],
  ...['connectTimeoutMS', 'serverSelectionTimeoutMS', 'socketTimeoutMS'],
  ...['appName', 'retryReads', 'retryWrites', 'w'],
]

export function mongodbUrl(text: string): MongodbUrl {
  const url = urlParts(text, ['mongodb', 'mongodb+srv'], MONGODB_OPTIONS)
  if (url.authority === '') no('names no server', 'write mongodb://host:port')
  refuseSemicolon(url.query)
  const database = given(url.path)
  if (database !== undefined && !/^[^/\\. "$]{1,63}$/.test(database))
    no('names a database that cannot be one', `a user's own is named by ?authSource=`)
  // A question mark right behind the host is not understood everywhere.
  const at = url.user === undefined ? '' : `${url.user}@`
  const query = url.query === '' ? '' : `?${url.query}`
  const uri = `${url.scheme}://${at}${url.authority}/${url.path ?? ''}${query}`
  return { text, uri, database, namesReplicaSet: url.options.has('replicaSet') }
}

/** Its tools take it for an &: what stands behind one would be an option of theirs that we never saw. */
function refuseSemicolon(query: string): void {
  if (!query.includes(';')) return
  throw new ValueProblem('has a ; among its options', {
    remedy: 'options are parted by &, and a ; itself is written as %3B',
    isSecret: true,
  })
}

function definedOf(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

export function databaseUrl(
  text: string,
  schemes: readonly string[],
  optionNames: readonly string[],
  form = formOf(schemes),
): DatabaseUrl {
  const { authority, user, path, options } = urlParts(text, schemes, optionNames, form)
  const [whole, host = '', port] = HOST.exec(authority) ?? []
  if (whole === undefined) return noUrl(form)
  return {
    text,
    user: given(user),
    host: given(host.replace(/^\[(.*)\]$/, '$1')),
    port: given(port),
    database: given(path),
    options,
  }
}

const HOST = /^(\[[0-9A-Fa-f:.]+\]|[^:]*)(?::(\d{0,5}))?$/

const URL_PARTS = /^([a-z+]+):\/\/(?:([^@/?#]*)@)?([^/?#@]*)(?:\/([^?#/]*))?(?:\?([^#]*))?$/i

/** As they stand there, but for the options. */
type UrlParts = {
  readonly scheme: string
  readonly user: string | undefined
  /** The host and its port; or, where that means something, several with commas. */
  readonly authority: string
  readonly path: string | undefined
  readonly query: string
  readonly options: ReadonlyMap<string, string>
}

function urlParts(
  text: string,
  schemes: readonly string[],
  optionNames: readonly string[],
  form = formOf(schemes),
): UrlParts {
  refusePassword(text)
  const [whole, scheme = '', user, authority = '', path, query = ''] = URL_PARTS.exec(text) ?? []
  if (whole === undefined || !schemes.includes(scheme.toLowerCase())) return noUrl(form)
  const options = new Map<string, string>()
  for (const pair of query.split('&').filter((each) => each !== '')) {
    const [name = '', ...rest] = pair.split('=')
    if (!optionNames.includes(name))
      no(`has ?${name}, which is not among ${optionNames.join(', ')}`)
    if (options.has(name) && !REPEATED.includes(name)) refuseRepeated(name)
    options.set(name, decoded(rest.join('=')))
  }
  return { scheme: scheme.toLowerCase(), user, authority, path, query, options }
}

// Tried one after the other: to the tools of MongoDB, several of them mean something.
const REPEATED = ['readPreferenceTags']

/** Of two, one program takes the first and another one the last. */
function refuseRepeated(name: string): never {
  throw new ValueProblem(`has ?${name} more than once`, {
    remedy: 'leave one of them',
    isSecret: true,
  })
}

function formOf(schemes: readonly string[]): string {
  return `${schemes[0]}://user@host:port/database`
}

function noUrl(form: string): never {
  return no(`must be ${form}`, 'a name with / @ : ? # % is written as %2F and the like')
}

/** Whatever stands between the colon and the last @, and what is called so among the options. */
function refusePassword(text: string): void {
  const isOption = /[?&;](?:\w*pass(?:word|wd)?=|[^&]*_TOKEN)/i.test(text)
  if (!isOption && !/:\/\/[^/?#]*:[^?#]*@/.test(text)) return
  throw new ValueProblem('has a password in it, which would be seen wherever it is shown', {
    remedy: 'write it into ..._PASSWORD or a file named by ..._PASSWORD_FILE',
    isSecret: true,
  })
}

function given(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : decoded(text)
}

function decoded(text: string): string {
  let plain
  try {
    plain = decodeURIComponent(text)
  } catch {
    return no('has a % that is no escape', 'a % itself is written as %25')
  }
  if (plain.includes('\0')) no('must not contain a byte of 0')
  return plain
}
