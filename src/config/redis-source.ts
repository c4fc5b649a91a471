// SOURCE_N_REDIS: its row of the table of settings, and the source that it becomes.

import type { RedisAddress, RedisSource } from '../domain/source.ts'
import { commonEnvironment } from './program-surroundings.ts'
import { databaseUrl } from './database-url.ts'
import { readSecret } from './secret-files.ts'
import { password } from './setting-values.ts'
import type { Settings } from './settings.ts'
import { no, path } from './values.ts'
import type { ValueContext } from './values.ts'
import type { SourceInput } from './source-input.ts'

export const REDIS_SETTINGS = {
  REDIS: {
    help: 'instead of PATH: Redis or Valkey server; rediss:// is encrypted, ?socket=/path is a socket',
    otherwise: 'none',
    example: 'redis://backup@cache.example.net:6379',
    parse: redisUrl,
  },
} as const satisfies Settings

const PORT = 6379
// TLS in the words of libpq, as in SOURCE_N_POSTGRES.
const OPTIONS = ['socket', 'sslrootcert', 'sslcert', 'sslkey']

type RedisUrl = { readonly text: string; readonly address: RedisAddress }

function redisUrl(text: string, context: ValueContext): RedisUrl {
  const schemes = ['redis', 'rediss', 'valkey', 'valkeys']
  const { user, host, port, database, options } = databaseUrl(
    text,
    schemes,
    OPTIONS,
    'redis://user@host:port',
  )
  if (database !== undefined)
    no(`names database ${database}`, 'leave that out: a snapshot holds all databases of the server')
  const file = (name: string): string | undefined => {
    const value = options.get(name)
    return value === undefined ? undefined : path(value, context)
  }
  const socket = file('socket')
  if (socket !== undefined && (host !== undefined || port !== undefined))
    no('names a host and a socket', 'it is one or the other')
  if (socket === undefined && host === undefined)
    no('names no server', 'write redis://host:port, or redis://?socket=/path')
  const portNumber = port === undefined ? PORT : Number(port)
  if (portNumber < 1 || portNumber > 65_535) no('has a port that is none')
  const isEncrypted = /^(?:rediss|valkeys):/i.test(text)
  const [caFile, certFile, keyFile] = [file('sslrootcert'), file('sslcert'), file('sslkey')]
  const tls = {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  }
  if (!isEncrypted && Object.keys(tls).length > 0)
    no('names certificates and is not encrypted', 'write rediss:// for a server with TLS')
  const at = socket === undefined ? { host: host!, port: portNumber } : { path: socket }
  return { text, address: { at, user, tls: isEncrypted ? tls : undefined } }
}

/** undefined: something is wrong with it, which was told. */
export function readRedisSource(input: SourceInput): RedisSource | undefined {
  const { number, values, keep, env, context } = input
  const secret = readSecret({ ...input, name: 'PASSWORD', value: values.PASSWORD, parse: password })
  if (values.REDIS === undefined || values.NAME === undefined) return undefined
  return {
    ...{ kind: 'redis', number, name: values.NAME, keep, ...values.REDIS },
    password: secret,
    secrets: secret === undefined ? [] : [secret],
    workingFolder: context.envFileDir,
    environment: commonEnvironment(env),
    silenceMs: values.SILENCE_MINUTES * 60_000,
    outputBytesMin: values.MIN_BYTES,
    mayBeEmpty: values.ALLOW_EMPTY,
  }
}
