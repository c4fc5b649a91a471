// Sealed values in the env file and in the environment, as every command reads them.

import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig, loadTellable } from '../../src/config/load.ts'
import { sealKeyOf, sealValue } from '../../src/config/sealed-value.ts'
import type { SpillwayError } from '../../src/domain/errors.ts'

const isRoot = process.getuid?.() === 0
const bytes = randomBytes(32)
const key = sealKeyOf(bytes)
const SECRET = 'S3_SERVER_1_SECRET_KEY'
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-sealed-'))
  mkdirSync(join(folder, 'data'))
  writeKey(join(folder, 'data/seal.key'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a sealed value', () => {
  it('is what was sealed, wherever it stands', () => {
    write({ [SECRET]: sealValue(SECRET, 'veryverysecret', key) })
    const { config, secrets } = load()
    expect(config.servers).toMatchObject([{ secretKey: 'veryverysecret' }])
    expect(secrets).toEqual(['veryverysecret'])

    write({ [SECRET]: 'of-the-file' })
    const env = { [SECRET]: sealValue(SECRET, 'of-the-environment', key) }
    expect(load(env).config.servers).toMatchObject([{ secretKey: 'of-the-environment' }])
  })

  it('may be of any secret setting', () => {
    write({
      [SECRET]: 'plain-beside-it',
      NOTIFY_1_URL: sealValue('NOTIFY_1_URL', 'ntfy+https://ntfy.example.net/topic-x', key),
      HTTPS_PROXY: sealValue('HTTPS_PROXY', 'http://me:hunter2@proxy:3128', key),
      SOURCE_1_NAME: 'dump',
      SOURCE_1_COMMAND: 'pg_dump app',
      SOURCE_1_ENV: 'PGPASSWORD',
      PGPASSWORD: sealValue('PGPASSWORD', 'swordfish', key),
    })
    const { config, secrets } = load()
    expect(config.notifications).toMatchObject([{ label: '1: ntfy ntfy.example.net' }])
    expect(config.proxy.httpsProxy).toBe('http://me:hunter2@proxy:3128')
    expect(config.sources).toMatchObject([{ environment: { PGPASSWORD: 'swordfish' } }])
    expect(secrets).toEqual(
      expect.arrayContaining(['hunter2', 'swordfish', 'https://ntfy.example.net/topic-x']),
    )
    expect(loadTellable(place())?.config.notifications).toHaveLength(1)
  })

  it('is judged like a plain one', () => {
    write({ [SECRET]: sealValue(SECRET, 'has spaces', key) })
    expect(refusal().message).toContain(`${SECRET} must not contain spaces`)
    expect(refusal().message).not.toContain('has spaces')
  })
})

describe('the key', () => {
  const sealed = { [SECRET]: sealValue(SECRET, 'veryverysecret', key) }

  it('is named by SEAL_KEY_FILE, beside the env file or anywhere', () => {
    rmSync(join(folder, 'data/seal.key'))
    writeKey(join(folder, 'my.key'))
    write({ ...sealed, SEAL_KEY_FILE: 'my.key' })
    expect(load().config.sealKeyFile).toBe(join(folder, 'my.key'))
  })

  it('is a systemd credential, whose mode is as systemd gives it', () => {
    rmSync(join(folder, 'data/seal.key'))
    const CREDENTIALS_DIRECTORY = join(folder, 'credentials')
    mkdirSync(CREDENTIALS_DIRECTORY)
    writeKey(join(CREDENTIALS_DIRECTORY, 'spillway-key'), { mode: 0o440 })
    write(sealed)
    expect(load({ CREDENTIALS_DIRECTORY }).config.servers).toHaveLength(1)
  })

  it('may be the next one of a change that was cut off', () => {
    const next = randomBytes(32)
    writeKey(join(folder, 'data/seal.key.new'), { bytes: next })
    const id = 'S3_SERVER_1_ACCESS_KEY'
    write({ ...sealed, [id]: sealValue(id, 'AKIDNEXT', sealKeyOf(next)) })
    expect(load().config.servers).toMatchObject([
      { secretKey: 'veryverysecret', accessKey: 'AKIDNEXT' },
    ])
  })

  it('that is lost leads back to plain text, for what no command can set', () => {
    write({ ...sealed, MY_TOKEN: sealValue('MY_TOKEN', 'abc', sealKeyOf(randomBytes(32))) })
    expect(refusal().message).toContain('write its line in plain once more, then: spillway seal')
  })

  const none = () => rmSync(join(folder, 'data/seal.key'))
  const another = () => writeKey(join(folder, 'data/seal.key'), { bytes: randomBytes(32) })
  it.each([
    ['missing', none, 'is sealed, and its key is missing: ', 'spillway seal --create-key'],
    ['another one', another, 'is sealed with another key than ', `--set=${SECRET}=-`],
    ['readable by others', () => mode(0o644), 'lets others at it: ', 'chmod 600 '],
    ['readable by a group', () => mode(0o640), 'lets others at it: ', 'chmod 600 '],
    [
      'empty',
      () => writeFileSync(join(folder, 'data/seal.key'), ''),
      'is no key of',
      'SEAL_KEY_FILE',
    ],
    [
      'a folder',
      () => (none(), mkdirSync(join(folder, 'data/seal.key'), { mode: 0o700 })),
      'is no key of',
      'SEAL_KEY_FILE',
    ],
  ])('that is %s is told, with a remedy', (_what, spoil, reason, remedy) => {
    write(sealed)
    spoil()
    expect(refusal()).toMatchObject({ code: 'CONFIG_INVALID', failure: { exit: 4 } })
    const { message } = refusal()
    expect(message.split('\n')).toHaveLength(2)
    expect(message).toContain(`${SECRET} is sealed`)
    expect(message).toContain(reason)
    expect(message).toContain(remedy)
    expect(message).not.toContain('SEALED:')
  })

  it.skipIf(!isRoot)('of somebody else is refused', () => {
    write(sealed)
    chownSync(join(folder, 'data/seal.key'), 12_345, 12_345)
    expect(refusal().message).toContain('belongs to user 12345, not to 0')
  })

  it('is asked for only where something is sealed', () => {
    mode(0o644)
    write({ [SECRET]: 'plain' })
    expect(load().config.servers).toHaveLength(1)
  })
})

it('what was moved to another variable is told with the one that it was sealed for', () => {
  const url = 'NOTIFY_3_URL'
  write({
    [SECRET]: sealValue('S3_SERVER_7_SECRET_KEY', 'veryverysecret', key),
    [url]: sealValue('SOURCE_2_PASSWORD', 'veryverysecret', key),
  })
  expect(refusal().message.split('\n').slice(1)).toEqual([
    `${SECRET} holds what was sealed for S3_SERVER_7_SECRET_KEY; a sealed value works under its own name only: type the secret again: spillway configure --set=${SECRET}=-`,
    `${url} holds what was sealed for SOURCE_2_PASSWORD; a sealed value works under its own name only: type the secret again: spillway configure --set=${url}=-`,
  ])
})

it('what is damaged is told as that, and with what else is wrong', () => {
  const text = sealValue(SECRET, 'veryverysecret', key)
  write({ [SECRET]: `${text.slice(0, -2)}AA`, COPIES: 'x' })
  expect(refusal().message).toMatch(
    /^2 problems in .*\n.*SECRET_KEY is sealed, and its text is damaged; restore the line, or .*\nCOPIES="x" must/,
  )
})

function mode(bits: number): void {
  chmodSync(join(folder, 'data/seal.key'), bits)
}

function writeKey(file: string, more: { bytes?: Buffer; mode?: number } = {}): void {
  const text = `spillway-key-v1:${(more.bytes ?? bytes).toString('base64url')}\n`
  writeFileSync(file, text)
  chmodSync(file, more.mode ?? 0o600)
}

function write(more: Readonly<Record<string, string>>): void {
  const all = {
    ...{ S3_SERVER_1_ENDPOINT: 's3.example.net', S3_SERVER_1_REGION: 'eu-1' },
    ...{ S3_SERVER_1_ACCESS_KEY: 'AKIDEXAMPLE', S3_SERVER_1_BUCKET: 'backups', ...more },
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\n`)
  writeFileSync(join(folder, '.env'), lines.join(''), { mode: 0o600 })
}

function place(env: Readonly<Record<string, string>> = {}) {
  return { env, cwd: folder }
}

function load(env: Readonly<Record<string, string>> = {}) {
  return loadConfig(place(env))
}

function refusal(): SpillwayError {
  try {
    load()
  } catch (error) {
    return error as SpillwayError
  }
  throw new Error('it was taken')
}
