// ACLs as text, and attributes as the records that other programs read.

import { describe, expect, it } from 'vitest'
import { recordsOfAttribute } from '../../src/sources/member-extras.ts'
import { aclText } from '../../src/sources/posix-acl.ts'
import { aclBytes } from '../support/acl.ts'

const acl = aclBytes([
  [0x01, 6],
  [0x02, 7, 1000],
  [0x04, 4],
  [0x08, 1, 4_000_000_000],
  [0x10, 7],
  [0x20, 0],
])

describe('an ACL', () => {
  it('is the text of getfacl with numbers', () => {
    expect(aclText(acl)).toBe(
      'user::rw-\nuser:1000:rwx\ngroup::r--\ngroup:4000000000:--x\nmask::rwx\nother::---\n',
    )
  })

  it.each([
    ['of another version', Buffer.from([3, 0, 0, 0])],
    ['that is cut', acl.subarray(0, 10)],
    ['with an unknown tag', aclBytes([[0x40, 7]])],
    ['that is empty', Buffer.alloc(0)],
  ])('%s has no text', (_, value) => {
    expect(aclText(value)).toBeUndefined()
  })
})

describe('the records of an attribute', () => {
  const keysOf = (name: string, value: Buffer = Buffer.from('v')) =>
    recordsOfAttribute(name, value).map(([key]) => key)

  it('are one that both tars read', () => {
    expect(recordsOfAttribute('user.a b\xff', Buffer.from([0, 255, 10]))).toEqual([
      ['SCHILY.xattr.user.a b\xff', '\x00\xff\n'],
    ])
  })

  it('are two where bsdtar would not decode the name', () => {
    expect(recordsOfAttribute('user.a=%\xff', Buffer.from('vv'))).toEqual([
      ['LIBARCHIVE.xattr.user.a%3D%25%FF', 'dnY'],
      ['SCHILY.xattr.user.a%3D%25\xff', 'vv'],
    ])
  })

  it('have the text of an ACL, and the label by itself', () => {
    expect(keysOf('system.posix_acl_access', acl)).toEqual([
      'SCHILY.acl.access',
      'SCHILY.xattr.system.posix_acl_access',
    ])
    expect(keysOf('system.posix_acl_default', acl)[0]).toBe('SCHILY.acl.default')
    expect(recordsOfAttribute('security.selinux', Buffer.from('a:b:c:s0\0'))).toEqual([
      ['RHT.security.selinux', 'a:b:c:s0'],
      ['SCHILY.xattr.security.selinux', 'a:b:c:s0\0'],
    ])
  })
})
