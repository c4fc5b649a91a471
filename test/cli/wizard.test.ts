// The wizard with answers from a script instead of a terminal: every answer is found by the words of
// its choice or given as text, so that a menu that changes makes the script stop with the menu shown.

import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runWizard } from '../../src/cli/wizard/wizard.ts'
import { parseEnvText } from '../../src/config/load.ts'
import type { Server } from '../../src/domain/server.ts'
import { describeSource } from '../../src/domain/source.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import type { TestResult } from '../../src/operations/configure-test-server.ts'
import { openDraft } from '../../src/operations/configure.ts'
import { BACK, CTRL_C, scripted } from '../support/scripted-prompts.ts'
import type { Answer, Question } from '../support/scripted-prompts.ts'

const WORKS: TestResult = { ok: true, lines: ['ok  all'] }
const FAILS: TestResult = { ok: false, lines: ['failed  store archives: no such bucket'] }

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-wizard-'))
  file = join(folder, '.env')
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

const AWS = [
  ...['S3 storage', 'Add a server', 'AWS S3', 'eu-central-1'],
  // The endpoint follows from the region: Enter takes what is offered.
  ...['', 'backups', 'AKIDEXAMPLE', 'secretsecret', '250'],
]

describe('adding a server', () => {
  it('asks in the order of its provider, tests it, and writes it', async () => {
    const { tested, saved } = await wizard([WORKS], ...AWS, 'Back', 'Save and leave')

    expect(saved).toBe(true)
    expect(values()).toEqual({
      S3_SERVER_1_REGION: 'eu-central-1',
      S3_SERVER_1_ENDPOINT: 'https://s3.eu-central-1.amazonaws.com',
      S3_SERVER_1_BUCKET: 'backups',
      S3_SERVER_1_ACCESS_KEY: 'AKIDEXAMPLE',
      S3_SERVER_1_SECRET_KEY: 'secretsecret',
      S3_SERVER_1_STORAGE_LIMIT_GB: '250',
    })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(tested).toMatchObject([
      { identity: 's3.eu-central-1.amazonaws.com|backups|', secretKey: 'secretsecret' },
    ])
  })

  it('never shows the secret', async () => {
    const { shown } = await wizard(
      [{ ok: false, lines: ['refused secretsecret'] }],
      ...[...AWS, 'Keep it as it is', 'server 1|backups', 'Change its settings', 'Done'],
      ...['Back', 'Back', 'Save and leave'],
    )
    expect(shown).not.toContain('secretsecret')
    expect(shown).toContain('...MPLE')
  })

  it('suggests the region that the endpoint gives away', async () => {
    const { asked } = await wizard(
      [WORKS],
      ...['S3 storage', 'Add a server', 'Another', 'https://s3.fr-par.scw.cloud/', ''],
      ...['backups', 'AKIDEXAMPLE', 'secretsecret', '', 'Back', 'Save and leave'],
    )
    expect(asked).toContainEqual(expect.objectContaining({ suggestion: 'fr-par' }))
    // What is only suggested is never text that must be deleted first.
    expect(asked.filter(({ initial }) => initial !== undefined)).toEqual([])
    expect(values()).toMatchObject({
      S3_SERVER_1_ENDPOINT: 'https://s3.fr-par.scw.cloud',
      S3_SERVER_1_REGION: 'fr-par',
    })
  })

  it('takes a local directory, which has no keys', async () => {
    const { tested } = await wizard(
      [WORKS],
      ...['S3 storage', 'Add a server', 'A local directory', '/mnt/my disk', '2000'],
      ...['Back', 'Save and leave'],
    )
    expect(values()).toEqual({
      S3_SERVER_1_ENDPOINT: 'file:///mnt/my%20disk',
      S3_SERVER_1_STORAGE_LIMIT_GB: '2000',
    })
    expect(tested).toMatchObject([{ kind: 'file', directory: '/mnt/my disk' }])
  })

  it('gives the next free number after the highest', async () => {
    write('S3_SERVER_7_ENDPOINT=file:///mnt/a\n')
    await wizard(
      [WORKS],
      ...['S3 storage', 'Add a server', 'A local directory', '/mnt/b', ''],
      ...['Back', 'Save and leave'],
    )
    expect(values()).toMatchObject({ S3_SERVER_8_ENDPOINT: 'file:///mnt/b' })
  })

  it.each([
    ['bucket', 's3://backups', 'must be the name alone'],
    ['bucket', '', 'this one is needed'],
    ['key', 'with space', 'must not contain spaces'],
  ])('says at once what is wrong with a %s "%s"', async (where, wrong, message) => {
    const before = where === 'bucket' ? AWS.slice(0, 5) : AWS.slice(0, 6)
    const { refused } = await wizard([], ...before, wrong, BACK, 'Back', 'Leave without')
    expect(refused).toEqual([expect.stringContaining(message)])
  })
})

describe('a server whose test fails', () => {
  it('is corrected and tested again', async () => {
    const { tested, out } = await wizard(
      [FAILS, WORKS],
      ...[...AWS, 'Correct its settings', '', '', 'backups2', '', '', 'Back', 'Save and leave'],
    )
    expect(tested.map((server) => server.kind === 's3' && server.bucket)).toEqual([
      'backups',
      'backups2',
    ])
    expect(out).toContain('failed  store archives: no such bucket')
    expect(values()).toMatchObject({
      S3_SERVER_1_BUCKET: 'backups2',
      S3_SERVER_1_SECRET_KEY: 'secretsecret',
    })
  })

  it('that is a directory is corrected by the question that added it', async () => {
    const fails = { ok: false, lines: ['failed  no folder; correct S3_SERVER_1_ENDPOINT'] }
    const { asked, out } = await wizard(
      [fails, WORKS],
      ...['S3 storage', 'Add a server', 'A local directory', '/mnt/my disk', ''],
      ...['Correct its settings', '/mnt/other', 'Back', 'Save and leave'],
    )
    const [adding, , correcting] = asked
    expect(adding).toMatchObject({ suggestion: '/mnt/backup/spillway' })
    expect(correcting).toMatchObject({ message: adding?.message, initial: '/mnt/my disk' })
    expect(values()).toMatchObject({ S3_SERVER_1_ENDPOINT: 'file:///mnt/other' })
    expect(out).toContain('correct S3_SERVER_1_ENDPOINT')
  })

  it('is tested again as it is', async () => {
    const { tested } = await wizard(
      [FAILS, WORKS],
      ...[...AWS, 'Test again', 'Back', 'Save and leave'],
    )
    expect(tested).toHaveLength(2)
  })

  it('is kept, but disabled', async () => {
    await wizard([FAILS], ...AWS, 'disabled', 'Back', 'Save and leave')
    expect(values()).toMatchObject({ S3_SERVER_1_ENABLED: 'false' })
  })

  it('is kept anyway', async () => {
    await wizard([FAILS], ...AWS, 'Keep it as it is', 'Back', 'Save and leave')
    expect(values()).not.toHaveProperty('S3_SERVER_1_ENABLED')
    expect(values()).toHaveProperty('S3_SERVER_1_BUCKET')
  })

  it.each<[Answer]>([['Undo'], [BACK]])('is thrown away: %s', async (answer) => {
    write('# nothing else\n')
    const { out } = await wizard([FAILS], ...AWS, answer, 'Back', 'Save and leave')
    expect(out).toContain('The server was not added.')
    expect(readFileSync(file, 'utf8')).toBe('# nothing else\n')
  })

  it('counts a test that breaks as one that fails', async () => {
    const breaks = new SpillwayError('SERVER_UNREACHABLE', 'no way to s3.example.net')
    const { out } = await wizard([breaks], ...AWS, 'Undo', 'Back', 'Leave without')
    expect(out).toContain('no way to s3.example.net')
  })
})

describe('servers that are there', () => {
  const TWO = `# the near one
S3_SERVER_1_ENDPOINT=file:///mnt/near  # fast
S3_SERVER_1_STORAGE_LIMIT_GB=500

# the far one
S3_SERVER_5_ENDPOINT=file:///mnt/far
S3_SERVER_5_ENABLED=no
MINE=1
`

  it('are shown with their limits and whether they are enabled', async () => {
    write(TWO)
    const { shown } = await wizard([], 'S3 storage', 'Back', 'Leave without')
    expect(shown).toContain('2 servers, 1 disabled')
    expect(shown).toContain(' 1  file:///mnt/near   limit 500 GB')
    expect(shown).toContain(' 5  file:///mnt/far   limit 100 GB   [disabled]')
  })

  it('change places without moving their lines', async () => {
    write(TWO)
    await wizard([], 'S3 storage', 'Change the order', 'far', 'beginning', 'Back', 'Save and leave')
    expect(text()).toBe(
      TWO.replace(/S3_SERVER_1_/g, 'X')
        .replace(/S3_SERVER_5_/g, 'S3_SERVER_1_')
        .replace(/X/g, 'S3_SERVER_5_'),
    )
  })

  it('are removed with all their lines, and nothing else', async () => {
    write(TWO)
    await wizard([], 'S3 storage', '/far', 'Remove it', true, 'Back', 'Save and leave')
    expect(text()).toBe(TWO.replace(/S3_SERVER_5_.*\n/g, ''))
  })

  it('are tested before they are enabled', async () => {
    write(TWO)
    const { tested } = await wizard(
      [WORKS],
      ...['S3 storage', '/far', 'Enable it', 'Back', 'Back', 'Save and leave'],
    )
    expect(tested.map(({ number }) => number)).toEqual([5])
    expect(text()).toBe(TWO.replace('S3_SERVER_5_ENABLED=no\n', ''))
  })

  it('stay disabled when that test fails and is undone', async () => {
    write(TWO)
    await wizard([FAILS], 'S3 storage', '/far', 'Enable it', 'Undo', 'Back', 'Back', 'Leave')
    const { saved } = await wizard([], 'Save and leave')
    expect(saved).toBe(true)
    expect(text()).toBe(TWO)
  })

  it('are tested after a change that matters, and not after another', async () => {
    write(TWO)
    const { tested } = await wizard(
      [WORKS],
      ...['S3 storage', '/near', 'Change its settings', 'STORAGE_LIMIT_GB', '600', 'Done'],
      ...['Change its settings', 'ENDPOINT', 'file:///mnt/new', 'Done'],
      ...['Back', 'Back', 'Save and leave'],
    )
    expect(tested).toMatchObject([{ directory: '/mnt/new', limitBytes: 600e9 }])
    expect(text()).toBe(TWO.replace('/mnt/near ', '/mnt/new ').replace('=500', '=600'))
  })
})

describe('sources, schedule, retention and the rest', () => {
  it('are written where they belong', async () => {
    write('# mine\nOTHER=1\n')
    await wizard(
      [],
      ...['Sources', 'Add a folder', folder, '', 'node_modules/,*.tmp', 'Back'],
      ...['Schedule', 'Another time', '15 4 * * 1-5'],
      ...['Retention', 'All sources', '7 daily', 'spillway-wizard', 'Rule by rule'],
      ...['', '30', '', '', '', '', 'Back'],
      ...['Other settings', 'ZSTD_LEVEL', '9', 'Back', 'Save and leave'],
    )
    expect(text()).toMatch(/^# mine\nOTHER=1\n/)
    expect(values()).toEqual({
      OTHER: '1',
      SOURCE_1_PATH: folder,
      SOURCE_1_NAME: folder.replace(/.*\//, ''),
      SOURCE_1_EXCLUDE: 'node_modules/,*.tmp',
      SOURCE_1_KEEP_DAILY: '30',
      SCHEDULE: '15 4 * * 1-5',
      KEEP_DAILY: '7',
      KEEP_WEEKLY: '4',
      KEEP_MONTHLY: '12',
      ZSTD_LEVEL: '9',
    })
  })

  it('retention says, before and after, what no rule takes away', async () => {
    const { out } = await wizard([], 'Retention', '7 daily', 'Save and leave')
    const note =
      'the last good archive of a source, pinned archives and those that wait are never deleted.'
    expect(out).toContain(`Note: ${note}`)
    expect(out).toContain(`Now: keep 7 daily, 4 weekly, 12 monthly; but ${note}`)
    expect(out).not.toContain('removed by the next run')
  })

  it('are listed with a blank between the longest name and its value', async () => {
    const { shown } = await wizard([], 'Other settings', 'Back', 'Leave without')
    expect(shown).toMatch(/RANDOM_DELAY_MINUTES +\(5\)/)
    expect(shown).not.toMatch(/^ *[A-Z_]+\(/m)
  })

  it('of a source without a schedule of its own name the common one', async () => {
    write(`SOURCE_1_NAME=a\nSOURCE_1_PATH=${folder}\n`)
    const { shown } = await wizard([], 'Sources', ' 1 ', 'Back', 'Back', 'Leave without')
    expect(shown).toMatch(/SCHEDULE +\(as SCHEDULE says\)/)
  })

  it('"-" takes a value away again', async () => {
    write('ZSTD_LEVEL=9\n')
    await wizard([], 'Other settings', 'ZSTD_LEVEL', '-', 'Back', 'Save and leave')
    expect(text()).toBe('')
  })

  it('a schedule is shown in words and times before it is kept', async () => {
    const { out } = await wizard([], 'Schedule', 'on Sunday', 'Leave without', true)
    expect(out).toContain('Starts on Sunday at 02:30.')
    expect(out.match(/next: Sun \d{4}-\d\d-\d\d 02:30/g)).toHaveLength(3)
    expect(out).toContain('OnCalendar=Sun *-*-* 02:30:00')
  })

  it('a command is asked for with its name and its file, and judged while it is typed', async () => {
    const { out, refused } = await wizard(
      [],
      ...['Sources', 'Add a command', 'pg_dump app | gzip', 'pg_dump app', 'app', 'app.dump'],
      ...['app ', 'MIN_BYTES', '1000', 'Back', 'Back', 'Save and leave'],
    )
    expect(refused).toEqual([expect.stringContaining('has "|" outside quotes')])
    expect(out).toContain('1 command: app')
    expect(values()).toEqual({
      SOURCE_1_COMMAND: 'pg_dump app',
      SOURCE_1_NAME: 'app',
      SOURCE_1_FILE: 'app.dump',
      SOURCE_1_MIN_BYTES: '1000',
    })
  })

  it('a source is given programs that are run around its reading', async () => {
    write('SOURCE_1_PATH=/srv/www\nDOCKER_HOST=unix:///x\n')
    const { refused } = await wizard(
      [],
      ...['Sources', 'www', 'BEFORE', 'sync; docker stop app', 'docker stop app'],
      ...['AFTER', 'docker start app', 'ENV', 'DOCKER_HOST', 'Back', 'Back', 'Save and leave'],
    )
    expect(refused).toEqual([expect.stringContaining('has ";" outside quotes')])
    expect(values()).toEqual({
      SOURCE_1_PATH: '/srv/www',
      SOURCE_1_BEFORE: 'docker stop app',
      SOURCE_1_AFTER: 'docker start app',
      SOURCE_1_ENV: 'DOCKER_HOST',
      DOCKER_HOST: 'unix:///x',
    })
  })

  it('a server of databases is asked which it has, and corrected before it is kept', async () => {
    const refusal = new SpillwayError('SOURCE_DATABASE_FAILED', 'psql ended: geheim is wrong', {
      hint: 'set the password',
    })
    const { asked, out, refused } = await wizard(
      [refusal, { ok: true, lines: ['  12.0 MB  app'] }],
      ...['Sources', 'Add PostgreSQL', 'postgres://me:geheim@db/app', 'postgres://me@db/app'],
      ...['geheim', 'app', 'Correct its settings', 'postgres://you@db/app', 'besser'],
      ...['Back', 'Save and leave'],
    )
    expect(refused).toEqual([expect.stringContaining('has a password in it')])
    expect(asked.map(({ message }) => message)).toContain('postgres://you@db/app')
    expect(out).toContain('hint: set the password')
    expect(out).toContain('12.0 MB  app')
    expect(out).toContain('1 PostgreSQL server: app')
    expect(out).not.toMatch(/geheim|besser/)
    expect(values()).toEqual({
      SOURCE_1_POSTGRES: 'postgres://you@db/app',
      SOURCE_1_PASSWORD: 'besser',
      SOURCE_1_NAME: 'app',
    })
  })

  it('a MongoDB server is one of them, with several hosts and no password in its URL', async () => {
    const { asked, out, refused } = await wizard(
      [{ ok: true, lines: ['?  all databases, by mongodump 100.9.4'] }],
      ...[
        'Sources',
        'Add MongoDB',
        'mongodb://me:geheim@h1/',
        'mongodb://me@h1,h2:27018/?replicaSet=rs',
      ],
      ...['geheim', '', 'Back', 'Save and leave'],
    )
    expect(refused).toEqual([expect.stringContaining('has a password in it')])
    expect(asked.map(({ message }) => message)).toContain('mongodb://me@h1,h2:27018/?replicaSet=rs')
    expect(out).toContain('by mongodump 100.9.4')
    expect(out).toContain('1 MongoDB server: mongodb')
    expect(out).not.toContain('geheim')
    expect(values()).toEqual({
      SOURCE_1_MONGODB: 'mongodb://me@h1,h2:27018/?replicaSet=rs',
      SOURCE_1_PASSWORD: 'geheim',
      SOURCE_1_NAME: 'mongodb',
    })
  })

  it('a server of databases shows no password among its settings, and is not kept half', async () => {
    write('SOURCE_1_NAME=all\nSOURCE_1_MYSQL=mysql://me@db\nSOURCE_1_PASSWORD=geheim\n')
    const { out } = await wizard(
      [FAILS, FAILS],
      ...['Sources', 'all ', 'Test it', 'Back', 'Add MySQL', 'mysql://other', '', 'x', 'Undo'],
      ...['Back', 'Save and leave'],
    )
    expect(out).toContain('It was not added.')
    expect(out).not.toContain('geheim')
    expect(Object.keys(values())).toEqual([
      ...['SOURCE_1_NAME', 'SOURCE_1_MYSQL', 'SOURCE_1_PASSWORD'],
    ])
  })

  it('a folder that is not there is told, but may be mounted later', async () => {
    const { out } = await wizard(
      [],
      ...['Sources', 'Add a folder', '/no/such/folder', '', '', 'Back', 'Save and leave'],
    )
    expect(out).toContain('/no/such/folder does not exist at the moment')
    expect(values()).toMatchObject({ SOURCE_1_PATH: '/no/such/folder' })
  })
})

describe('saving', () => {
  it('is refused while the changes would not work, and works once they do', async () => {
    write('S3_SERVER_1_ENDPOINT=file:///mnt/a\n')
    const { out, saved } = await wizard(
      [],
      ...['Other settings', 'COPIES', '2', 'Back', 'Save and leave'],
      ...['Other settings', 'COPIES', '1', 'Back', 'Save and leave'],
    )
    expect(out).toContain('COPIES="2" is more than the number of enabled servers, 1')
    expect(saved).toBe(true)
    expect(values()).toMatchObject({ COPIES: '1' })
  })

  it('is not refused for what was wrong before, which is told', async () => {
    write('KEEP_DAILY=x\nZSTD_LEVEL=3\n')
    const { out, saved } = await wizard(
      [],
      ...['Other settings', 'ZSTD_LEVEL', '5', 'Back', 'Save and leave'],
    )
    expect(saved).toBe(true)
    expect(out.match(/KEEP_DAILY="x" must be a whole number/g)).toHaveLength(2)
    expect(text()).toBe('KEEP_DAILY=x\nZSTD_LEVEL=5\n')
  })

  it('closes a file that others could read', async () => {
    write('ZSTD_LEVEL=3\n', 0o644)
    const { out } = await wizard([], 'Save and leave')
    expect(out).toContain('Other users of this machine could read the file')
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('does not overwrite what somebody else wrote meanwhile', async () => {
    write('ZSTD_LEVEL=3\n')
    const answers = ['Other settings', 'ZSTD_LEVEL', '5', 'Back', 'Save and leave']
    await expect(wizard([], ...answers, () => write('ZSTD_LEVEL=7\n'))).rejects.toMatchObject({
      message: expect.stringContaining('was changed by somebody else') as string,
    })
    expect(text()).toBe('ZSTD_LEVEL=7\n')
  })
})

it('writes a secret sealed once there is a key, and shows a sealed one as set', async () => {
  mkdirSync(join(folder, 'data'), { mode: 0o700 })
  const key = `spillway-key-v1:${randomBytes(32).toString('base64url')}\n`
  writeFileSync(join(folder, 'data/seal.key'), key, { mode: 0o600 })
  await wizard([WORKS], ...AWS, 'Back', 'Save and leave')
  expect(text()).not.toMatch(/secretsecret|AKIDEXAMPLE/)
  expect(values()['S3_SERVER_1_SECRET_KEY']).toMatch(/^SEALED:v1:/)

  const again: Answer[] = ['S3 storage', 'backups', 'Change its settings', 'SECRET_KEY']
  const { shown, tested } = await wizard(
    [WORKS],
    ...[...again, '', 'REGION', 'eu-west-1', 'Done', 'Back', 'Back', 'Save and leave'],
  )
  expect(shown).toMatch(/SECRET_KEY +\*{8}/)
  expect(shown).toContain('...MPLE')
  expect(shown).not.toMatch(/SEALED|secretsecret/)
  // What was typed once is tested again, opened.
  expect(tested).toMatchObject([{ secretKey: 'secretsecret', region: 'eu-west-1' }])
})

describe('leaving', () => {
  it.each([
    ['in the main menu', []],
    ['in the middle of a server', AWS.slice(0, 6)],
    ['after changes', ['Other settings', 'ZSTD_LEVEL', '5', 'Back']],
  ])('by Ctrl-C %s changes nothing', async (_where, answers) => {
    write('# mine\n')
    await expect(wizard([], ...answers, CTRL_C)).rejects.toMatchObject({
      code: 'INTERRUPTED',
      message: `left without saving; ${file} is as it was`,
    })
    expect(text()).toBe('# mine\n')
  })

  it('asks before it throws changes away', async () => {
    write('ZSTD_LEVEL=3\n')
    const change: Answer[] = ['Other settings', 'ZSTD_LEVEL', '5', BACK]
    const { saved } = await wizard([], ...change, 'Leave without', false, BACK, true)
    expect(saved).toBe(false)
    expect(text()).toBe('ZSTD_LEVEL=3\n')
  })

  it('without changes asks nothing', async () => {
    const { saved, out } = await wizard([], 'Leave without')
    expect(saved).toBe(false)
    expect(out).toContain(`Nothing was changed in ${file}.`)
  })
})

/** Runs the wizard. A function among the answers is called once the file was opened. */
async function wizard(
  results: readonly (TestResult | Error)[],
  ...script: readonly (Answer | (() => void))[]
) {
  const answers = [...script]
  const hooks = answers.filter((answer) => typeof answer === 'function')
  const plan = answers.filter((answer) => typeof answer !== 'function')
  const outcomes = [...results]
  const tested: Server[] = []
  const lines: string[] = []
  const asked: Question[] = []
  const refused: string[] = []
  const draft = openDraft({ env: {}, cwd: folder })
  for (const hook of hooks) hook()
  const saved = await runWizard({
    draft,
    prompts: scripted(plan, { lines, asked, refused }),
    testServer: async (server) => {
      tested.push(server)
      const outcome = outcomes.shift()
      if (outcome === undefined) throw new Error('a test that the script does not expect')
      if (outcome instanceof Error) throw outcome
      return outcome
    },
    testSource: async (source) => {
      asked.push({ message: describeSource(source) })
      const outcome = outcomes.shift()
      if (outcome === undefined) throw new Error('a test that the script does not expect')
      if (outcome instanceof Error) throw outcome
      return outcome
    },
    testNotification: async () => {
      throw new Error('a test that the script does not expect')
    },
    print: (line) => void lines.push(line),
    signal: new AbortController().signal,
    now: () => new Date('2026-03-01T12:00:00Z'),
  })
  expect(plan, 'answers that nobody asked for').toEqual([])
  expect(outcomes, 'tests that did not happen').toEqual([])
  return { saved, tested, asked, refused, shown: lines.join('\n'), out: lines.join('\n') }
}

function write(content: string, mode = 0o600): void {
  writeFileSync(file, content)
  chmodSync(file, mode)
}

function text(): string {
  return readFileSync(file, 'utf8')
}

function values(): Record<string, string> {
  return parseEnvText(text())
}
