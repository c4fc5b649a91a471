import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRedactor, HIDDEN } from '../../src/lib/redact.ts'

const SECRET = 'wJalr/XUtn+FEMI K7MDENG'

describe('createRedactor', () => {
  const redact = createRedactor([SECRET, 'p@ss:word'])

  it.each([
    ['as it is', SECRET],
    ['in a URL', encodeURIComponent(SECRET)],
    ['in a URL, small digits', encodeURIComponent(SECRET).replaceAll('%2F', '%2f')],
    ['in a form', encodeURIComponent(SECRET).replaceAll('%20', '+')],
    ['in base64', Buffer.from(SECRET).toString('base64')],
    ['after a user name in base64', Buffer.from(`user:${SECRET}`).toString('base64')],
    ['in the middle of base64url', Buffer.from(`ab${SECRET}cde`).toString('base64url')],
    ['in JSON', JSON.stringify({ key: SECRET })],
  ])('hides a known secret %s', (_name, text) => {
    const hidden = redact(`before ${text} after`)
    expect(hidden).toContain(HIDDEN)
    expect(hidden).toMatch(/^before .* after$/)
    expect(hidden).not.toContain(text)
  })

  it('hides a known secret wherever it stands [F101a]', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string({ minLength: 8 }),
        fc.string(),
        (before, secret, after) => {
          // A secret that crosses the mark of a hidden one cannot be told from innocent text.
          fc.pre(!HIDDEN.includes(secret))
          expect(createRedactor([secret])(before + secret + after)).not.toContain(secret)
        },
      ),
    )
  })

  it.each([
    ['Authorization: AWS4-HMAC-SHA256 Credential=AK/2026/x, Signature=0f0f\nHost: a', 'Host: a'],
    ['{"authorization":"Bearer abcdef","host":"a"}', '"host":"a"'],
    ['proxy-authorization: Basic dXNlcjpwYXNz', 'proxy-authorization'],
    ['https://h/k?X-Amz-Signature=0123abcd&X-Amz-Date=now', 'X-Amz-Date=now'],
    ["{'x-amz-security-token': 'FwoGZXIvYXdz'}", 'x-amz-security-token'],
    ['proxy http://user:pass@proxy.example.net:3128 refused', '@proxy.example.net:3128 refused'],
  ])('hides what looks like a credential in %s', (text, kept) => {
    const hidden = createRedactor([])(text)
    expect(hidden).toContain(kept)
    expect(hidden).not.toMatch(/0f0f|abcdef|dXNlcjpwYXNz|0123abcd|FwoGZXIvYXdz|user:pass/)
  })

  it.each([
    '--into=VALUE  instead of --to: postgres://user@host:port[/DATABASE], mysql://..., or origin',
    'as in --into=postgres://user@db.example.net:5432, or with /DATABASE behind it',
    'postgres://USER@HOST:PORT/DATABASE, without DATABASE for all of them',
    'write smtp://USER@HOST:587/?from=ADDRESS&to=ADDRESS',
  ])('shows what is to be written instead of a name: %s', (text) => {
    expect(redact(text)).toBe(text)
  })

  it.each([
    'postgres://user:swordfish@db.example.net',
    'https://swordfish@hooks.example.net',
    'redis://user@swordfish@db.example.net',
    'redis://user%40swordfish@db.example.net',
    'redis://user@x"},{"redis://swordfish@db.example.net',
  ])('hides the user part of a URL that is more than that: %s', (text) => {
    expect(redact(text)).toContain(`${HIDDEN}@`)
    expect(redact(text).replace(/@swordfish@/, '')).not.toContain('swordfish')
  })

  it('hides the word in its place once it is known to be a secret', () => {
    expect(createRedactor(['user'])('redis://user@host')).toBe(`redis://${HIDDEN}@host`)
  })

  it('leaves other text alone, and may be used twice', () => {
    const text = 'put 12 parts to https://s3.example.net/backups/web1/2026/03/01/www.tar.zst'
    expect(redact(text)).toBe(text)
    expect(redact(redact(`a ${SECRET}`))).toBe(`a ${HIDDEN}`)
  })

  it('does not tear words apart for the sake of an empty or tiny secret', () => {
    expect(createRedactor(['', 'a', 'abc'])('abc a')).toBe('abc a')
  })
})
