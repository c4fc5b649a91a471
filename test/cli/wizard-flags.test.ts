// `spillway configure` without a terminal: --set, --unset, --print, and secrets on standard input.

import { execFile } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inputLines } from '../../src/cli/prompts.ts'
import { editEnvText } from '../../src/config/env-file.ts'
import { parseEnvText } from '../../src/config/load.ts'
import {
  isSecretValue,
  maskKeyId,
  maskValue,
  printableLines,
} from '../../src/operations/configure-masks.ts'
import { nextNumber, reorderEntries } from '../../src/operations/configure-entries.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/configure.js')

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-flags-'))
  file = join(folder, 'settings.env')
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

const FILE = `# mine
S3_SERVER_1_ENDPOINT=s3.example.net
S3_SERVER_1_REGION=eu-1
S3_SERVER_1_ACCESS_KEY=AKIDEXAMPLE
S3_SERVER_1_SECRET_KEY="old secret" # wrong
S3_SERVER_1_BUCKET=backups
HTTPS_PROXY=http://me:hunter2@proxy:3128
DB_PASSWORD=swordfish
`

describe('--set and --unset', () => {
  it('change the file and nothing else in it', async () => {
    write(FILE)
    const { exit, err } = await configure({
      args: ['--set', 'KEEP_DAILY=14', '--set=S3_SERVER_1_SECRET_KEY=-', '--unset', 'HTTPS_PROXY'],
      input: 'new-secret\r\nanother line\n',
    })
    expect(err).toBe('')
    expect(exit).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(
      FILE.replace('"old secret"', '"new-secret"').replace(
        /HTTPS_PROXY.*\n(.*)\n/,
        '$1\nKEEP_DAILY=14\n',
      ),
    )
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('says when there was nothing to unset', async () => {
    write(FILE)
    const { exit, err } = await configure({ args: ['--unset=HTTPS_PROXI', '--unset=HTTPS_PROXY'] })
    expect(err).toMatch(/^warning: HTTPS_PROXI is not in .*: there was nothing to unset\n?$/m)
    expect(err).not.toContain('HTTPS_PROXY is not in')
    expect(exit).toBe(0)
    expect(readFileSync(file, 'utf8')).not.toContain('HTTPS_PROXY=')
  })

  it('create the file, with secrets in the order of their flags', async () => {
    const { exit } = await configure({
      args: [
        ...['--set=S3_SERVER_1_ENDPOINT=s3.example.net', '--set=S3_SERVER_1_REGION=eu-1'],
        ...['--set=S3_SERVER_1_BUCKET=backups', '--set=S3_SERVER_1_ACCESS_KEY=-'],
        ...['--set=S3_SERVER_1_SECRET_KEY=-', '--set=S3_SERVER_2_ENDPOINT=file:///mnt/b'],
      ],
      input: 'AKIDEXAMPLE\nsecret-of-one',
    })
    expect(exit).toBe(0)
    expect(parseEnvText(readFileSync(file, 'utf8'))).toMatchObject({
      S3_SERVER_1_ACCESS_KEY: 'AKIDEXAMPLE',
      S3_SERVER_1_SECRET_KEY: 'secret-of-one',
      S3_SERVER_2_ENDPOINT: 'file:///mnt/b',
    })
  })

  it.each([
    [['--set=S3_SERVER_1_SECRET_KEY=hush-hush'], 2, 'S3_SERVER_1_SECRET_KEY is a secret'],
    [['--set=HTTPS_PROXY=http://u:hush@proxy:1'], 2, 'HTTPS_PROXY is a secret'],
    [['--set=S3_SERVER_1_SECRET_KEY=-'], 2, 'standard input has no line for'],
    [['--set=KEEP_DAILY'], 2, '--set needs KEY=VALUE'],
    [['--set=KEEP_DALY=3'], 2, 'the nearest is KEEP_DAILY'],
    [['--set=KEEP_DAILY=3', '--set=KEEP_DAILY=4'], 2, 'names KEEP_DAILY twice'],
    [['--set=KEEP_DAILY=3', '--unset=KEEP_DAILY'], 2, 'both name KEEP_DAILY'],
    [['--unset=KEEP DAILY'], 2, 'needs the name of a variable'],
    [['--set=KEEP_DAILY=x'], 4, 'KEEP_DAILY="x" must be a whole number'],
    [['--set=S3_SERVER_1_BUKCET=x'], 4, 'the nearest is S3_SERVER_1_BUCKET'],
    [['--unset=S3_SERVER_1_BUCKET'], 4, 'S3_SERVER_1_BUCKET is missing'],
    [['--set=COPIES=3', '--set=S3_SERVER_1_SECRET_KEY=-'], 4, 'COPIES="3" is more than'],
  ])('%j is refused with %i, and writes nothing', async (args, exit, message) => {
    write(FILE)
    const input = args.length > 1 ? 'good-secret\n' : ''
    const result = await configure({ args, input })
    expect(result.err).toContain(message)
    expect(result.exit).toBe(exit)
    expect(result.err).not.toContain('hush')
    expect(readFileSync(file, 'utf8')).toBe(FILE)
  })

  it('tell what was wrong before, and are not kept from mending the rest', async () => {
    write(`${FILE}COPIES=x\n`)
    const { exit, err } = await configure({ args: ['--set=ZSTD_LEVEL=5'] })
    expect(exit).toBe(0)
    expect(err).toContain('still wrong: COPIES="x" must be a whole number')
    expect(err).toContain('still wrong: S3_SERVER_1_SECRET_KEY must not contain spaces')
    expect(err).not.toContain('old secret')
    expect(readFileSync(file, 'utf8')).toContain('ZSTD_LEVEL=5')
  })
})

it('--set does not put one wrong value in the place of another', async () => {
  write('COPIES=x\n')
  const { exit, err } = await configure({ args: ['--set=COPIES=y'] })
  expect(exit).toBe(4)
  expect(err).toContain('COPIES="y" must be a whole number')
  expect(readFileSync(file, 'utf8')).toBe('COPIES=x\n')
})

it.each(['POSTGRES', 'MYSQL', 'MONGODB', 'REDIS'])(
  'the user of a database of %s is shown, and a password that should not stand there is not',
  (kind) => {
    const name = `SOURCE_1_${kind}`
    const url = `${kind.toLowerCase()}://backup@db.example.net:6379`
    expect(maskValue(name, url)).toBe(url)
    expect(isSecretValue(name, url)).toBe(false)
    expect(maskValue(name, 'x://backup:hunter2@db')).toBe('x://********@db')
  },
)

describe('--print', () => {
  it('shows the variables, but no secret, whoever it belongs to', async () => {
    write(`${FILE}# S3_SERVER_9_SECRET_KEY=commented-out\n`)
    const { exit, out } = await configure({ args: ['--print'] })
    expect(exit).toBe(0)
    expect(out.trimEnd().split('\n')).toEqual([
      'S3_SERVER_1_ENDPOINT=s3.example.net',
      'S3_SERVER_1_REGION=eu-1',
      'S3_SERVER_1_ACCESS_KEY=...MPLE',
      "S3_SERVER_1_SECRET_KEY='********'",
      'S3_SERVER_1_BUCKET=backups',
      expect.stringMatching(/^HTTPS_PROXY=.*proxy:3128/),
      "DB_PASSWORD='********'",
    ])
    expect(out).not.toMatch(/hunter2|swordfish|old secret|commented-out/)
  })

  it('reads a file that is not safe yet, and changes nothing', async () => {
    write(FILE, 0o644)
    expect((await configure({ args: ['--print'] })).exit).toBe(0)
    expect(statSync(file).mode & 0o777).toBe(0o644)
  })
})

it('without a terminal and without flags it says what it needs', async () => {
  const { exit, err } = await configure({ args: [] })
  expect(exit).toBe(2)
  expect(err).toContain('configure asks questions, and this is no terminal')
  expect(err).toContain('--set KEY=VALUE')
  expect(existsSync(file)).toBe(false)
})

it('masks so that two keys can be told apart, and no secret can be guessed', () => {
  expect(maskKeyId('AKIDEXAMPLE')).toBe('...MPLE')
  expect(maskKeyId('minio')).toBe('********')
  expect(maskValue('S3_SERVER_3_SECRET_KEY', '')).toBe('')
  for (const [proxy, shown] of [
    ['joe:Sup3r@proxy:3128', '********@proxy:3128'],
    ['http://joe:Sup3r@S3cret@proxy:3128', 'http://********@proxy:3128'],
    ['http://joe:Sup3r/S3cret@proxy:3128', 'http://********@proxy:3128'],
    ['http://proxy:3128', 'http://proxy:3128'],
  ] as const)
    expect(maskValue('HTTPS_PROXY', proxy)).toBe(shown)
  expect(maskValue('S3_SERVER_1_ENDPOINT', 'https://me:a@b@s3.example.net/x@y')).toBe(
    'https://********@s3.example.net/x@y',
  )
  expect(maskValue('S3_SERVER_1_SECRET_KEY_FILE', 'secret-key')).toBe('secret-key')
  const mongodb = 'mongodb://backup@h1:27017,h2/?authSource=admin'
  expect(maskValue('SOURCE_1_MONGODB', mongodb)).toBe(mongodb)
  expect(maskValue('SOURCE_1_MONGODB', 'mongodb+srv://me:geheim@h/x')).not.toContain('geheim')
  expect(isSecretValue('S3_SERVER_1_ACCESS_KEY', 'AKIDEXAMPLE')).toBe(false)
  expect(isSecretValue('S3_SERVER_1_SECRET_KEY', 'x')).toBe(true)
  expect(printableLines({ A: 'two words', EMPTY: '' })).toEqual(["A='two words'", 'EMPTY='])
})

it('reorders entries by dealing out the same numbers anew', () => {
  const text = 'SOURCE_2_PATH=/a\nSOURCE_5_PATH=/b\nSOURCE_9_PATH=/c\nSOURCE_9_ODD=1\n'
  const values = parseEnvText(text)
  const edited = editEnvText(text, reorderEntries(values, 'SOURCE', [9, 2, 5]))
  expect(parseEnvText(edited)).toEqual({
    SOURCE_5_PATH: '/a',
    SOURCE_9_PATH: '/b',
    SOURCE_2_PATH: '/c',
    SOURCE_2_ODD: '1',
  })
  expect(nextNumber(values, 'SOURCE')).toBe(10)
  expect(nextNumber({}, 'SOURCE')).toBe(1)
})

it('reads lines of standard input however they are cut', async () => {
  const bytes = Buffer.from('ä one\r\n\ntwo')
  const next = inputLines(Readable.from([...bytes].map((byte) => Buffer.from([byte]))))
  expect([await next(), await next(), await next(), await next()]).toEqual([
    'ä one',
    '',
    'two',
    undefined,
  ])
})

function write(text: string, mode = 0o600): void {
  writeFileSync(file, text)
  chmodSync(file, mode)
}

/** The built program, as `npm run configure` starts it, without a terminal. */
function configure({ args, input = '' }: { args: readonly string[]; input?: string }) {
  return new Promise<{ exit: number | null; out: string; err: string }>((resolve) => {
    const all = [PROGRAM, '--config', file, ...args]
    const env = { PATH: process.env['PATH'], HOME: folder }
    const child = execFile(process.execPath, all, { env, cwd: folder }, (_error, out, err) => {
      resolve({ exit: child.exitCode, out, err })
    })
    // It may refuse before it reads: then nobody is left to read, which is no failure of the test.
    child.stdin?.on('error', () => {}).end(input)
  })
}
