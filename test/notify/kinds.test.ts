// Five nights of one host, told to every kind of receiver by the real program: a good one, one with
// warnings, a failed one, the recovery, and another good one.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import type { Ended } from '../support/command-sources.ts'
import { listenForMail, listenForWeb } from '../support/notify-listeners.ts'
import type { Mail, MailListener, Received, WebListener } from '../support/notify-listeners.ts'
import { World } from '../support/world.ts'

const GROUPS = { default: 'failure,recovery', warning: 'warning,recovery', always: 'always' }
type Group = keyof typeof GROUPS

type Told = { readonly title: string; readonly text: string }

type Kind = {
  readonly url: (group: Group, ports: { web: number; mail: number }) => string
  readonly isFor: (request: Received, group: Group) => boolean
  readonly read: (request: Received) => Told
}

const SECRETS = {
  botToken: '123456:AAbotTokenThatIsSecret',
  password: 'mail-password-that-is-secret',
  ntfy: 'tk_ntfyTokenThatIsSecret',
  hook: 'hookPathThatIsSecret',
}

const json = (request: Received) => JSON.parse(request.body) as Record<string, unknown>
const split = (text: unknown): Told => {
  const [title = '', ...rest] = String(text).split('\n')
  return { title, text: rest.join('\n') }
}
const isAt = (start: string) => (request: Received, group: Group) =>
  request.path.startsWith(`${start}-${group}`)

const KINDS: Readonly<Record<string, Kind>> = {
  ping: {
    url: (group, { web }) => `ping+http://127.0.0.1:${web}/ping/${SECRETS.hook}-${group}`,
    isFor: isAt(`/ping/${SECRETS.hook}`),
    // The state is in the path, the text in the body.
    read: ({ path, body }) => ({ title: path.replace(/^.*-[a-z]+/, ''), text: body }),
  },
  webhook: {
    url: (group, { web }) => `http://127.0.0.1:${web}/hook/${SECRETS.hook}-${group}`,
    isFor: isAt(`/hook/${SECRETS.hook}`),
    read: (request) => {
      const { title, summary } = json(request)
      return { title: String(title), text: String(summary) }
    },
  },
  ntfy: {
    url: (group, { web }) => `ntfy+http://${SECRETS.ntfy}@127.0.0.1:${web}/topic-${group}`,
    isFor: (request, group) => request.path === '/' && json(request)['topic'] === `topic-${group}`,
    read: (request) => {
      expect(request.headers.authorization).toBe(`Bearer ${SECRETS.ntfy}`)
      const { title, message } = json(request)
      return { title: String(title), text: String(message) }
    },
  },
  slack: {
    url: (group, { web }) => `slack+http://127.0.0.1:${web}/slack/${SECRETS.hook}-${group}`,
    isFor: isAt(`/slack/${SECRETS.hook}`),
    read: (request) => split(json(request)['text']),
  },
  discord: {
    url: (group, { web }) => `discord+http://127.0.0.1:${web}/discord/${SECRETS.hook}-${group}`,
    isFor: isAt(`/discord/${SECRETS.hook}`),
    read: (request) => {
      const { embeds, allowed_mentions } = json(request)
      expect(allowed_mentions).toEqual({ parse: [] })
      const [{ title, description }] = embeds as [{ title: string; description: string }]
      return { title, text: description }
    },
  },
  gotify: {
    url: (group, { web }) => `gotify+http://127.0.0.1:${web}/push/?token=gotifySecret-${group}`,
    isFor: (request, group) =>
      request.path === '/push/message' &&
      request.headers['x-gotify-key'] === `gotifySecret-${group}`,
    read: (request) => {
      const { title, message } = json(request)
      return { title: String(title), text: String(message) }
    },
  },
  telegram: {
    url: (group, { web }) => `telegram://${SECRETS.botToken}@127.0.0.1:${web}/@chat_${group}`,
    isFor: (request, group) =>
      request.path === `/bot${SECRETS.botToken}/sendMessage` &&
      json(request)['chat_id'] === `@chat_${group}`,
    read: (request) => split(json(request)['text']),
  },
  mail: {
    url: (group, { mail }) =>
      `smtp://spillway%40example.net@127.0.0.1:${mail}/?from=host@example.net&to=${group}@example.net`,
    isFor: () => false,
    read: () => ({ title: '', text: '' }),
  },
}

type Night = {
  readonly ended: Ended
  readonly requests: readonly Received[]
  readonly mails: readonly Mail[]
}

let world: World
let web: WebListener
let mail: MailListener
const nights: Night[] = []

const [GOOD, WARNED, FAILED, RECOVERED, GOOD_AGAIN] = [0, 1, 2, 3, 4]

beforeAll(async () => {
  web = await listenForWeb()
  mail = await listenForMail()
  world = await World.make([{}, {}])
  await writeFile(join(world.source, 'a'), 'a')
  const other = join(world.folder, 'other')
  await mkdir(other)
  await writeFile(join(other, 'b'), 'b')
  let number = 0
  for (const [name, kind] of Object.entries(KINDS))
    for (const group of Object.keys(GROUPS) as Group[]) {
      number += 3
      world.env[`NOTIFY_${number}_URL`] = `'${kind.url(group, { web: web.port, mail: mail.port })}'`
      // The default itself, where it is the default.
      if (group !== 'default' || name === 'ping') world.env[`NOTIFY_${number}_ON`] = GROUPS[group]
      if (name === 'mail') world.env[`NOTIFY_${number}_PASSWORD`] = SECRETS.password
    }
  world.env['SOURCE_2_NAME'] = '<!channel> @everyone'
  world.env['SOURCE_2_PATH'] = other
  const key = world.env['S3_SERVER_1_SECRET_KEY']!
  await night()
  await night({ S3_SERVER_1_SECRET_KEY: 'not-the-key-that-it-has' })
  await night({ S3_SERVER_1_SECRET_KEY: key, SOURCE_2_PATH: join(world.folder, 'gone') })
  await night({ SOURCE_2_PATH: other })
  await night()
}, 60_000)

afterAll(async () => {
  await Promise.all([web, mail, world].map((each) => each.close()))
})

async function night(change: Readonly<Record<string, string>> = {}): Promise<void> {
  Object.assign(world.env, change)
  const before = [web.received.length, mail.mails.length]
  const ended = await spillway(['run', '--json', '--config', await world.writeEnv()])
  nights.push({
    ended,
    requests: web.received.slice(before[0]),
    mails: mail.mails.slice(before[1]),
  })
}

function toldIn(at: number, name: string, group: Group): readonly Told[] {
  const { requests, mails } = nights[at]!
  if (name === 'mail')
    return mails
      .filter(({ to }) => to.includes(`${group}@example.net`))
      .map(({ subject: title, text }) => ({ title, text }))
  const kind = KINDS[name]!
  return requests.filter((request) => kind.isFor(request, group)).map(kind.read)
}

it('the nights were what they should be', () => {
  expect(nights.map(({ ended }) => [ended.exit, ended.err])).toMatchObject([
    [0, expect.anything()],
    [3, expect.anything()],
    [10, expect.anything()],
    [0, expect.anything()],
    [0, expect.anything()],
  ])
})

describe.each(Object.keys(KINDS).filter((name) => name !== 'ping'))('%s', (name) => {
  it('tells of each night what was asked for, once', () => {
    const titles = (group: Group) =>
      nights.map((_night, at) => toldIn(at, name, group).map(({ title }) => title))
    const failed = ['host: FAILED, 1 of 2 sources']
    expect(titles('default')).toEqual([[], [], failed, ['host: recovered, 2 archives stored'], []])
    expect(titles('warning')).toEqual([
      [],
      ['host: warnings, 2 archives stored'],
      failed,
      ['host: recovered, 2 archives stored'],
      [],
    ])
    expect(titles('always')).toEqual([
      ['host: ok, 2 archives stored'],
      ['host: warnings, 2 archives stored'],
      failed,
      ['host: recovered, 2 archives stored'],
      ['host: ok, 2 archives stored'],
    ])
  })

  it('says which source failed, why, and what to do; and what is stored where', () => {
    const [{ text } = { text: '' }] = toldIn(FAILED, name, 'default')
    const plain = text.replaceAll('&gt;', '>').replaceAll('&lt;', '<')
    expect(plain).toMatch(
      /- <!channel> @everyone: FAILED: .*gone.* \[SOURCE_MISSING\] -> is the fo/,
    )
    expect(plain).toMatch(/the last good archive is of \d{4}-/)
    expect(plain).toMatch(
      /- docs: ok\n {2}docs-\d{8}-\d{6}(?:-\d)?\.tar\.zst: [\d.]+ k?B, stored on server 1/,
    )
    const [{ text: warned } = { text: '' }] = toldIn(WARNED, name, 'always')
    expect(warned).toMatch(
      /^- 1: .*misconfigured: Invalid S3 credentials.*\] -(>|&gt;) see: spillway self-test 1$/m,
    )
  })
})

describe('ping', () => {
  it('gets start, success and failure, with the report in the body', () => {
    const paths = (group: Group) =>
      nights.map((_night, at) => toldIn(at, 'ping', group).map(({ title }) => title))
    expect(paths('always')).toEqual([
      ['/start', ''],
      ['/start', ''],
      ['/start', '/fail'],
      ['/start', ''],
      ['/start', ''],
    ])
    expect(paths('default')).toEqual([[], [], ['/fail'], [''], []])
    // Who wants to hear of warnings is told that they are none of a good night.
    expect(paths('warning')).toEqual([[], ['/fail'], ['/fail'], [''], []])
    expect(toldIn(FAILED, 'ping', 'default')[0]!.text).toContain('[SOURCE_MISSING]')
    expect(toldIn(GOOD, 'ping', 'always').at(-1)!.text).toContain('docs: ok')
  })
})

it('a webhook gets the report itself', () => {
  const request = nights[FAILED]!.requests.find(({ path }) => path.includes('/hook/'))!
  const report = JSON.parse(nights[FAILED]!.ended.out.toString()) as object
  expect(json(request)).toMatchObject({
    ...{ event: 'run', host: 'host', outcome: 'failed', exit: 10, reason: 'bad', report },
  })
})

it('nobody is called by the name of a source', () => {
  const slack = nights[GOOD]!.requests.filter(({ path }) => path.startsWith('/slack/'))
  expect(slack).toHaveLength(1)
  expect(slack[0]!.body).not.toContain('<!channel>')
})

it('mail logs in, and says that no holiday note is wanted', () => {
  const [first] = nights[GOOD_AGAIN]!.mails
  expect(first).toMatchObject({
    from: 'host@example.net',
    login: `spillway@example.net:${SECRETS.password}`,
  })
  expect(first!.head).toMatch(/^Auto-Submitted: auto-generated$/m)
})

it('no secret is in any message, report or log [F101a]', () => {
  const all = nights.flatMap(({ ended, requests, mails }) => [
    ended.out.toString(),
    ended.err,
    ...requests.map(({ body }) => body),
    ...mails.map(({ head, text }) => head + text),
  ])
  const secrets = [...Object.values(SECRETS), 'gotifySecret', world.env['S3_SERVER_2_SECRET_KEY']!]
  for (const secret of [...secrets, 'not-the-key-that-it-has'])
    expect(all.filter((text) => text.includes(secret))).toEqual([])
  expect(RECOVERED).toBe(3)
})
