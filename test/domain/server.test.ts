import { describe, expect, it } from 'vitest'
import { bucketOf, identityOf } from '../../src/domain/server.ts'
import { fileServer, s3Server } from '../support/catalog-story.ts'

describe('identityOf', () => {
  it.each([
    ['the scheme', 'http://s3.example.com', 'https://s3.example.com'],
    ['the default port of https', 'https://s3.example.com:443', 'https://s3.example.com'],
    ['the default port of http', 'http://s3.example.com:80', 'https://s3.example.com'],
    ['upper case in the host', 'https://S3.Example.COM', 'https://s3.example.com'],
    ['a slash at the end', 'https://s3.example.com/', 'https://s3.example.com'],
    ['slashes at the end of a path', 'https://s3.example.com/api//', 'https://s3.example.com/api'],
    ['slashes at the end of a folder', 'file:///mnt/usb/', 'file:///mnt/usb'],
  ])('is the same whatever is said about %s', (_what, one, other) => {
    expect(identityOf(one, 'b', '')).toBe(identityOf(other, 'b', ''))
  })

  it.each([
    ['port', ['https://s3.example.com:9000', 'b', ''], ['https://s3.example.com', 'b', '']],
    ['bucket', ['https://s3.example.com', 'b', ''], ['https://s3.example.com', 'c', '']],
    ['case of a bucket', ['https://s3.example.com', 'B', ''], ['https://s3.example.com', 'b', '']],
    ['prefix', ['https://s3.example.com', 'b', 'p'], ['https://s3.example.com', 'b', '']],
    ['case of a folder', ['file:///mnt/A', undefined, ''], ['file:///mnt/a', undefined, '']],
    // A bucket may not pass for a prefix, nor the other way round.
    ['place of a name', ['https://h', 'x', ''], ['https://h', '', 'x']],
  ])('differs by %s', (_what, one, other) => {
    expect(identity(one)).not.toBe(identity(other))
  })

  it('never holds a key of the server', () => {
    expect(s3Server(1).identity).toBe('s3-1.example.com|backups|')
  })
})

it('knows no bucket of a local directory', () => {
  expect([bucketOf(s3Server(1)), bucketOf(fileServer(2, '/mnt/usb'))]).toEqual(['backups', null])
})

function identity([endpoint = '', bucket, prefix = '']: readonly (string | undefined)[]): string {
  return identityOf(endpoint, bucket, prefix)
}
