// Archives that earlier versions wrote must stay readable for ever. The files in
// test/fixtures/archives are never made again; a new version of the format adds its own.

import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import { createUnpackerWith } from '../../src/pack/extract-archive.ts'
import { openTreeSink } from '../../src/pack/extract-sink.ts'
import { systemCalls } from '../../src/lib/system-calls.ts'
import { outputOf, temporaryFolders } from './in-process.ts'

const ARCHIVES = join(import.meta.dirname, '../fixtures/archives')

describe('v1-every-kind.tar.zst', () => {
  const path = join(ARCHIVES, 'v1-every-kind.tar.zst')
  const bytes = readFileSync(path)

  it('still says what it is', async () => {
    const { manifest } = await open()

    expect(manifest).toMatchObject(
      JSON.parse(readFileSync(`${path}.manifest.json`, 'utf8')) as object,
    )
  })

  it('still lists its members', async () => {
    const tail = await open()
    const lines: string[] = []
    for await (const member of tail.membersFrom('')) {
      const { kind, sizeBytes, mode, mtimeSeconds, mtimeNanos, offsetBytes, spanBytes } = member
      const time = `${mtimeSeconds}.${String(mtimeNanos).padStart(9, '0')}`
      const name = JSON.stringify(member.path)
      lines.push([name, kind, mode.toString(8), sizeBytes, time, offsetBytes, spanBytes].join(' '))
    }

    expect(lines).toEqual(readFileSync(`${path}.members.txt`, 'utf8').trimEnd().split('\n'))
  })

  it('still gives back a file by position, and its frames are as they were', async () => {
    const tail = await open()
    const member = await tail.findMember('two-frames')

    const pieces: Buffer[] = []
    for await (const piece of tail.readTar(member!.offsetBytes, member!.spanBytes))
      pieces.push(piece)
    const tar = Buffer.concat([...pieces, Buffer.alloc(1_024)])

    const content = outputOf('tar', ['-xOf', '-', 'two-frames'], tar)
    expect(content.equals(Buffer.alloc(5_000_000, 'golden '))).toBe(true)
  })

  it('is still an ordinary .tar.zst', () => {
    const lines = readFileSync(`${path}.members.txt`, 'utf8').trimEnd().split('\n')

    const listed = outputOf('tar', ['--zstd', '--quoting-style=escape', '-tf', path]).toString()

    expect(listed.trimEnd().split('\n')).toHaveLength(lines.length)
  })

  async function open() {
    return openArchiveTail(
      async (offset, size) => bytes.subarray(offset, offset + size),
      bytes.length,
    )
  }
})

describe('v1-command.tar.zst', () => {
  const path = join(ARCHIVES, 'v1-command.tar.zst')
  const bytes = readFileSync(path)

  it('still is one member behind a late header, to us and to tar', async () => {
    const tail = await openArchiveTail(
      async (offset, size) => bytes.subarray(offset, offset + size),
      bytes.length,
    )
    const members = []
    for await (const member of tail.membersFrom('')) members.push(member)

    expect(tail.manifest).toMatchObject({
      source: { name: 'dump', kind: 'command' },
      memberCount: 1,
      frameCount: 3,
    })
    expect(members).toMatchObject([
      { path: 'app.dump', kind: 'file', sizeBytes: 5_000_000, offsetBytes: 0, mode: 0o600 },
    ])
    expect((await tail.frames()).frame(0)).toMatchObject({ storedBytes: 1_545, rawBytes: 1_536 })
    const content = Buffer.alloc(5_000_000, 'golden\n')
    expect(outputOf('tar', ['--zstd', '-xOf', path, 'app.dump']).equals(content)).toBe(true)
    let number = 0
    for await (const hash of tail.frameHashes()) {
      const place = (await tail.frames()).frame(number)
      const stored = await tail.readStored(place.fileOffsetBytes, place.storedBytes)
      expect(createHash('sha256').update(stored).digest()).toEqual(hash)
      number += 1
    }
    expect(number).toBe(3)
  })
})

describe('v1-attributes-and-holes.tar.zst', () => {
  const path = join(ARCHIVES, 'v1-attributes-and-holes.tar.zst')
  const bytes = readFileSync(path)
  const newFolder = temporaryFolders()
  const open = () =>
    openArchiveTail(async (offset, size) => bytes.subarray(offset, offset + size), bytes.length)

  it('still says what it is, and lists its members', async () => {
    const tail = await open()
    expect(tail.manifest).toMatchObject(
      JSON.parse(readFileSync(`${path}.manifest.json`, 'utf8')) as object,
    )
    const lines: string[] = []
    for await (const member of tail.membersFrom('')) {
      const { kind, sizeBytes, mode, mtimeSeconds, mtimeNanos, offsetBytes, spanBytes } = member
      const time = `${mtimeSeconds}.${String(mtimeNanos).padStart(9, '0')}`
      const name = JSON.stringify(member.path)
      lines.push([name, kind, mode.toString(8), sizeBytes, time, offsetBytes, spanBytes].join(' '))
    }
    expect(lines).toEqual(readFileSync(`${path}.members.txt`, 'utf8').trimEnd().split('\n'))
  })

  it('still gives back attributes and holes', async () => {
    const directory = newFolder()
    const unpacker = createUnpackerWith(openTreeSink)
    await unpacker.unpackParts({ tail: await open(), directory }, new AbortController().signal)

    const at = (name: string) => join(directory, name)
    const calls = systemCalls()!
    expect(calls.readAttribute(at('f'), 'user.every')).toHaveLength(256)
    expect(calls.readAttribute(at('f'), 'user.a=b %').toString()).toBe('odd')
    expect(calls.readAttribute(at('d'), 'system.posix_acl_default')).toHaveLength(44)
    const holes = statSync(at('holes'), { bigint: true })
    expect(holes).toMatchObject({ size: 1_000_000_000_000n, mtimeNs: 1_600_000_002_123_456_789n })
    expect(holes.blocks).toBeLessThan(100n)
    expect(readFileSync(at('nothing')).equals(Buffer.alloc(3e6))).toBe(true)
  })
})
