// S3_SERVER_N_* -> Server: what must be there for an S3 bucket, and what must not for a local
// directory. Servers are known by what they are, so two entries for one place are an error.

import { X509Certificate } from 'node:crypto'
import { messageOf } from '../domain/errors.ts'
import { regionOfHost } from '../domain/providers.ts'
import { identityOf } from '../domain/server.ts'
import type { FileServer, S3Server, Server } from '../domain/server.ts'
import { parseEndpoint } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { entryNumbers, entryPrefix } from './names.ts'
import type { Problem } from './problem.ts'
import { readSettings, textOf, tryParse } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { readSecret, readText } from './secret-files.ts'
import { SERVER_SETTINGS } from './settings.ts'
import type { Values } from './settings.ts'
import { credential, no } from './values.ts'
import type { ValueContext } from './values.ts'

type ServerValues = Values<typeof SERVER_SETTINGS>

/** All entries in numeric order; a server with a problem is left out and the problem added. */
export function readServers(env: EnvRecord, context: ValueContext, problems: Problem[]): Server[] {
  const servers: Server[] = []
  for (const number of entryNumbers(env, 'S3_SERVER')) {
    const server = readServer(env, number, context, problems)
    if (server === undefined) continue
    const twin = servers.find(({ identity }) => identity === server.identity)
    if (twin === undefined) servers.push(server)
    else {
      problems.push({
        variable: `${entryPrefix('S3_SERVER', number)}ENDPOINT`,
        value: undefined,
        reason: `names the same place as S3_SERVER_${twin.number}`,
        remedy: 'remove one of the two, or give one another bucket or prefix',
      })
    }
  }
  return servers
}

/** One entry; undefined if anything about it is wrong. */
export function readServer(
  env: EnvRecord,
  number: number,
  context: ValueContext,
  problems: Problem[],
): Server | undefined {
  const found: Problem[] = []
  const variablePrefix = entryPrefix('S3_SERVER', number)
  const values = readSettings({
    settings: SERVER_SETTINGS,
    variablePrefix,
    env,
    context,
    problems: found,
  })
  const entry: Entry = { number, variablePrefix, env, context, values, problems: found }
  const endpoint = readEndpoint(entry)
  const server =
    endpoint?.kind === 'file'
      ? fileServer(entry, endpoint)
      : endpoint !== undefined || isMeantAsS3(entry)
        ? s3Server(entry, endpoint)
        : undefined
  problems.push(...found)
  return found.length === 0 ? server : undefined
}

type Entry = {
  readonly number: number
  readonly variablePrefix: string
  readonly env: EnvRecord
  readonly context: ValueContext
  readonly values: ServerValues
  readonly problems: Problem[]
}

function readEndpoint({ env, variablePrefix, problems }: Entry): Endpoint | undefined {
  const variable = `${variablePrefix}ENDPOINT`
  const text = textOf(env, variable)
  if (text === undefined) {
    problems.push(missing(variable, `set it to ${SERVER_SETTINGS.ENDPOINT.help}`))
    return undefined
  }
  const bucket = textOf(env, `${variablePrefix}BUCKET`)
  return tryParse(problems, variable, text, false, () => parseEndpoint(text, bucket))
}

const S3_ONLY = [
  ...['REGION', 'ACCESS_KEY', 'SECRET_KEY', 'BUCKET', 'ACCESS_KEY_FILE', 'SECRET_KEY_FILE'],
  ...['CA_FILE', 'PATH_STYLE', 'STORAGE_CLASS'],
]

/** Where the endpoint is missing or wrong: whether the rest of the entry can be judged anyway. */
function isMeantAsS3({ env, variablePrefix }: Entry): boolean {
  const text = textOf(env, `${variablePrefix}ENDPOINT`)
  if (text !== undefined) return !/^(?:file:|\/(?!\/)|[.~])/i.test(text)
  return S3_ONLY.some((name) => textOf(env, variablePrefix + name) !== undefined)
}

function fileServer(entry: Entry, endpoint: Endpoint & { kind: 'file' }): FileServer {
  for (const name of S3_ONLY) {
    const variable = entry.variablePrefix + name
    if (textOf(entry.env, variable) !== undefined)
      entry.problems.push({
        variable,
        value: undefined,
        reason: 'has no meaning for a local directory',
        remedy: 'remove it, or correct the endpoint',
      })
  }
  const { number, values } = entry
  const prefix = values.PREFIX ?? ''
  return {
    kind: 'file',
    number,
    identity: identityOf(endpoint.url, undefined, prefix),
    label: values.LABEL ?? `${number}: ${endpoint.directory}${prefix && `/${prefix}`}`,
    endpoint: endpoint.url,
    directory: endpoint.directory,
    prefix,
    limitBytes: values.STORAGE_LIMIT_GB,
    isEnabled: values.ENABLED,
  }
}

/** Without an endpoint it only finds what else is wrong. */
function s3Server(
  entry: Entry,
  endpoint: (Endpoint & { kind: 's3' }) | undefined,
): S3Server | undefined {
  const { number, values, variablePrefix } = entry
  const region = required(entry, 'REGION', regionRemedy(variablePrefix, endpoint?.hostName))
  const bucket = required(entry, 'BUCKET', SERVER_SETTINGS.BUCKET.help)
  const accessKey = readKey(entry, 'ACCESS_KEY')
  const secretKey = readKey(entry, 'SECRET_KEY')
  const caPem = readCa(entry)
  if (endpoint === undefined || region === undefined || bucket === undefined) return undefined
  if (accessKey === undefined || secretKey === undefined) return undefined
  const prefix = values.PREFIX ?? ''
  const place = endpoint.url.replace(/^https?:\/\//, '')
  return {
    kind: 's3',
    number,
    identity: identityOf(endpoint.url, bucket, prefix),
    label: values.LABEL ?? `${number}: ${place}/${bucket}${prefix && `/${prefix}`}`,
    endpoint: endpoint.url,
    prefix,
    limitBytes: values.STORAGE_LIMIT_GB,
    isEnabled: values.ENABLED,
    bucket,
    region,
    accessKey,
    secretKey,
    caPem,
    isPathStyle: values.PATH_STYLE,
    storageClass: values.STORAGE_CLASS,
  }
}

function regionRemedy(variablePrefix: string, hostName: string | undefined): string {
  const known = hostName === undefined ? undefined : regionOfHost(hostName)
  return known === undefined
    ? `set it to ${SERVER_SETTINGS.REGION.help}; us-east-1 if the server does not care`
    : `the endpoint says: ${variablePrefix}REGION=${known}`
}

function required(entry: Entry, name: 'REGION' | 'BUCKET', remedy: string): string | undefined {
  const variable = entry.variablePrefix + name
  if (textOf(entry.env, variable) === undefined) entry.problems.push(missing(variable, remedy))
  return entry.values[name]
}

function missing(variable: string, remedy: string): Problem {
  return { variable, value: undefined, reason: 'is missing', remedy }
}

function readKey(entry: Entry, name: 'ACCESS_KEY' | 'SECRET_KEY'): string | undefined {
  const key = readSecret({ ...entry, name, value: entry.values[name], parse: credential })
  const variable = entry.variablePrefix + name
  const isNamed = [variable, `${variable}_FILE`].some(
    (each) => textOf(entry.env, each) !== undefined,
  )
  if (!isNamed)
    entry.problems.push(missing(variable, `set it to the ${SERVER_SETTINGS[name].help}`))
  return key
}

function readCa({ env, values, variablePrefix, problems }: Entry): string | undefined {
  const file = values.CA_FILE
  if (file === undefined) return undefined
  const variable = `${variablePrefix}CA_FILE`
  return tryParse(problems, variable, textOf(env, variable), false, () => {
    const text = readText(file, 'the certificate')
    if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
      no('names a file with a private key', 'only the certificate belongs there')
    const blocks = text.match(
      /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g,
    )
    if (blocks === null) return no('names a file without a PEM certificate')
    for (const block of blocks) certificate(block)
    return text
  })
}

function certificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    return no(`names a file with a damaged certificate (${messageOf(error)})`)
  }
}
