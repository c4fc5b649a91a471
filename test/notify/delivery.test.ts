// What becomes of a run whose messages do not arrive, and of messages whose run does not begin.

import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquireRunLock } from '../../src/catalog/run-lock.ts'
import type { MailTarget, Notification, NotifyMessage } from '../../src/domain/notification.ts'
import type { RunReport } from '../../src/domain/run-report.ts'
import { createRedactor } from '../../src/lib/redact.ts'
import { sendMail } from '../../src/notify/mail.ts'
import { createNotifier } from '../../src/notify/notifier.ts'
import { createAuthority } from '../support/certificates.ts'
import { spillway } from '../support/command-sources.ts'
import { listenForMail, listenForWeb } from '../support/notify-listeners.ts'
import type { WebListener } from '../support/notify-listeners.ts'
import { World } from '../support/world.ts'

const SECRET = 'pathThatIsASecret'

let world: World
let web: WebListener
beforeEach(async () => {
  world = await World.make([{}])
  web = await listenForWeb()
  await writeFile(join(world.source, 'a'), 'a')
})
afterEach(async () => {
  await Promise.all([world.close(), web.close()])
})

async function run(...args: string[]) {
  const config = await world.writeEnv()
  const ended = await spillway(['run', '--json', '--config', config, ...args])
  const report = JSON.parse(ended.out.toString()) as RunReport
  return { ...ended, report }
}

function hook(number = 1, on = 'always'): void {
  world.env[`NOTIFY_${number}_URL`] = `http://127.0.0.1:${web.port}/${SECRET}`
  world.env[`NOTIFY_${number}_ON`] = on
}

const titles = () => web.received.map(({ body }) => (JSON.parse(body) as { title: string }).title)

describe('a message that does not arrive', () => {
  it.each([
    [404, 1, /it answered 404: no such thing here \(it does not know that address/],
    [403, 1, /it answered 403: no such thing here \(it does not take the token/],
    [302, 1, /it answered 302: no such thing here \(it has moved/],
    [500, 2, /it answered 500: no such thing here/],
  ])('%d: the archive is stored, and the run ends with 3', async (answer, tries, reason) => {
    hook()
    web.answer = answer
    const { exit, err, report } = await run()
    expect(exit).toBe(3)
    expect(report).toMatchObject({ exit: 3, outcome: 'warnings', archives: [{ state: 'stored' }] })
    expect(report.warnings).toHaveLength(1)
    expect(report.warnings[0]).toMatch(reason)
    expect(report.warnings[0]).toMatch(/^notification 1: webhook 127\.0\.0\.1:\d+ was not deliv/)
    expect(err).toContain('warning: notification 1: webhook')
    expect(err).toContain('run ended: warnings')
    expect(web.received).toHaveLength(tries)
    expect(err + JSON.stringify(report)).not.toContain(SECRET)
  })

  it('nobody listens: told as that, and others are told all the same', async () => {
    hook(1)
    world.env['NOTIFY_2_URL'] = `slack+http://127.0.0.1:1/${SECRET}`
    world.env['NOTIFY_2_ON'] = 'always'
    const { exit, report } = await run()
    expect(exit).toBe(3)
    expect(report.warnings).toEqual([
      'notification 2: slack 127.0.0.1:1 was not delivered: the connection was refused ' +
        '(ECONNREFUSED) (try it: spillway notify-test)',
    ])
    expect(titles()).toEqual(['host: ok, 1 archive stored'])
  })

  it('does not change the exit code of a failure', async () => {
    hook()
    web.answer = 404
    world.env['SOURCE_1_PATH'] = join(world.folder, 'gone')
    const { exit, report } = await run()
    expect([exit, report.outcome]).toEqual([10, 'failed'])
    expect(report.warnings).toHaveLength(1)
  })

  it('is given up after its time and one repeat', async () => {
    web.answer = 'silence'
    const began = performance.now()
    await expect(deliver({ kind: 'slack', url: `http://127.0.0.1:${web.port}/x` })).rejects.toThrow(
      /^notification 1: test was not delivered: it did not answer within 0\.2 s$/,
    )
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(web.received).toHaveLength(2)
  })
})

describe('recovery', () => {
  it('is not told by a run of other sources, and then by the right one', async () => {
    const other = join(world.folder, 'other')
    await mkdir(other)
    await writeFile(join(other, 'b'), 'b')
    Object.assign(world.env, { SOURCE_2_NAME: 'other', SOURCE_2_PATH: other })
    hook(1, 'failure,recovery')
    await rename(other, `${other}-away`)
    expect((await run()).exit).toBe(10)
    await rename(`${other}-away`, other)
    expect((await run('docs')).exit).toBe(0)
    expect(titles()).toEqual(['host: FAILED, 1 of 2 sources'])
    expect((await run('other')).exit).toBe(0)
    expect((await run()).exit).toBe(0)
    expect(titles()).toEqual(['host: FAILED, 1 of 2 sources', 'host: recovered, 1 archive stored'])
  })

  it('a run of some says which others are not well', async () => {
    Object.assign(world.env, { SOURCE_2_NAME: 'gone', SOURCE_2_PATH: join(world.folder, 'gone') })
    hook()
    await run()
    await run('docs')
    const { title, summary } = JSON.parse(web.received[1]!.body) as Record<string, string>
    expect(title).toBe('host: ok, 1 archive stored')
    expect(summary).toContain('Not in this run, and not well since an earlier one:\n- gone: failed')
  })
})

describe('a run that has nothing to report', () => {
  it('is told, with its reason and remedy, and what comes after is a recovery', async () => {
    hook(1, 'failure,recovery')
    expect((await run()).exit).toBe(0)
    world.env['CATALOG_URL'] = `sqlite:${join(world.folder, 'broken.db')}`
    await writeFile(join(world.folder, 'broken.db'), 'this is no database, '.repeat(500))
    expect((await run()).exit).toBeGreaterThanOrEqual(40)
    delete world.env['CATALOG_URL']
    expect((await run()).exit).toBe(0)
    expect(titles()).toEqual([
      expect.stringMatching(/^host: FAILED, exit 4\d$/),
      'host: recovered, 1 archive stored',
    ])
    expect(web.received[0]!.body).toMatch(/\[CATALOG_[A-Z]+\]/)
  })

  it('is told also when the env file is what is wrong', async () => {
    hook(1, 'failure')
    world.env['COPIES'] = 'two'
    world.env['S3_SERVER_1_BUKET'] = 'x'
    expect((await run()).exit).toBe(4)
    expect(titles()).toEqual(['host: FAILED, exit 4'])
    const { summary } = JSON.parse(web.received[0]!.body) as { summary: string }
    expect(summary).toContain('COPIES="two" must be a whole number')
    expect(summary).toContain('S3_SERVER_1_BUKET is not a setting')
  })

  it('is not told of a second run at the same time, a plan, or a wrong name', async () => {
    hook()
    expect((await spillway(['run', '--dry-run', '--config', await world.writeEnv()])).exit).toBe(0)
    expect((await run('no-such-source')).exit).toBe(2)
    const lock = await acquireRunLock(join(world.folder, 'data'))
    expect((await run()).exit).toBe(75)
    await lock.release()
    expect(titles()).toEqual([])
  })
})

describe('mail', () => {
  it('a refused login is told with its remedy, and without the password', async () => {
    const mail = await listenForMail()
    mail.loginAnswer = '535 5.7.8 wrong password'
    world.env['NOTIFY_1_URL'] =
      `smtp://me@127.0.0.1:${mail.port}/?from=a@example.net&to=b@example.net`
    world.env['NOTIFY_1_PASSWORD'] = SECRET
    world.env['NOTIFY_1_ON'] = 'always'
    const { exit, report, err } = await run()
    await mail.close()
    expect(exit).toBe(3)
    expect(report.warnings[0]).toMatch(
      /1: mail 127\.0\.0\.1 .*refuses the login.*535.*check the user in NOTIFY_N_URL/,
    )
    expect(JSON.stringify(report) + err).not.toContain(SECRET)
  })

  it('goes by smtps where the certificate can be trusted, and nowhere else', async () => {
    const authority = createAuthority()
    const mail = await listenForMail(authority.issue({ hosts: ['localhost', '127.0.0.1'] }))
    const ca = join(world.folder, 'ca.pem')
    await writeFile(ca, authority.cert)
    world.env['NOTIFY_1_URL'] =
      `smtps://me@localhost:${mail.port}/?from=a@example.net&to=b@example.net,c@example.net`
    world.env['NOTIFY_1_PASSWORD'] = SECRET
    const args = ['notify-test', '--config', await world.writeEnv()]
    const refused = await spillway(args)
    expect(refused.exit).toBe(3)
    expect(mail.said).toEqual([])
    const sent = await spillway(args, { NODE_EXTRA_CA_CERTS: ca })
    await mail.close()
    expect([sent.exit, sent.err]).toEqual([0, ''])
    expect(mail.mails).toMatchObject([
      { to: ['b@example.net', 'c@example.net'], subject: 'host: test of notifications' },
    ])
  })

  it('gives no password to a server without TLS', async () => {
    const mail = await listenForMail()
    const target: MailTarget = {
      ...{ kind: 'mail', host: '127.0.0.1', port: mail.port, tls: 'needed' },
      ...{ user: 'me', password: SECRET, from: 'a@example.net', to: ['b@example.net'] },
    }
    await expect(sendMail(target, MESSAGE, 2_000)).rejects.toThrow(/no TLS that can be trusted/)
    expect(mail.said.join('\n')).not.toMatch(/AUTH|MAIL/)
    await mail.close()
  })
})

describe('notify-test', () => {
  it('sends to those that are named, and says who could not be told', async () => {
    hook(1)
    world.env['NOTIFY_5_URL'] = `ping+http://127.0.0.1:${web.port}/ping/${SECRET}`
    world.env['NOTIFY_7_URL'] = `http://127.0.0.1:1/${SECRET}`
    const config = await world.writeEnv()
    const all = await spillway(['notify-test', '--config', config])
    expect(all.exit).toBe(3)
    expect(all.out.toString()).toMatch(
      /^ok {6}1: webhook \S+ {2}\(told of: always\)\nok {6}5: ping .*\nFAILED {2}notification 7: webhook/,
    )
    // Whoever sees this has just tried it.
    expect(all.out.toString()).not.toContain('try it: spillway notify-test')
    expect(web.received.map(({ path }) => path)).toEqual([`/${SECRET}`, `/ping/${SECRET}/log`])
    const one = await spillway(['notify-test', '5', '--config', config])
    expect([one.exit, web.received.length]).toEqual([0, 3])
    expect((await spillway(['notify-test', '2', '--config', config])).exit).toBe(2)
    expect(all.out.toString() + all.err).not.toContain(SECRET)
  })

  it('without any is a fault of the settings', async () => {
    const { exit, err } = await spillway(['notify-test', '--config', await world.writeEnv()])
    expect(exit).toBe(4)
    expect(err).toContain('there is no NOTIFY_N_URL')
  })
})

it('what looks like a secret is hidden in a message, and the JSON stays whole', async () => {
  await appendFile(join(world.source, 'a'), 'more')
  const url = `http://127.0.0.1:${web.port}/`
  const document = { event: 'run', said: 'authorization: "Bearer abc"', at: `u://me:${SECRET}@h` }
  await deliver({ kind: 'webhook', url, login: undefined }, { ...MESSAGE, document })
  expect(JSON.parse(web.received[0]!.body)).toEqual({
    ...{ event: 'run', said: 'authorization: [hidden]', at: 'u://[hidden]@h' },
  })
})

const MESSAGE: NotifyMessage = {
  ...{ phase: 'end', level: 'failed', title: 'host: FAILED', text: 'why', document: {} },
}

async function deliver(target: Notification['target'], message = MESSAGE): Promise<void> {
  const notifier = createNotifier({
    proxy: { httpsProxy: undefined, noProxy: undefined },
    redact: createRedactor([]),
    limits: { tryMs: 200, repeatDelayMs: 10 },
  })
  await notifier.deliver(
    { number: 1, label: '1: test', target, on: ['always'], secrets: [] },
    message,
  )
}
