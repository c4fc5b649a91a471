import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editEnvText } from '../../src/config/env-file.ts'
import { parseEnvText } from '../../src/config/load.ts'
import { isSealable } from '../../src/config/sealed-env.ts'
import { isSealed, openValue, sealKeyOf, sealValue } from '../../src/config/sealed-value.ts'

const NAME = 'S3_SERVER_1_SECRET_KEY'
const key = sealKeyOf(randomBytes(32))
const other = sealKeyOf(randomBytes(32))

it('gives back any text, with quotes, line breaks and every script', () => {
  const values = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({ unit: fc.constantFrom("'", '"', '`', '\\', '#', '$', '\n', '\r', ' ', 'é', '🗝') }),
  )
  fc.assert(
    fc.property(values, (value) => {
      const sealed = sealValue(NAME, value, key)
      expect(sealed).toMatch(/^SEALED:v1:[A-Za-z0-9_-]+$/)
      expect(openValue(NAME, sealed, [other, key])).toEqual({ value })
      // As an env file holds it, whatever stood there before, without a quote more.
      const text = editEnvText(`${NAME}=old\n`, { set: [[NAME, sealed]] })
      expect(text).toBe(`${NAME}=${sealed}\n`)
      expect(parseEnvText(text)).toEqual({ [NAME]: sealed })
    }),
  )
})

it('never writes the same twice, so that nobody sees two secrets that are equal', () => {
  const texts = Array.from({ length: 1_000 }, () => sealValue(NAME, 'same', key))
  expect(new Set(texts).size).toBe(1_000)
})

it('refuses a text with one bit changed, at every character', () => {
  const sealed = sealValue(NAME, 'wJalrXUtnFEMI/K7MDENG', key)
  for (let at = 0; at < sealed.length; at += 1)
    for (let bit = 0; bit < 8; bit += 1) {
      const bytes = Buffer.from(sealed)
      bytes[at] = bytes[at]! ^ (1 << bit)
      const text = bytes.toString('latin1')
      // The frame itself: then it is no sealed value of this version.
      const opened = openValue(NAME, text, [key])
      expect(opened, `character ${at}, bit ${bit}`).not.toHaveProperty('value')
    }
})

it('refuses a text that was cut or grew, at every length', () => {
  const sealed = sealValue(NAME, 'secret', key)
  for (let length = 0; length < sealed.length; length += 1)
    expect(openValue(NAME, sealed.slice(0, length), [key])).not.toHaveProperty('value')
  expect(openValue(NAME, `${sealed}A`, [key])).toEqual({ failure: 'damaged' })
})

it.each([
  ['another key', NAME, [other], 'key'],
  ['no key', NAME, [], 'key'],
  ['another variable', 'S3_SERVER_2_SECRET_KEY', [key], 'damaged'],
] as const)('is worth nothing with %s', (_what, name, keys, failure) => {
  expect(openValue(name, sealValue(NAME, 'secret', key), keys)).toEqual({ failure })
})

it('knows what it cannot know yet', () => {
  expect(isSealed('SEALED:v2:abc')).toBe(true)
  expect(openValue(NAME, 'SEALED:v2:abc', [key])).toEqual({ failure: 'version' })
  expect(isSealed('sealed:v1:abc')).toBe(false)
  expect(isSealed('SEALED:mine')).toBe(false)
})

describe('what is sealed', () => {
  const file = { SOURCE_1_ENV: 'DB_PASSWORD, PGHOST', DB_PASSWORD: 'x', PGHOST: 'y' }
  it.each([
    ['S3_SERVER_1_SECRET_KEY', 'x', true],
    ['S3_SERVER_12_ACCESS_KEY', 'x', true],
    ['SOURCE_1_PASSWORD', 'x', true],
    ['NOTIFY_1_URL', 'ntfy+https://ntfy.sh/topic', true],
    ['NOTIFY_1_PASSWORD', 'x', true],
    ['HTTPS_PROXY', 'http://me:secret@proxy:3128', true],
    ['HTTPS_PROXY', 'http://proxy:3128', false],
    ['DB_PASSWORD', 'x', true],
    ['PGHOST', 'y', false],
    ['OTHER_PASSWORD', 'of another program', false],
    ['SOURCE_1_POSTGRES', 'postgres://backup@db/app', false],
    ['SOURCE_1_REDIS', 'redis://backup@cache', false],
    ['S3_SERVER_1_ENDPOINT', 'https://s3.example.net', false],
    ['S3_SERVER_1_SECRET_KEY_FILE', '/run/key', false],
    ['S3_SERVER_1_SECRET_KEY', '', false],
    ['S3_SERVER_1_SECRET_KEY', 'SEALED:v1:abc', false],
  ])('%s=%s: %s', (name, value, expected) => {
    expect(isSealable(name, value, file)).toBe(expected)
  })
})
