import { describe, expect, it } from 'vitest'
import { parseEndpoint } from '../../src/config/endpoint.ts'
import { ValueProblem } from '../../src/config/problem.ts'

describe('parseEndpoint understands', () => {
  it.each([
    ['s3.example.net', 'https://s3.example.net'],
    ['S3.Example.NET', 'https://s3.example.net'],
    ['s3.example.net:9000', 'https://s3.example.net:9000'],
    ['localhost:9000', 'https://localhost:9000'],
    ['10.0.0.5:9000', 'https://10.0.0.5:9000'],
    ['[::1]:9000', 'https://[::1]:9000'],
    ['https://s3.example.net', 'https://s3.example.net'],
    ['https://s3.example.net:443/', 'https://s3.example.net'],
    ['http://10.0.0.5:9000///', 'http://10.0.0.5:9000'],
    ['HTTP://minio', 'http://minio'],
    ['https://https://s3.example.net', 'https://s3.example.net'],
    ['https:/s3.example.net', 'https://s3.example.net'],
    ['https:s3.example.net', 'https://s3.example.net'],
    ['https//s3.example.net', 'https://s3.example.net'],
    ['https:///s3.example.net', 'https://s3.example.net'],
    ['//s3.example.net', 'https://s3.example.net'],
    ['s3.example.net/backups', 'https://s3.example.net'],
    ['https://s3.example.net/backups/', 'https://s3.example.net'],
    ['https://x.example.net/storage/v1/s3', 'https://x.example.net/storage/v1/s3'],
    ['https://x.example.net/storage/s3/backups', 'https://x.example.net/storage/s3'],
    ['backups.fra1.digitaloceanspaces.com', 'https://fra1.digitaloceanspaces.com'],
    ['backups.s3.eu-west-1.amazonaws.com', 'https://s3.eu-west-1.amazonaws.com'],
    ['backups.example.net', 'https://backups.example.net'],
  ])('%s as %s', (text, url) => {
    expect(parseEndpoint(text, 'backups')).toMatchObject({ kind: 's3', url })
  })

  it.each([
    ['file:///mnt/usb', '/mnt/usb'],
    ['file:///mnt/usb//a/../b/', '/mnt/usb/b'],
    ['file:/mnt/usb', '/mnt/usb'],
    ['FILE:///mnt/my%20disk', '/mnt/my disk'],
    ['file:///mnt/my disk', '/mnt/my disk'],
    ['file:///mnt/a@b', '/mnt/a@b'],
  ])('%s as the directory %s', (text, directory) => {
    expect(parseEndpoint(text, undefined)).toMatchObject({ kind: 'file', directory })
  })
})

describe('parseEndpoint refuses', () => {
  it.each([
    ['https://user:pass@s3.example.net', 'must not contain credentials'],
    ['key:pass@s3.example.net', 'must not contain credentials'],
    ['https://key:pa#ss@s3.example.net', 'must not contain credentials'],
    ['https://http://s3.example.net', 'has two schemes, https and http'],
    ['ftp://s3.example.net', 'not with ftp:'],
    ['s3://backups', "must be the server's address"],
    ['https://s3.example.net/other', 'must not have the path /other'],
    ['https://s3.example.net/backups/nightly', 'must not have a path'],
    ['https://s3.example.net/?a=b', 'must not contain "?" or "#"'],
    ['https://s3.example.net/#x', 'must not contain "?" or "#"'],
    ['s3.REGION.amazonaws.com', 'still has the placeholder REGION'],
    ['XXXX.LOCATION.idrivee2-NN.com', 'still has the placeholder XXXX'],
    ['https://', 'is not an address'],
    ['s3.example.net:99999', 'is not an address'],
    ['http://169.254.169.254', 'is a link-local address'],
    ['https://2852039166:9000', 'is a link-local address'],
    ['[fe80::1]', 'is a link-local address'],
    ['s3.exa mple.net', 'must not contain spaces'],
    ['s3,example', 'is not an address'],
    ['/mnt/usb', 'is a path, not an endpoint'],
    ['./usb', 'is a path, not an endpoint'],
    ['~/usb', 'is a path, not an endpoint'],
    ['file://mnt/usb', 'must name a directory of this machine'],
    ['file:mnt/usb', 'must have an absolute path'],
    ['file:///', 'must not be the root'],
    ['file:///mnt/a?b', 'must not contain "?" or "#"'],
    ['file:///mnt/a%2Fb', 'is not a path that this machine can have'],
    ['file:///mnt/%zz', 'is not a path that this machine can have'],
  ])('%s', (text, reason) => {
    expect(() => parseEndpoint(text, 'backups')).toThrow(reason)
  })

  it('credentials, and has them hidden', () => {
    try {
      parseEndpoint('https://user:pass@s3.example.net', undefined)
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(ValueProblem)
      expect(error).toMatchObject({ isSecret: true })
    }
  })
})
