// NOTIFY_N_URL: the scheme says what kind of receiver it is. No message ever holds the URL: a path or a
// topic is a secret there as much as a password is.

import { isLinkLocal } from '../lib/link-local.ts'
import { nearestName } from '../lib/nearest.ts'
import type { MailTarget, NotifyTarget } from '../domain/notification.ts'
import { ValueProblem } from './problem.ts'

const WEB_KINDS = ['ping', 'ntfy', 'slack', 'discord', 'gotify'] as const
type WebKind = (typeof WEB_KINDS)[number] | 'webhook'

const SCHEMES: readonly string[] = [
  'https',
  ...WEB_KINDS.map((kind) => `${kind}+https`),
  ...['telegram', 'smtp', 'smtps'],
]

export type NotifyUrl = {
  readonly target: NotifyTarget
  /** What people see of it. */
  readonly host: string
  readonly secrets: readonly string[]
}

/** Throws ValueProblem, always a secret one. `password`: of a mail server's user. */
export function parseNotifyUrl(text: string, password: string | undefined): NotifyUrl {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.+)$/is.exec(text) ?? []
  const lower = scheme.toLowerCase()
  if (lower === '') refuse('must be a URL', `begin it with one of ${SCHEMES.join(', ')}`)
  if (lower === 'smtp' || lower === 'smtps') return mail(urlOf(text), password)
  if (password !== undefined)
    refuse('is none of a mail server, and a password is set', 'only smtp and smtps have one')
  if (lower === 'telegram') return telegram(text)
  const [, kind, web = ''] = /^(?:([a-z]+)\+)?(https?)$/.exec(lower) ?? []
  const known = kind === undefined ? 'webhook' : WEB_KINDS.find((each) => each === kind)
  if (web === '' || known === undefined) {
    const near = nearestName(lower, SCHEMES)
    return refuse(
      `begins with ${lower}://, which is no kind of notification`,
      near === undefined ? `begin it with one of ${SCHEMES.join(', ')}` : `is ${near}:// meant?`,
    )
  }
  const url = urlOf(`${web}://${rest}`)
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    refuse(
      'is plain http to another machine, and everybody on the way could read what it holds',
      'use https; http is taken for this machine alone',
    )
  return webTarget(known, url, text)
}

function webTarget(kind: WebKind, url: URL, text: string): NotifyUrl {
  const login = loginOf(url)
  const secrets = [text, text.replace(/^[a-z]+\+/i, ''), ...userSecrets(url), ...webSecrets(url)]
  url.username = ''
  url.password = ''
  url.hash = ''
  const path = url.pathname + url.search
  const wholes = [url.href, ...(path.length >= PATH_PIECE_MIN ? [path] : [])]
  const found = { host: url.host, secrets: [...secrets, ...wholes] }
  const takesNoLogin = kind === 'ping' || kind === 'slack' || kind === 'discord'
  if (takesNoLogin && login !== undefined)
    refuse(`names a user, and ${kind} has none`, 'write the URL as that service shows it')
  switch (kind) {
    case 'webhook':
      return { ...found, target: { kind, url: url.href, login } }
    case 'ping':
    case 'slack':
    case 'discord':
      if (url.pathname === '/')
        refuse('has no path', 'write the whole URL, as that service shows it')
      return { ...found, target: { kind, url: url.href } }
    case 'ntfy':
      return ntfy(url, login, found)
    case 'gotify':
      return gotify(url, login, found)
  }
}

type Found = Pick<NotifyUrl, 'host' | 'secrets'>

function ntfy(url: URL, login: string | undefined, found: Found): NotifyUrl {
  const [, path = '', topic = ''] = /^(.*\/)([^/]+)\/?$/.exec(url.pathname) ?? []
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(topic))
    refuse('names no topic', 'write ntfy+https://ntfy.sh/TOPIC')
  // A topic without a login is a password: whoever knows it can read and write.
  const secrets = login === undefined && topic.length >= 8 ? [topic] : []
  const target = { kind: 'ntfy', url: url.origin + path, topic, login } as const
  return { host: found.host, secrets: [...found.secrets, ...secrets], target }
}

function gotify(url: URL, login: string | undefined, found: Found): NotifyUrl {
  const token = url.searchParams.get('token') ?? login?.replace(/^Bearer /, '') ?? ''
  if (!/^[\w.-]{4,200}$/.test(token))
    refuse(
      'names no token of an application',
      'write gotify+https://HOST/?token=TOKEN, as Gotify shows it under Apps',
    )
  url.search = ''
  const at = url.href.replace(/\/?$/, '/').replace(/message\/$/, '')
  return {
    host: found.host,
    secrets: [...found.secrets, token],
    target: { kind: 'gotify', url: `${at}message`, token },
  }
}

// A bot's token, as its father gives it, has a colon in it.
const TELEGRAM = /^telegram:\/\/(\d+:[\w-]{10,})@([^/?#@]+)\/(-?\d+|@\w{4,})\/?$/i

function telegram(text: string): NotifyUrl {
  const [, token, place = '', chat = ''] = TELEGRAM.exec(text) ?? []
  if (token === undefined)
    return refuse(
      'is no address of Telegram',
      'write telegram://TOKEN@telegram/CHAT; CHAT is a number, or @channel',
    )
  const isTheirs = place.toLowerCase() === 'telegram'
  // A Bot API server of one's own speaks http, on this machine; elsewhere TLS stands before it.
  const base = isTheirs
    ? urlOf('https://api.telegram.org')
    : urlOf(`${isLoopback(urlOf(`http://${place}`).hostname) ? 'http' : 'https'}://${place}`)
  const secret = token.slice(token.indexOf(':') + 1)
  return {
    host: isTheirs ? 'telegram' : base.host,
    secrets: [text, token, secret],
    target: { kind: 'telegram', url: base.origin, token, chat },
  }
}

const MAIL_OPTIONS: readonly string[] = ['from', 'to']

function mail(url: URL, givenPassword: string | undefined): NotifyUrl {
  const isSecure = url.protocol === 'smtps:'
  const form = 'write smtp://USER@HOST:587/?from=ADDRESS&to=ADDRESS'
  if (url.hostname === '') refuse('names no mail server', form)
  for (const option of new Set(url.searchParams.keys())) {
    if (MAIL_OPTIONS.includes(option)) continue
    refuse(`has an option that mail does not know, "${option.slice(0, 30)}"`, form)
  }
  if (url.pathname !== '' && url.pathname !== '/') refuse('has a path, and mail has none', form)
  const user = url.username === '' ? undefined : decoded(url.username)
  const inUrl = url.password === '' ? undefined : decoded(url.password)
  if (inUrl !== undefined && givenPassword !== undefined)
    refuse('has a password, and NOTIFY_N_PASSWORD is set as well', 'remove one of the two')
  const password = inUrl ?? givenPassword
  if ((user === undefined) !== (password === undefined))
    refuse(
      user === undefined ? 'names no user for the password' : 'names a user without a password',
      user === undefined ? form : 'set NOTIFY_N_PASSWORD or NOTIFY_N_PASSWORD_FILE',
    )
  const from = url.searchParams.getAll('from')
  const to = url.searchParams.getAll('to').flatMap((each) => each.split(','))
  for (const address of [...from, ...to])
    if (!ADDRESS.test(address.trim())) refuse('names an address that cannot be one', form)
  if (from.length !== 1 || to.length === 0)
    refuse('must say who sends and who receives, once from= and at least one to=', form)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return {
    host,
    secrets: password === undefined ? [] : [password, url.password].filter((each) => each !== ''),
    target: {
      kind: 'mail',
      host,
      port: url.port === '' ? (isSecure ? 465 : 587) : Number(url.port),
      tls: tlsOf(isSecure, isLoopback(url.hostname), password !== undefined),
      user,
      password,
      from: from[0]!.trim(),
      to: to.map((each) => each.trim()),
    },
  }
}

function tlsOf(isSecure: boolean, isLocal: boolean, logsIn: boolean): MailTarget['tls'] {
  if (isSecure) return 'first'
  if (isLocal) return 'none'
  return logsIn ? 'needed' : 'if offered'
}

// One that ends the line, or lists another, could write headers of its own.
const ADDRESS = /^[^\s@<>,;:"\\]{1,64}@[A-Za-z0-9.-]{1,255}$/

function loginOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined
  // A token alone, as in https://TOKEN@host/.
  if (password === '') return `Bearer ${decoded(username)}`
  const pair = `${decoded(username)}:${decoded(password)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

function userSecrets({ username, password }: URL): string[] {
  const secret = password === '' ? username : password
  return secret === '' ? [] : [secret, decoded(secret)]
}

// Shorter pieces are words like "hooks" and "services", of which reports are full.
const SECRET_PIECE_MIN = 8
const PATH_PIECE_MIN = 12

function webSecrets({ pathname, searchParams }: URL): string[] {
  const pieces = pathname.split('/').filter((piece) => piece.length >= PATH_PIECE_MIN)
  const values = [...searchParams.values()].filter((value) => value.length >= SECRET_PIECE_MIN)
  return [...pieces, ...pieces.map(decoded), ...values]
}

export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host === '[::1]' || host === '::1' || /^127(?:\.\d+){3}$/.test(host)
  )
}

function urlOf(text: string): URL {
  if (!URL.canParse(text)) refuse('is no URL that can be read')
  const url = new URL(text)
  if (isLinkLocal(url.hostname)) refuse('names a link-local address, which no receiver has')
  return url
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A lone "%" is a character of the password.
    return text
  }
}

function refuse(reason: string, remedy?: string): never {
  throw new ValueProblem(reason, { remedy, isSecret: true })
}
