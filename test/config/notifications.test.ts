import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { holdsSecrets } from '../../src/config/load.ts'
import { parse, secretsOf } from '../../src/config/parse.ts'
import { formatProblem } from '../../src/config/problem.ts'
import { createRedactor } from '../../src/lib/redact.ts'
import { isSecretValue, printableLines } from '../../src/operations/configure-masks.ts'

const folder = mkdtempSync(join(tmpdir(), 'spillway-notify-'))
afterAll(() => rmSync(folder, { recursive: true }))

const UUID = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'

function read(env: Readonly<Record<string, string>>) {
  const { config, problems } = parse(env, { envFileDir: folder })
  return { config, problems: problems.map(formatProblem) }
}

function targetOf(url: string, more: Readonly<Record<string, string>> = {}) {
  const { config, problems } = read({ NOTIFY_1_URL: url, ...more })
  expect(problems).toEqual([])
  return config!.notifications[0]!
}

describe('the scheme says what it is', () => {
  it.each([
    [
      `ping+https://hc-ping.com/${UUID}`,
      'ping hc-ping.com',
      { url: `https://hc-ping.com/${UUID}` },
    ],
    ['https://h.example.net:8443/x?y=1', 'webhook h.example.net:8443', { login: undefined }],
    [
      'https://me:pass%20word@h.example.net/',
      'webhook h.example.net',
      {
        url: 'https://h.example.net/',
        login: `Basic ${Buffer.from('me:pass word').toString('base64')}`,
      },
    ],
    [
      'ntfy+https://ntfy.sh/my-topic',
      'ntfy ntfy.sh',
      { url: 'https://ntfy.sh/', topic: 'my-topic' },
    ],
    [
      'ntfy+https://tk_abc@n.example.net/sub/t',
      'ntfy n.example.net',
      {
        url: 'https://n.example.net/sub/',
        login: 'Bearer tk_abc',
      },
    ],
    ['slack+https://hooks.slack.com/services/T0/B0/abc', 'slack hooks.slack.com', {}],
    ['discord+https://discord.com/api/webhooks/1/abc', 'discord discord.com', {}],
    [
      'gotify+https://g.example.net/?token=Aabc.d',
      'gotify g.example.net',
      {
        url: 'https://g.example.net/message',
        token: 'Aabc.d',
      },
    ],
    [
      'gotify+https://g.example.net/sub/message?token=Aabc',
      'gotify g.example.net',
      {
        url: 'https://g.example.net/sub/message',
      },
    ],
    [
      'telegram://123:abcdefghijk@telegram/-1001',
      'telegram telegram',
      {
        url: 'https://api.telegram.org',
        token: '123:abcdefghijk',
        chat: '-1001',
      },
    ],
    [
      'telegram://123:abcdefghijk@localhost:8081/@chan',
      'telegram localhost:8081',
      {
        url: 'http://localhost:8081',
      },
    ],
    [
      'smtp://relay.example.net/?from=a@b.c&to=d@e.f',
      'mail relay.example.net',
      {
        ...{ port: 587, tls: 'if offered', user: undefined },
      },
    ],
    [
      'smtp://localhost:25/?from=a@b.c&to=d@e.f&to=g@h.i',
      'mail localhost',
      {
        ...{ port: 25, tls: 'none', to: ['d@e.f', 'g@h.i'] },
      },
    ],
    [
      'smtps://me:pass@m.example.net/?from=a@b.c&to=d@e.f',
      'mail m.example.net',
      {
        ...{ port: 465, tls: 'first', user: 'me', password: 'pass' },
      },
    ],
    ['HTTP://127.0.0.1:9/x', 'webhook 127.0.0.1:9', {}],
    ['http://[::1]:9/x', 'webhook [::1]:9', {}],
  ])('%s', (url, label, target) => {
    expect(targetOf(url)).toMatchObject({ label: `1: ${label}`, target })
  })

  it('a password stands beside the URL, or in a file; then TLS is needed', () => {
    const url = 'smtp://me%40x@m.example.net/?from=a@b.c&to=d@e.f'
    const user = { user: 'me@x', password: 'pa ss#1', tls: 'needed' }
    expect(targetOf(url, { NOTIFY_1_PASSWORD: 'pa ss#1' }).target).toMatchObject(user)
    writeFileSync(join(folder, 'password'), 'pa ss#1\n')
    expect(targetOf(url, { NOTIFY_1_PASSWORD_FILE: 'password' }).target).toMatchObject(user)
  })

  it('the URL itself may stand in a file', () => {
    writeFileSync(join(folder, 'url'), `ping+https://hc-ping.com/${UUID}\n`)
    const { config } = read({ NOTIFY_1_URL_FILE: 'url' })
    expect(config!.notifications[0]!.target).toMatchObject({ url: `https://hc-ping.com/${UUID}` })
  })
})

it('numbers may have gaps; who is told when has a default, which is another one for a ping', () => {
  const { config } = read({
    NOTIFY_7_URL: 'https://h.example.net/7',
    NOTIFY_2_URL: `ping+https://hc-ping.com/${UUID}`,
    NOTIFY_4_URL: 'https://h.example.net/4',
    NOTIFY_4_ON: ' Warning, recovery',
  })
  expect(config!.notifications.map(({ number, on }) => [number, on])).toEqual([
    [2, ['always']],
    [4, ['warning', 'recovery']],
    [7, ['failure', 'recovery']],
  ])
})

describe('what is wrong is said, and the URL never', () => {
  const SECRET = 'theSecretItself'
  it.each([
    [`${SECRET}`, /must be a URL; begin it with one of https/],
    [
      `nfty+https://h/${SECRET}`,
      /begins with nfty\+https:\/\/, which .*; is ntfy\+https:\/\/ meant\?/,
    ],
    [`ftp://h/${SECRET}`, /begins with ftp:\/\//],
    [`http://h.example.net/${SECRET}`, /is plain http to another machine.*use https/],
    [`gotify+http://10.0.0.1/?token=${SECRET}`, /is plain http/],
    [`https://${SECRET}:x:y@[bad/`, /is no URL that can be read/],
    [`slack+https://hooks.slack.com`, /has no path/],
    [`discord+https://${SECRET}@discord.com/api`, /names a user, and discord has none/],
    [`ntfy+https://ntfy.sh/`, /names no topic/],
    [`gotify+https://g.example.net/${SECRET}`, /names no token/],
    [`telegram://${SECRET}@telegram/1`, /is no address of Telegram; write telegram:\/\/TOKEN@/],
    [`smtp://m.example.net/?from=a@b.c`, /must say who sends and who receives/],
    [
      `smtp://m.example.net/?from=a@b.c&to=d@e.f&too=${SECRET}`,
      /an option that mail does not know, "too"/,
    ],
    [
      `smtp://m.example.net/?from=a@b.c&to=x%0d%0aBcc:${SECRET}@e.f`,
      /an address that cannot be one/,
    ],
    [
      `smtp://me@m.example.net/?from=a@b.c&to=d@e.f`,
      /names a user without a password; set NOTIFY_N_P/,
    ],
  ])('%s', (url, message) => {
    const { problems } = read({ NOTIFY_1_URL: url })
    expect(problems).toEqual([expect.stringMatching(message)])
    expect(problems[0]).toMatch(/^NOTIFY_1_URL /)
    expect(problems[0]).not.toContain(SECRET)
  })

  it.each([
    [{ NOTIFY_1_ON: 'always' }, 'NOTIFY_1_URL is missing'],
    [{ NOTIFY_1_ULR: 'x' }, 'NOTIFY_1_ULR is not a setting; the nearest is NOTIFY_1_URL'],
    [{ NOTIFY_01_URL: 'https://h.example.net/' }, 'NOTIFY_01_URL has a number with leading zeros'],
    [
      { NOTIFY_URL: 'https://h.example.net/' },
      'NOTIFY_URL is not a setting; is NOTIFY_N_URL meant?',
    ],
    [
      { NOTIFY_1_URL: 'https://h.example.net/', NOTIFY_1_ON: 'failures' },
      'NOTIFY_1_ON="failures" must be some of failure, warning, always, recovery, between commas; is failure meant?',
    ],
    [
      { NOTIFY_1_URL: 'https://h.example.net/', NOTIFY_1_PASSWORD: SECRET },
      'NOTIFY_1_URL is none of a mail server, and a password is set',
    ],
    [
      { NOTIFY_1_URL: 'https://h.example.net/', NOTIFY_1_URL_FILE: 'x' },
      'NOTIFY_1_URL_FILE="x" is set, and NOTIFY_1_URL as well',
    ],
  ])('%j', (env, message) => {
    const { problems } = read(env)
    expect(problems.join('\n')).toContain(message)
    expect(problems.join('\n')).not.toContain(SECRET)
  })

  it('the variable of systemd is none of ours', () => {
    expect(read({ NOTIFY_SOCKET: '/run/systemd/notify' }).problems).toEqual([])
  })
})

describe('a URL is a secret', () => {
  const url = `ping+https://hc-ping.com/${UUID}`
  it('in the file, on the screen and on a command line', () => {
    expect(holdsSecrets(`NOTIFY_1_URL=${url}`)).toBe(true)
    expect(
      printableLines({ NOTIFY_1_URL: url, NOTIFY_1_PASSWORD: 'abc', NOTIFY_1_ON: 'always' }),
    ).toEqual(["NOTIFY_1_URL='********'", "NOTIFY_1_PASSWORD='********'", 'NOTIFY_1_ON=always'])
    expect(isSecretValue('NOTIFY_1_URL', url)).toBe(true)
  })

  it.each([
    [url, [url, `https://hc-ping.com/${UUID}/fail`, `GET /${UUID}`, UUID]],
    [
      'slack+https://hooks.slack.com/services/T0/B0/abcdefghijkl',
      ['at /services/T0/B0/abcdefghijkl', 'abcdefghijkl'],
    ],
    [
      'ntfy+https://ntfy.sh/my-long-topic',
      ['topic my-long-topic', 'https://ntfy.sh/my-long-topic'],
    ],
    ['ntfy+https://tk_abc@n.example.net/t', ['Bearer tk_abc']],
    ['gotify+https://g.example.net/?token=Aabc.d', ['X-Gotify-Key: Aabc.d']],
    [
      'telegram://123:abcdefghijk@telegram/-1001',
      ['/bot123:abcdefghijk/sendMessage', 'abcdefghijk'],
    ],
    [
      'smtps://me:pa%20ss@m.example.net/?from=a@b.c&to=d@e.f',
      ['pa ss', 'pa%20ss', Buffer.from('\0me\0pa ss').toString('base64')],
    ],
  ])('in every text: %s', (text, shown) => {
    const { config } = read({ NOTIFY_1_URL: text })
    const redact = createRedactor(secretsOf(config!))
    for (const each of shown) expect(redact(each), each).toContain('[hidden]')
    expect(redact('source www: ok, services and hooks')).toBe('source www: ok, services and hooks')
  })
})
