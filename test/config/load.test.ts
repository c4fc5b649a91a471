import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findEnvFile, joinEnv, loadConfig } from '../../src/config/load.ts'
import { SpillwayError } from '../../src/domain/errors.ts'

const isRoot = process.getuid?.() === 0
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-load-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

const SERVER = `S3_SERVER_1_ENDPOINT=s3.example.net
S3_SERVER_1_REGION=eu-1
S3_SERVER_1_ACCESS_KEY=AKIDEXAMPLE
S3_SERVER_1_SECRET_KEY=veryverysecret
S3_SERVER_1_BUCKET=backups
`

describe('the file', () => {
  it('is .env in the working folder unless another is named', () => {
    write('.env', SERVER)
    const { config, secrets } = load({})
    expect(config.envFile).toBe(join(folder, '.env'))
    expect(config.dataDir).toBe(join(folder, 'data'))
    expect(secrets).toEqual(['veryverysecret'])
  })

  it('is named by SPILLWAY_CONFIG, and before that by --config', () => {
    write('.env', 'ZSTD_LEVEL=1')
    write('b.env', 'ZSTD_LEVEL=2')
    write('c.env', 'ZSTD_LEVEL=4')
    expect(load({ env: { SPILLWAY_CONFIG: 'b.env' } }).config.zstdLevel).toBe(2)
    expect(
      load({ env: { SPILLWAY_CONFIG: 'b.env' }, configFlag: join(folder, 'c.env') }).config,
    ).toMatchObject({ zstdLevel: 4, envFile: join(folder, 'c.env') })
  })

  it('may be missing if nobody named it: then the environment speaks alone', () => {
    const env = Object.fromEntries(
      SERVER.trim()
        .split('\n')
        .map((line) => line.split('=') as [name: string, value: string]),
    )
    const { config } = load({ env })
    expect(config.servers).toHaveLength(1)
    expect(config.envFile).toBeUndefined()
  })

  it.each([{}, { PATH: '/bin', KEEP_DAILY: '7' }, { S3_SERVER_1_ENDPOINT: ' ' }])(
    'must not be missing where the environment %j sets up nothing',
    (env) => {
      expect(refusal({ env })).toMatchObject({
        code: 'CONFIG_INVALID',
        failure: { exit: 4 },
        message: `${join(folder, '.env')} does not exist, and the environment has no settings`,
        hint:
          'go to the folder of the env file, name it with --config FILE, ' +
          'or begin with: spillway configure',
      })
    },
  )

  it('may be missing where the environment names a source alone', () => {
    expect(load({ env: { SOURCE_1_PATH: '/srv' } }).config.sources).toHaveLength(1)
  })

  it.each([
    ['--config', { configFlag: 'no.env' }],
    ['SPILLWAY_CONFIG', { env: { SPILLWAY_CONFIG: 'no.env' } }],
  ])('must exist when %s names it', (_how, place) => {
    expect(refusal(place)).toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${join(folder, 'no.env')} does not exist`,
      hint: 'create it with: spillway configure',
    })
  })

  it.each([
    ['a folder', () => mkdirSync(join(folder, '.env')), 'is a folder, not a file'],
    ['a pipe', () => execFileSync('mkfifo', [join(folder, '.env')]), 'is not a regular file'],
    ['UTF-16', () => write('.env', Buffer.from('A=1', 'utf16le')), 'is not a text file'],
    ['Latin-1', () => write('.env', Buffer.from('A=\xe4', 'latin1')), 'is not UTF-8 text'],
    ['huge', () => write('.env', 'A'.repeat(1_000_001)), 'too large for an env file'],
  ])('is refused with a clear word when it is %s', (_what, make, message) => {
    make()
    expect(refusal({}).message).toContain(message)
    expect(refusal({}).code).toBe('CONFIG_INVALID')
  })

  it('is not executed and changes no environment', () => {
    write('.env', 'ZSTD_LEVEL=5\nSPILLWAY_LOAD_TEST=$(touch x)\n')
    const before = { ...process.env }
    expect(load({}).config.zstdLevel).toBe(5)
    expect(process.env).toEqual(before)
  })
})

describe('the environment', () => {
  it('is named where a value of it is wrong, and not the file that does not have it', () => {
    write('.env', SERVER)
    const path = join(folder, '.env')
    const { message, hint } = refusal({ env: { COPIES: '3' } })
    expect(message).toMatch(
      new RegExp(`^1 problem in the environment, which wins over ${path}\nCOPIES="3" `),
    )
    expect(hint).toBe('correct it where this program is started from, or unset it there')
  })

  it('is named beside a value of it where others stand in the file', () => {
    write('.env', `${SERVER}ZSTD_LEVEL=99\n`)
    const { message } = refusal({ env: { KEEP_DAILY: 'x' } })
    expect(message).toMatch(`2 problems in ${join(folder, '.env')}\n`)
    expect(message).toMatch(/^KEEP_DAILY="x" \(from the environment\) must be /m)
    expect(message).toMatch(/^ZSTD_LEVEL="99" must be /m)
  })

  it('wins over the file, but an empty variable does not erase', () => {
    write('.env', `${SERVER}ZSTD_LEVEL=5\nCOPIES=1\n`)
    const { config } = load({ env: { ZSTD_LEVEL: '7', S3_SERVER_1_BUCKET: '' } })
    expect(config.zstdLevel).toBe(7)
    expect(config.servers[0]).toMatchObject({ bucket: 'backups' })
  })

  it('is joined without taking its other variables for misspelt ones', () => {
    write('.env', 'ZSTD_LEVEL=5')
    expect(load({ env: { KEEP_WEEKY: '1' } }).config.zstdLevel).toBe(5)
    write('.env', 'KEEP_WEEKY=1')
    expect(refusal({}).message).toContain('KEEP_WEEKY is not a setting; is KEEP_WEEKLY meant?')
  })

  it('joins records so', () => {
    expect(joinEnv({ A: '1', B: '2' }, { B: '3', A: ' ', C: '4' })).toEqual({
      A: '1',
      B: '3',
      C: '4',
    })
  })
})

describe('an env file with secrets [F100]', () => {
  it.each([0o640, 0o604, 0o660, 0o644, 0o666, 0o620, 0o601])('is refused with mode %o', (mode) => {
    write('.env', SERVER, mode)
    expect(refusal({})).toMatchObject({
      code: 'CONFIG_UNSAFE',
      hint: `chmod 600 ${join(folder, '.env')}`,
    })
    expect(refusal({}).message).toContain(`its mode 0${mode.toString(8)}`)
  })

  it.each([0o600, 0o400, 0o700])('is read with mode %o', (mode) => {
    write('.env', SERVER, mode)
    expect(load({}).config.servers).toHaveLength(1)
  })

  it('counts credentials in a URL as secrets', () => {
    write('.env', 'HTTPS_PROXY=http://u:p@proxy:1', 0o644)
    expect(refusal({}).code).toBe('CONFIG_UNSAFE')
  })

  it('may be readable by all if it holds none', () => {
    write('.env', 'ZSTD_LEVEL=5\nS3_SERVER_1_SECRET_KEY=\n', 0o644)
    expect(load({}).config.zstdLevel).toBe(5)
  })

  it('is judged by the file that a link leads to', () => {
    write('real.env', SERVER, 0o644)
    symlinkSync('real.env', join(folder, '.env'))
    expect(refusal({}).code).toBe('CONFIG_UNSAFE')
    chmodSync(join(folder, 'real.env'), 0o600)
    expect(load({}).config.servers).toHaveLength(1)
  })

  it.skipIf(!isRoot)('is refused when it belongs to somebody else', () => {
    write('.env', SERVER)
    chownSync(join(folder, '.env'), 12_345, 12_345)
    expect(refusal({})).toMatchObject({ code: 'CONFIG_UNSAFE' })
    expect(refusal({}).message).toContain('belongs to user 12345, not to 0')
  })
})

it('lists all problems, those of the text and those of the values', () => {
  write('.env', 'COPIES=0\nZSTD_LEVEL=0\nZSTD_LEVEL=99\nKEEP_LAST 3\n')
  const error = refusal({})
  expect(error.message.split('\n')).toEqual([
    `4 problems in ${join(folder, '.env')}`,
    'ZSTD_LEVEL is set on more than one line (2, 3); remove all but one',
    'KEEP_LAST on line 4 is not followed by "="; write KEEP_LAST=...',
    'COPIES="0" must be a whole number from 1 to 100',
    'ZSTD_LEVEL="99" must be a whole number from 1 to 19',
  ])
  expect(error.facts['count']).toBe(4)
  expect(error.failure.exit).toBe(4)
})

it('refuses --config without a name', () => {
  expect(() => findEnvFile({ configFlag: '', env: {} })).toThrow('--config needs the name')
})

type Place = Parameters<typeof loadConfig>[0]

function load(place: NonNullable<Place>) {
  return loadConfig({ env: {}, cwd: folder, ...place })
}

function refusal(place: NonNullable<Place>): SpillwayError {
  try {
    load(place)
  } catch (error) {
    if (error instanceof SpillwayError) return error
    throw error
  }
  return expect.unreachable('it is refused')
}

function write(name: string, content: string | Buffer, mode = 0o600): void {
  writeFileSync(join(folder, name), content)
  chmodSync(join(folder, name), mode)
}
