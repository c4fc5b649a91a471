// `cat` over a whole installation: what it reads, and what becomes of it when copies fail or are damaged.

import { randomBytes } from 'node:crypto'
import { truncateSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { catCommand } from '../../src/cli/commands/cat.ts'
import { catMember } from '../../src/operations/cat.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import { commandLine } from '../support/command-line.ts'
import { file, folder, hardlink, symlink } from '../support/tree.ts'
import { pathOfPrinted } from '../../src/lib/printable-path.ts'
import { ReadBack } from '../support/read-back.ts'
import type { FaultRule } from '../support/fault-proxy.ts'
import type { Ran } from '../support/command-line.ts'

const MIB = 1024 * 1024
const never = new AbortController().signal
const content = randomBytes(10_000)
const large = randomBytes(9 * MIB)

// Noise around it, so that the object is much larger than what may be read of it.
const TREE = [
  file('a-noise', randomBytes(14 * MIB)),
  file('etc/app.conf', 'port=80\n'),
  folder('etc/empty'),
  symlink('etc/link', 'app.conf'),
  file('large', large),
  file('odd *[name]?', 'odd'),
  file('small.bin', content),
  file('z-noise', randomBytes(14 * MIB)),
  hardlink('z-other', 'small.bin'),
]

const DEAD: FaultRule = { operation: 'Get', fault: { kind: 'reset' } }
const FROZEN: FaultRule = {
  operation: 'Get',
  fault: { kind: 'answer', status: 403, code: 'InvalidObjectState', message: 'not valid' },
}

let there: ReadBack
afterEach(() => there.close())

describe('one small file', () => {
  it('costs the tail, at most two frames and two blocks of the index', async () => {
    there = await ReadBack.make({ tree: TREE })

    expect(await contentOf('small.bin')).toMatchObject({ bytes: content, warnings: [] })

    const sizes = there.reads.map(({ sizeBytes }) => sizeBytes!)
    expect(sizes[0]).toBe(128 * 1024)
    expect(sizes.length).toBeLessThanOrEqual(1 + 2 + 2)
    expect(sizes.slice(1).reduce((sum, size) => sum + size, 0)).toBeLessThan(2 * 4.1 * MIB)
  })

  it('is the same through a hard link, by a name with wildcards, and larger than a frame', async () => {
    there = await ReadBack.make({ tree: TREE })
    expect((await contentOf('z-other')).bytes).toEqual(content)
    expect((await contentOf('odd *[name]?')).bytes.toString()).toBe('odd')
    expect((await contentOf('./large')).bytes.equals(large)).toBe(true)
  })

  it('is found as it is printed, also where its name is no text and has brackets', async () => {
    const names = [
      String.raw`caf\xe9 [2010].mp3`,
      String.raw`caf\xe9 2.mp3`,
      String.raw`caf\\xe9 2.mp3`,
    ]
    const bytes = names.map((name) => Buffer.from(pathOfPrinted(name), 'latin1'))
    there = await ReadBack.make({ tree: bytes.map((name, at) => file(name, String(at))) })
    for (const [at, name] of names.entries())
      expect((await contentOf(name)).bytes.toString(), name).toBe(String(at))
  })

  it.each([
    ['etc/empty', 38, /is a folder and has no content of its own/],
    ['etc/link', 38, /is a symlink and has no content of its own/],
    ['etc/nothing', 38, /the archive has nothing that "etc\/nothing" means/],
    ['../etc/passwd', 2, /has "\.\." in it/],
  ])('is refused: %s', async (path, exit, message) => {
    there = await ReadBack.make({ tree: [file('etc/app.conf', 'x'), ...TREE.slice(2, 4)] })
    const ran = await cat(path)
    expect(ran).toMatchObject({ exit, out: [] })
    expect(ran.err[0]).toMatch(message)
  })

  it('ends without a word when its reader has seen enough, and not when its disk is full', async () => {
    there = await ReadBack.make({ tree: [file('a', 'x')] })
    const gone = (code: string) =>
      new SpillwayError('INTERRUPTED', 'the reader of the output went away', {
        cause: Object.assign(new Error(code), { code }),
      })
    const ended = async (code: string) =>
      cat('a', { write: async () => Promise.reject(gone(code)) })
    expect(await ended('EPIPE')).toMatchObject({ exit: 130, err: [] })
    expect((await ended('ENOSPC')).err).toHaveLength(1)
  })
})

describe('copies', () => {
  it.each([
    ['at once', 1, { kind: 'reset' }],
    ['after the tail', 2, { kind: 'reset' }],
    ['in the middle of an answer', 2, { kind: 'cut-answer', afterBytes: 5 * MIB }],
    ['between two pieces of the file', 3, { kind: 'reset' }],
  ] as const)('are changed when the first one dies %s', async (_, nth, fault) => {
    there = await ReadBack.make({ tree: TREE, servers: ['s3', 's3'] })
    // From that request on it is gone, for every repeat.
    there.fail(1, { operation: 'Get', nth, times: 1, fault }, { ...DEAD, nth })

    const { bytes, warnings } = await contentOf('large')

    expect(bytes.equals(large)).toBe(true)
    expect(warnings.map(({ path }) => path)).toEqual([expect.stringMatching(/^1: /)])
    expect(there.reads.some(({ server }) => server === 2)).toBe(true)
    there.proxies[0]!.assertFired()
  })

  it('make one file of two that are damaged in different places', async () => {
    there = await ReadBack.make({ tree: TREE, servers: ['directory', 'directory'] })
    await there.damage(1, 'large', 1 * MIB)
    await there.damage(2, 'large', 8 * MIB)

    const { bytes, warnings } = await contentOf('large')

    expect(bytes.equals(large)).toBe(true)
    expect(warnings[0]).toMatchObject({
      reason: expect.stringMatching(/is damaged at byte/) as string,
    })
  })

  it('are not believed when somebody changed one with care [F94]', async () => {
    there = await ReadBack.make({ tree: TREE, servers: ['directory'] })
    await there.forge(1, 'large', 5 * MIB)
    const ran = await cat('large')
    expect(ran.exit).toBe(31)
    expect(ran.err.at(-1)).toMatch(/"large" is damaged in the archive \[ARCHIVE_CORRUPT\]/)
  })

  it('that are damaged alike give what is whole in front of it, and exit 31', async () => {
    there = await ReadBack.make({ tree: TREE, servers: ['directory'] })
    await there.damage(1, 'large', 8 * MIB)
    const ran = await cat('large')
    expect(ran.exit).toBe(31)
    expect(ran.err.at(-1)).toMatch(/"large" is damaged in the archive \[ARCHIVE_CORRUPT\]/)
  })

  it('without their index are read from the first byte', async () => {
    there = await ReadBack.make({ tree: [file('a', 'content')], servers: ['directory'] })
    truncateSync(there.pathOf(1), 200)
    const ran = await cat('a')
    expect(ran).toMatchObject({ exit: 3, out: ['content'] })
    expect(ran.err[0]).toMatch(/^warning: 1: .*its index is damaged/)
  })
})

describe('cold storage', () => {
  it('is named with the command that thaws', async () => {
    there = await ReadBack.make({ tree: [file('a', 'content')] })
    there.fail(1, FROZEN)

    const ran = await cat('a')

    expect(ran.exit).toBe(39)
    expect(ran.err[0]).toMatch(
      /no copy of docs-.* could be read.*cold storage class and must be thawed first .*\[ARCHIVE_FROZEN\]/,
    )
    expect(ran.err[1]).toMatch(
      /aws --endpoint-url http:\/\/127\.0\.0\.1:\d+ s3api restore-object --bucket backups --key host\/.*\.tar\.zst --restore-request Days=7 /,
    )
  })

  it('is told of also when another copy failed after it', async () => {
    there = await ReadBack.make({ tree: [file('a', 'content')], servers: ['s3', 's3'] })
    there.fail(1, FROZEN)
    there.fail(2, DEAD)
    expect(await cat('a')).toMatchObject({ exit: 39 })
  })

  it('is passed by for a copy that can be read', async () => {
    there = await ReadBack.make({ tree: [file('a', 'content')], servers: ['s3', 's3'] })
    there.fail(1, FROZEN)
    const ran = await cat('a')
    expect(ran).toMatchObject({ exit: 3, out: ['content'] })
    expect(ran.err).toEqual([expect.stringMatching(/^warning: 1: .*thawed first/)])
  })

  it('is asked last when the configuration says so', async () => {
    there = await ReadBack.make({ tree: [file('a', 'content')], servers: ['s3', 's3'] })
    there.env['S3_SERVER_1_STORAGE_CLASS'] = 'DEEP_ARCHIVE'
    expect(await cat('a')).toMatchObject({ exit: 0, out: ['content'], err: [] })
    expect(new Set(there.reads.map(({ server }) => server))).toEqual(new Set([2]))
  })
})

it('keeps retention away while it reads', async () => {
  there = await ReadBack.make({ tree: [file('a', 'content')] })
  const services = await there.open()
  try {
    const [uses, catalog] = [await services.archiveUses(), await services.catalog()]
    const { id } = await catalog.findArchive('latest:docs')
    const claims: unknown[] = []
    await catMember(
      { ...services, catalog },
      { archive: 'latest:docs', path: 'a', write: async () => void claims.push(uses.claim(id)) },
      never,
    )
    expect(claims).toEqual([undefined])
    uses.claim(id)!.release()

    const claim = uses.claim(id)!
    const asked = { archive: 'latest:docs', path: 'a', write: async () => {} }
    await expect(catMember({ ...services, catalog }, asked, never)).rejects.toMatchObject({
      code: 'ARCHIVE_MISSING',
      message: expect.stringMatching(/is being deleted at this moment/) as string,
    })
    claim.release()
  } finally {
    await services.close()
  }
})

async function cat(
  path: string,
  more: { readonly write?: (bytes: Uint8Array) => Promise<void> } = {},
): Promise<Ran> {
  return commandLine([catCommand], () => there.open(), ['cat', 'latest:docs', path], more)
}

/** As bytes: the command line of the tests makes text of them. */
async function contentOf(path: string) {
  const services = await there.open()
  there.reads.length = 0
  const pieces: Buffer[] = []
  try {
    const catalog = await services.catalog()
    const write = async (bytes: Buffer) => void pieces.push(bytes)
    const input = { archive: 'latest:docs', path, write }
    const { warnings } = await catMember({ ...services, catalog }, input, never)
    return { bytes: Buffer.concat(pieces), warnings }
  } finally {
    await services.close()
  }
}
