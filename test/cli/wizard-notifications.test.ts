// Who is told of runs, and schedules of single sources, in the wizard. Messages go to a real listener.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runWizard } from '../../src/cli/wizard/wizard.ts'
import { testNotificationOf } from '../../src/compose.ts'
import { loadConfig, parseEnvText } from '../../src/config/load.ts'
import { openDraft } from '../../src/operations/configure.ts'
import { spillway } from '../support/command-sources.ts'
import { listenForMail, listenForWeb } from '../support/notify-listeners.ts'
import type { MailListener, WebListener } from '../support/notify-listeners.ts'
import { BACK, scripted } from '../support/scripted-prompts.ts'
import type { Answer } from '../support/scripted-prompts.ts'

let folder: string
let file: string
let web: WebListener
let mail: MailListener
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-wizard-'))
  file = join(folder, '.env')
  writeFileSync(file, 'SERVER_ID=web1\nSOURCE_1_PATH=/srv\n', { mode: 0o600 })
  ;[web, mail] = [await listenForWeb(), await listenForMail()]
})
afterEach(async () => {
  rmSync(folder, { recursive: true })
  await Promise.all([web.close(), mail.close()])
})

async function wizard(...script: readonly Answer[]) {
  const plan = [...script]
  const lines: string[] = []
  const refused: string[] = []
  const saved = await runWizard({
    draft: openDraft({ env: {}, cwd: folder }),
    prompts: scripted(plan, { lines, asked: [], refused }),
    testServer: () => Promise.reject(new Error('nobody tests a server')),
    testSource: () => Promise.reject(new Error('nobody tests a source')),
    testNotification: testNotificationOf,
    print: (line) => void lines.push(line),
    signal: new AbortController().signal,
    now: () => new Date('2026-03-01T12:00:00Z'),
  })
  expect(plan, 'answers that nobody asked for').toEqual([])
  return { saved, refused, shown: lines.join('\n') }
}

const values = () => parseEnvText(readFileSync(file, 'utf8'))
const SAVE = ['Back', 'Save and leave']
const ADD = ['Notifications', 'Add one']

describe('adding a notification', () => {
  it.each([
    ['healthchecks', '', 'ping+', '/secret-path/log', 'always'],
    ['Slack', 'slack+', 'slack+', '/secret-path', undefined],
    ['Discord', '', 'discord+', '/secret-path', undefined],
    ['Webhook', '', '', '/secret-path', undefined],
    ['^ntfy', '', 'ntfy+', '/', undefined],
  ])('%s: takes the URL as it is shown, and sends a test', async (kind, typed, start, path, on) => {
    const url = `http://127.0.0.1:${web.port}/secret-path`
    const when = on === 'always' ? 'After every run$' : 'When a run fails'
    const { saved, shown } = await wizard(...ADD, kind, typed + url, when, ...SAVE)
    expect(saved).toBe(true)
    expect(values()['NOTIFY_1_URL']).toBe(start + url)
    // What is the default anyway is not written down.
    expect(values()['NOTIFY_1_ON']).toBeUndefined()
    expect(web.received.map((each) => each.path)).toEqual([path])
    expect(shown).toContain('It was taken.')
    expect(shown).toMatch(/Notifications +\w+ 127\.0\.0\.1:\d+/)
    expect(shown).not.toContain('secret-path')
    expect(loadConfig({ env: {}, cwd: folder }).config.notifications).toHaveLength(1)
  })

  it('Gotify, with warnings as well', async () => {
    const url = `http://127.0.0.1:${web.port}/?token=Asecrettoken`
    await wizard(...ADD, 'Gotify', url, 'warnings$', ...SAVE)
    expect(values()).toMatchObject({
      NOTIFY_1_URL: `gotify+${url}`,
      NOTIFY_1_ON: 'warning,recovery',
    })
  })

  it('Telegram: judges token and chat as they are typed; Escape is no message', async () => {
    const { shown, refused } = await wizard(
      ...ADD,
      ...['Telegram', 'no token', '12345:abcdefghijkl', 'mine', '-100'],
      BACK,
      ...['Back', 'Leave without'],
    )
    expect(refused).toHaveLength(2)
    expect(refused.join()).toContain('is no address of Telegram')
    expect(shown).not.toContain('abcdefghijkl')
  })

  it('mail: asks one thing after the other, and keeps the password beside the URL', async () => {
    const place = `127.0.0.1:${mail.port}`
    const { shown, refused } = await wizard(
      ...[...ADD, 'E-mail', 'STARTTLS', 'not a name', place, 'me@example.net', '', 'pass#word"'],
      ...['nobody', 'spillway@example.net', 'a@example.net, b@example.net', 'When a run fails'],
      ...SAVE,
    )
    expect(values()).toMatchObject({
      NOTIFY_1_URL: `smtp://me%40example.net@${place}/?from=spillway%40example.net&to=a%40example.net,b%40example.net`,
      NOTIFY_1_PASSWORD: 'pass#word"',
    })
    expect(refused).toEqual([
      'must be name or name:port',
      'this one is needed',
      expect.stringContaining('names an address that cannot be one'),
    ])
    expect(mail.mails).toMatchObject([
      {
        from: 'spillway@example.net',
        to: ['a@example.net', 'b@example.net'],
        login: 'me@example.net:pass#word"',
      },
    ])
    expect(shown).not.toContain('pass#word')
  })

  it('whose test fails is corrected, kept or given up', async () => {
    web.answer = 404
    const url = `http://127.0.0.1:${web.port}/secret-path`
    const add: Answer[] = [...ADD, 'Webhook', url, 'When a run fails']
    const undone = await wizard(...add, 'Send it again', 'Undo', ...SAVE)
    expect(undone.shown).toContain('it answered 404')
    expect(undone.shown).not.toContain('secret-path')
    expect(values()['NOTIFY_1_URL']).toBeUndefined()
    await wizard(...add, BACK, 'Back', 'Leave without')
    expect(values()['NOTIFY_1_URL']).toBeUndefined()
    await wizard(...add, 'Keep it as it is', ...SAVE)
    expect(values()['NOTIFY_1_URL']).toBe(url)
  })

  it('refuses while it is typed what cannot be', async () => {
    const { refused } = await wizard(
      ...ADD,
      ...['Discord', 'http://discord.example.com/x'],
      BACK,
      ...['Back', 'Leave without'],
    )
    expect(refused[0]).toContain('is plain http to another machine')
  })
})

it('is changed, tested and removed', async () => {
  const url = `http://127.0.0.1:${web.port}`
  writeFileSync(
    file,
    `NOTIFY_3_URL=${url}/one-secret\nNOTIFY_3_ON=warning\nNOTIFY_5_URL=nonsense\n`,
  )
  const { shown } = await wizard(
    ...[
      'Notifications',
      'webhook',
      'Send a test',
      '^ON',
      'As it is: warning',
      '^URL ',
      `${url}/two-secret`,
    ],
    ...['Set it up anew', 'Slack', `${url}/three-secret`, 'After every run$', 'Back'],
    ...['problem: URL', 'Remove it', true, ...SAVE],
  )
  expect(values()).toEqual({ NOTIFY_3_URL: `slack+${url}/three-secret`, NOTIFY_3_ON: 'always' })
  expect(web.received.map(({ path }) => path)).toEqual(['/one-secret', '/three-secret'])
  expect(shown).toMatch(/^URL +\*{8}$/m)
  expect(shown).not.toMatch(/-secret/)
})

it('--set does the same without a terminal', async () => {
  const argv = ['configure', '--config', file, '--set=NOTIFY_1_ON=always']
  const plain = await spillway([...argv, '--set=NOTIFY_1_URL=https://example.net/secret-path'])
  expect([plain.exit, plain.err]).toEqual([2, expect.stringContaining('NOTIFY_1_URL is a secret')])
  const { exit, err } = await withInput(
    [...argv, '--set=NOTIFY_1_URL=-', '--print'],
    'https://example.net/secret-path\n',
  )
  expect([exit, err]).toEqual([0, ''])
  expect(values()).toMatchObject({
    NOTIFY_1_URL: 'https://example.net/secret-path',
    NOTIFY_1_ON: 'always',
  })
  const wrong = await withInput(
    [...argv, '--set=NOTIFY_1_URL=-'],
    'http://example.net/secret-path\n',
  )
  expect([wrong.exit, wrong.err]).toEqual([
    4,
    expect.stringContaining('NOTIFY_1_URL is plain http'),
  ])
  expect(wrong.err).not.toContain('secret-path')
})

describe('the schedule of a source', () => {
  it('is its own, until it goes with the others again', async () => {
    const own = ['Sources', 'srv', '^SCHEDULE', 'its own', '^0 \\*/6', 'Back', ...SAVE]
    const { shown } = await wizard(...own)
    expect(values()['SOURCE_1_SCHEDULE']).toBe('0 */6 * * *')
    expect(shown).toContain('With the others: every day at 02:30')
    expect(shown).toMatch(/ {2}next: \w{3} 2026-03-01/)
    expect(shown).toContain('Only the daemon follows it')
    const other = ['Sources', 'srv', '^SCHEDULE', 'its own', 'as in a crontab', 'x', '5 4 * * *']
    expect((await wizard(...other, 'Back', ...SAVE)).refused[0]).toContain('is no schedule')
    expect(values()['SOURCE_1_SCHEDULE']).toBe('5 4 * * *')
    await wizard('Sources', 'srv', '^SCHEDULE', 'With the others', 'Back', ...SAVE)
    expect(values()['SOURCE_1_SCHEDULE']).toBeUndefined()
  })
})

async function withInput(argv: readonly string[], input: string) {
  const { spawn } = await import('node:child_process')
  const program = join(import.meta.dirname, '../../dist/src/main.js')
  const child = spawn(process.execPath, [program, ...argv])
  let err = ''
  child.stderr.on('data', (piece: Buffer) => (err += piece.toString()))
  child.stdin.end(input)
  const exit = await new Promise((resolve) => child.on('close', resolve))
  return { exit, err }
}
