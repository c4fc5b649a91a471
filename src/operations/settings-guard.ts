// Values that the env file may have and a request over HTTP may not set. Whoever holds a token must not be able to
// read files of this machine with it, to reach what only this machine can reach, or to use what its tools
// find by themselves (option files, sockets that ask for no password).

import { dirname } from 'node:path'
import { DATABASE_URLS } from '../config/names.ts'
import type { EntryKind } from '../config/names.ts'
import { isBelowRoots } from '../config/host-only.ts'
import { parseEndpoint } from '../config/endpoint.ts'
import { isLoopback, parseNotifyUrl } from '../config/notify-url.ts'
import { ValueProblem } from '../config/problem.ts'
import { isSealed } from '../config/sealed-value.ts'
import { SOURCE_SETTINGS } from '../config/settings.ts'
import { isLinkLocal } from '../lib/link-local.ts'
import { isBelow, realPlace } from '../lib/real-place.ts'

export type GuardContext = {
  readonly envFile: string
  readonly sourceRoots: readonly string[]
  /** Other settings of the entry as they would be. */
  readonly value: (name: string) => string
}

/** Why this value is not taken over HTTP; undefined: it is, or it is wrong anyway and that is told elsewhere. */
export async function whyRefused(
  kind: EntryKind | undefined,
  name: string,
  text: string,
  context: GuardContext,
): Promise<string | undefined> {
  // Whoever has a copy of the file could have its secrets opened, and sent to an address of theirs.
  if (isSealed(text)) return 'is sealed text: give the secret itself'
  if (kind === 'S3_SERVER' && name === 'ENDPOINT') return ofEndpoint(text, context.value('BUCKET'))
  if (kind === 'NOTIFY' && name === 'URL') return ofNotification(text, context.value('PASSWORD'))
  if (kind !== 'SOURCE') return undefined
  if (isBelowRoots(kind, name)) return ofPlaces(name, text, context)
  return DATABASE_URLS.includes(name) ? ofDatabase(name, text) : undefined
}

function ofEndpoint(text: string, bucket: string): string | undefined {
  const endpoint = parsed(() => parseEndpoint(text, bucket === '' ? undefined : bucket))
  if (endpoint === undefined) return undefined
  if (endpoint.kind === 'file') return 'names a folder of this machine'
  const isPlain = endpoint.url.startsWith('http:')
  return isPlain && !isLoopback(endpoint.hostName)
    ? 'is plain http to another machine: https is taken, and http to this machine alone'
    : undefined
}

function ofNotification(text: string, password: string): string | undefined {
  const url = parsed(() => parseNotifyUrl(text, password === '' ? undefined : password))
  // What a webhook says and answers is freely chosen: services of this machine may obey it.
  const isPlain = url !== undefined && url.target.kind !== 'mail' && isHttp(url.target.url)
  return isPlain ? 'is plain http, which is for services of this machine' : undefined
}

function isHttp(url: string): boolean {
  return url.startsWith('http:')
}

async function ofPlaces(
  name: string,
  text: string,
  { envFile, sourceRoots }: GuardContext,
): Promise<string | undefined> {
  const context = { envFileDir: dirname(envFile) }
  const paths = parsed(() =>
    name === 'PATH'
      ? [SOURCE_SETTINGS.PATH.parse(text, context)]
      : SOURCE_SETTINGS.SQLITE.parse(text, context).paths,
  )
  const roots = await Promise.all(sourceRoots.map(placeOf))
  const ownFile = await placeOf(envFile)
  for (const path of paths ?? []) {
    const place = await placeOf(path)
    const isAllowed = roots.some(
      (root) =>
        root !== undefined && place !== undefined && (place === root || isBelow(place, root)),
    )
    if (place === undefined || !isAllowed) return 'is not below one of SOURCE_ROOTS'
    if (ownFile === undefined || ownFile === place || isBelow(ownFile, place))
      return 'holds the env file with its secrets'
  }
  return undefined
}

/** undefined: nobody can say. */
async function placeOf(path: string): Promise<string | undefined> {
  return realPlace(path).catch(() => undefined)
}

/** Databases whose tools know passwords of their own: over HTTP they get one with the entry. */
export const NEEDS_PASSWORD: readonly string[] = ['POSTGRES', 'MYSQL']

/** In small letters. */
const FILE_OPTIONS = [
  ...['socket', 'sslrootcert', 'sslcert', 'sslkey', 'sslcrl', 'ssl-ca', 'ssl-cert', 'ssl-key'],
  ...['tlscafile', 'tlscertificatekeyfile'],
]

/** Only what names another machine, or this one by its network. */
function ofDatabase(name: string, text: string): string | undefined {
  const [, authority = '', query = ''] =
    /^[a-z+]+:\/\/(?:[^@/?#]*@)?([^/?#]*)[^?]*\??(.*)$/i.exec(text) ?? []
  const options = optionsOf(query)
  const file = options.find(({ option }) => FILE_OPTIONS.includes(option))
  if (file !== undefined) return `has ?${file.option}, which names a file of this machine`
  const valuesOf = (wanted: string) =>
    options.flatMap(({ option, value }) => (option === wanted ? [value] : []))
  if (valuesOf('authmechanism').some((mechanism) => !/^SCRAM-/i.test(mechanism)))
    return 'has an authMechanism that uses what this machine is'
  if (valuesOf('protocol').some((protocol) => protocol.toLowerCase() !== 'tcp'))
    return 'does not go by TCP'
  const named = [...valuesOf('host'), ...valuesOf('hostaddr')].flatMap((list) => list.split(','))
  const hosts = [...(authority === '' ? [] : authority.split(',').map(hostOf)), ...named]
  // An empty one is the default, which is a socket.
  if (hosts.length === 0 || hosts.some((host) => host === '' || /^[/@]/.test(host)))
    return 'names no host: sockets ask for no password'
  // Its client takes that name for the socket.
  if (name === 'MYSQL' && hosts.some((host) => host.toLowerCase() === 'localhost'))
    return 'means the socket: write 127.0.0.1'
  return hosts.some((host) => isLinkLocal(normalised(host)))
    ? 'names a link-local address'
    : undefined
}

/**
 * Each of them, with the name in small letters: whether the parser refuses a second one of a name, another
 * spelling or a semicolon, and which of two a tool would take, does not matter here.
 */
function optionsOf(query: string): readonly { readonly option: string; readonly value: string }[] {
  return query.split(/[&;]/).map((pair) => {
    const [option = '', ...rest] = pair.split('=')
    return { option: decoded(option).toLowerCase(), value: decoded(rest.join('=')) }
  })
}

function hostOf(place: string): string {
  return decoded(place.replace(/:\d*$/, '')).replace(/^\[(.*)\]$/, '$1')
}

/** Programs take 2852039166 and 0xa9fea9fe for the address that they are. */
function normalised(host: string): string {
  const url = `http://${host.includes(':') ? `[${host}]` : host}/`
  return URL.canParse(url) ? new URL(url).hostname : host
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** undefined: it is wrong, which is told where the whole entry is judged. */
function parsed<Value>(parse: () => Value): Value | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof ValueProblem) return undefined
    throw error
  }
}
