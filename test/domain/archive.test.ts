import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  archiveFileName,
  archiveKey,
  keyOnServer,
  newArchiveId,
  safeName,
  shownState,
} from '../../src/domain/archive.ts'
import type { ArchiveState, CopyState } from '../../src/domain/archive.ts'

const at = new Date('2026-03-01T02:30:05.999Z')

describe('newArchiveId', () => {
  it('is a UUID of version 7', () => {
    const id = newArchiveId(at.getTime())
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it('sorts by time as text, down to the millisecond', () => {
    const times = [0, 1, 255, 256, 1e9, at.getTime(), at.getTime() + 1, 2 ** 48 - 1]
    const ids = times.map((ms) => newArchiveId(ms))
    expect(ids.toSorted()).toEqual(ids)
  })

  it('is never given twice, not even in the same millisecond', () => {
    const ids = Array.from({ length: 1_000 }, () => newArchiveId(at.getTime()))
    expect(new Set(ids).size).toBe(ids.length)
  })
})

describe('safeName', () => {
  it.each([
    ['etc', 'etc'],
    ['my photos', 'my-photos'],
    ['größe & co', 'gr-e-co'],
    ['../../etc/passwd', 'etc-passwd'],
    ['.hidden', 'hidden'],
    ['a\nb', 'a-b'],
    ['---', 'source'],
    ['', 'source'],
    ['日本', 'source'],
  ])('makes %j %j', (name, safe) => {
    expect(safeName(name)).toBe(safe)
  })

  it('is one segment of a key whatever it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (name) => {
        expect(safeName(name)).toMatch(/^(?![.-])[A-Za-z0-9._-]{1,120}$/)
      }),
    )
  })
})

describe('names of an archive', () => {
  it('carry source and start, in UTC, to the second', () => {
    expect(archiveFileName('my etc', at)).toBe('my-etc-20260301-023005.tar.zst')
    expect(archiveFileName('my etc', at, 2)).toBe('my-etc-20260301-023005-2.tar.zst')
  })

  it('lie by host and day', () => {
    const key = archiveKey('web1', at, 'etc-20260301-023005.tar.zst')
    expect(key).toBe('web1/2026/03/01/etc-20260301-023005.tar.zst')
    expect(keyOnServer('', key)).toBe(key)
    expect(keyOnServer('a/b', key)).toBe(`a/b/${key}`)
  })
})

describe('shownState', () => {
  it.each<[ArchiveState, CopyState[], number, string]>([
    ['packing', [], 1, 'packing'],
    ['packing', ['uploading'], 1, 'packing'],
    ['ready', [], 1, 'waiting'],
    ['ready', ['failed', 'uploading'], 1, 'waiting'],
    ['ready', ['stored'], 1, 'stored'],
    ['ready', ['stored'], 2, 'waiting'],
    ['ready', ['stored', 'stored'], 2, 'stored'],
    ['gone', ['stored'], 1, 'stored'],
    // Nothing is left to send from: it is as stored as it will ever be.
    ['gone', ['stored'], 2, 'stored'],
    ['gone', ['deleted'], 1, 'deleted'],
    ['gone', ['deleted', 'stored'], 1, 'stored'],
    ['gone', ['missing'], 1, 'failed'],
    ['failed', [], 1, 'failed'],
    ['failed', ['failed'], 1, 'failed'],
  ])('%s with copies %j of %d wanted is %s', (state, copies, wanted, shown) => {
    const there = copies.map((copy, number) => ({ state: copy, identity: `server-${number}` }))
    const servers = there.map(({ identity }) => ({ identity }))
    expect(shownState(state, there, { copies: wanted, servers })).toBe(shown)
  })

  it('is waiting where it lies on servers alone that are not configured any more', () => {
    const there = [{ state: 'stored', identity: 'gone' }] as const
    const wanted = { copies: 1, servers: [{ identity: 'here' }] }
    expect(shownState('ready', there, wanted)).toBe('waiting')
    expect(shownState('gone', there, wanted)).toBe('stored')
  })
})
