// `restore` over a whole installation: real packer, real catalog, servers that fail when told to.

import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openServices } from '../../src/compose.ts'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import { forgeFrame } from '../support/read-back.ts'
import { restoreCommand } from '../../src/cli/commands/restore.ts'
import { restoreArchive } from '../../src/operations/restore.ts'
import { commandLine } from '../support/command-line.ts'
import {
  describeTree,
  fifo,
  file,
  folder,
  hardlink,
  makeTree,
  removeTree,
  symlink,
} from '../support/tree.ts'
import { runSql } from '../catalog/fixtures.ts'
import { QUICK, World } from '../support/world.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import type { CommandLineOptions, Ran } from '../support/command-line.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import type { RunReport } from '../../src/domain/run-report.ts'
import type { TreeEntry } from '../support/tree.ts'
import type { WorldServer } from '../support/world.ts'

const raw = Buffer.from([0x66, 0xfe, 0x80])
const aDay = 1_700_000_000_123_456

const ODD_TREE: readonly TreeEntry[] = [
  folder('.', { mode: 0o751, mtimeUs: aDay }),
  file('a', 'content of a', { mode: 0o4750, mtimeUs: aDay + 1 }),
  hardlink('b', 'a'),
  folder(raw, { mode: 0o500, mtimeUs: aDay + 2 }),
  file(Buffer.concat([raw, Buffer.from('/new\nline')]), 'x', { mtimeUs: -1_500_000 }),
  symlink('dangling', '../nowhere', { mtimeUs: aDay + 3 }),
  symlink('absolute', '/etc/passwd', { mtimeUs: aDay }),
  symlink('itself', 'itself', { mtimeUs: aDay }),
  symlink('there', 'back', { mtimeUs: aDay }),
  symlink('back', 'there', { mtimeUs: aDay }),
  symlink('root', '/', { mtimeUs: aDay }),
  symlink('around', '.', { mtimeUs: aDay }),
  file('n'.repeat(255), 'x', { mtimeUs: aDay }),
  file(Buffer.alloc(255, 0xe4), 'x', { mtimeUs: aDay }),
  symlink('raw-target', Buffer.alloc(300, 0xff), { mtimeUs: aDay }),
  file(`${'a-folder-with-a-long-name/'.repeat(200)}file`, 'at the bottom', { mtimeUs: aDay }),
  fifo('fifo', { mode: 0o620, mtimeUs: aDay }),
  folder('closed', { mode: 0, mtimeUs: aDay }),
  file('large', Buffer.alloc(5 * 1024 * 1024, 'large '), { mtimeUs: aDay }),
]

let world: World
let to: string
let proxy: FaultProxy | undefined

beforeEach(() => {
  proxy = undefined
})

afterEach(async () => {
  await proxy?.close()
  removeTree(world.source)
  removeTree(to)
  await world.close()
})

describe('restore', () => {
  it('gives back what was archived, byte for byte [F56 F57 F58]', async () => {
    await archived({ tree: ODD_TREE })

    const ran = await restore()

    expect(ran).toMatchObject({ exit: 0, err: [] })
    expect(ran.out).toEqual([
      expect.stringMatching(/^restored docs-.*\.tar\.zst to .*: 219 members, .* from 1: /),
    ])
    expect(describeTree(to)).toEqual(describeTree(world.source))
  })

  it('says what the archive never had, because it could not be read that night', async () => {
    await archived({})
    const gap = { path: 'private/key', reason: 'permission denied' }
    await runSql(
      join(world.folder, 'data/catalog.db'),
      `update archives set warning_count = 3, warnings = '${JSON.stringify([gap])}'`,
    )
    expect(await restore()).toMatchObject({
      exit: 0,
      err: [
        'note: the archive was made with 3 warnings: what they name is not in it, or changed',
        '  private/key: permission denied',
        '  ... and 2 more',
      ],
    })
    removeTree(to)
    const ran = await restore({ json: true })
    expect(ran.json()).toMatchObject({ archiveWarningCount: 3, archiveWarnings: [gap] })
  })

  it('reads the spool while the archive is there, and asks no server', async () => {
    await archived({ env: { LOCAL_KEEP: '1' } })
    await world.models[0]!.close()

    const ran = await restore({ json: true })

    expect(ran.json()).toMatchObject({ outcome: 'ok', exit: 0, from: ['spool'], fileCount: 2 })
    expect(describeTree(to)).toEqual(describeTree(world.source))
  })

  it('reads a server when the spool file is not whole [F07b]', async () => {
    await archived({ env: { LOCAL_KEEP: '1' } })
    const spool = join(world.folder, 'data/spool')
    for (const name of readdirSync(spool).filter((name) => name.endsWith('.zst')))
      truncateSync(join(spool, name), 100)

    const ran = await restore({ json: true })

    expect(ran.json()).toMatchObject({ exit: 0, from: [expect.stringMatching(/^1: /)] })
  })

  it('takes the next copy when a server is down, and says so', async () => {
    await archived({ servers: [{}, {}], env: { COPIES: '2' } })
    await world.models[0]!.close()

    const ran = await restore()

    expect(ran.exit).toBe(3)
    expect(ran.err.join('\n')).toMatch(/^warning: 1: .*could not be read/)
    expect(describeTree(to)).toEqual(describeTree(world.source))
  })

  it('goes on with the next copy where the first one broke off', async () => {
    const noise = [file('noise', randomBytes(3_000_000)), folder('.')]
    await archived({ servers: [{}, {}], env: { COPIES: '2' }, tree: noise, hasProxy: true })
    breakReadsAfter(1_000_000)

    const ran = await restore({ json: true })

    expect(ran.json()).toMatchObject({
      outcome: 'warnings',
      exit: 3,
      from: [expect.stringMatching(/^1: /), expect.stringMatching(/^2: /)],
    })
    expect(describeTree(to)).toEqual(describeTree(world.source))
    proxy!.assertFired()
  })

  it('ends with the reason when no copy can be read to its end', async () => {
    await archived({ tree: [file('noise', randomBytes(3_000_000)), folder('.')], hasProxy: true })
    breakReadsAfter(1_000_000)

    const ran = await restore()

    expect(ran.exit).toBe(20)
    expect(ran.err.join('\n')).toMatch(/no copy of docs-.* could be read to its end: 1: /)
    expect(existsHere(to)).toBe(false)
  })

  it('asks for a copy that counts as missing when no other is left: it may be there again', async () => {
    const { archives } = await archived({})
    await world.withCatalog(async (catalog) => {
      const [archive] = await catalog.archives()
      await catalog.markMissing(archive!.copies[0]!.id, 'a HEAD said that it is gone')
    })

    const ran = await restore({ archive: archives[0]!.file })

    expect(ran.exit).toBe(0)
    expect(describeTree(to)).toEqual(describeTree(world.source))
  })

  it('names the server that holds the archive and is not configured any more', async () => {
    await archived({ servers: [{}, {}] })
    for (const name of Object.keys(world.env))
      if (name.startsWith('S3_SERVER_1_')) delete world.env[name]

    const ran = await restore()

    expect(ran.exit).toBe(30)
    expect(ran.err[0]).toMatch(/lies only on servers that are not in .*\.env any more: 1: 127/)
    expect(existsHere(to)).toBe(false)
  })

  it('finds the copy of a server that got another number', async () => {
    await archived({})
    for (const [name, value] of Object.entries(world.env)) {
      if (!name.startsWith('S3_SERVER_1_')) continue
      delete world.env[name]
      world.env[name.replace('_1_', '_7_')] = value
    }
    expect((await restore({ json: true })).json()).toMatchObject({
      from: [expect.stringMatching(/^7: /)],
    })
  })
})

describe('an archive that is not what was stored', () => {
  it('is found out by the checksum of a frame, where tar and zstd notice nothing [F94]', async () => {
    const object = await archivedInDirectory(randomBytes(100_000))
    const bytes = readFileSync(object)
    const read = async (at: number, size: number) => bytes.subarray(at, at + size)
    const frames = await (await openArchiveTail(read, bytes.length)).frames()
    await forgeFrame(bytes, frames.frame(0))
    writeFileSync(object, bytes)

    const ran = await restore({ json: true })

    expect(ran.json()).toMatchObject({ outcome: 'failed', exit: 31, lostCount: 1, lost: ['a'] })
    expect(ran.err).toEqual(['lost: a'])
    expect(readdirSync(to)).toEqual([])
  })

  it('is found out when its frames are damaged', async () => {
    const object = await archivedInDirectory('content')
    const bytes = readFileSync(object)
    bytes[1]! ^= 0xff
    writeFileSync(object, bytes)

    const ran = await restore()

    expect(ran.exit).toBe(31)
    expect(ran.err[0]).toBe('lost: a')
    expect(ran.out[0]).toMatch(/; 1 member lost: the archive is damaged there$/)
  })

  it('is read from its first byte when its end is missing, and nothing is lost', async () => {
    truncateSync(await archivedInDirectory('content'), 200)

    const ran = await restore()

    expect(ran.exit).toBe(3)
    expect(ran.err[0]).toMatch(
      /^warning: 1: .*: its index is damaged .*: read from the first byte$/,
    )
    expect(describeTree(to)).toEqual(describeTree(world.source))
  })

  it('gives back what there is when it is cut off in the middle', async () => {
    const object = await archivedInDirectory(randomBytes(9_000_000), {
      '0': 'in front',
      b: 'not there any more',
    })
    truncateSync(object, 8_500_000)
    mkdirSync(to, { mode: 0o755 })

    const ran = await restore()

    expect(ran.exit).toBe(31)
    expect(ran.err[0]).toMatch(
      /no copy of .* could be read to its end: .*; .*restored is incomplete/,
    )
    // What was written half is gone, and what came before has its attributes.
    expect(describeTree(to)).toEqual(
      describeTree(world.source).filter((line) => !/^[ab] /.test(line)),
    )
  })

  it('is found out when another one lies at its key [F94]', async () => {
    await archivedInDirectory('')
    const night = async (): Promise<string> => {
      // Of one time, or its digits alone would make them of different sizes.
      const mtimeUs = 1_700_000_000_000_000
      makeTree(world.source, [file('a', randomBytes(1_000), { mtimeUs }), folder('.', { mtimeUs })])
      return join(world.folder, 'store', (await world.run()).archives[0]!.key)
    }
    const object = await night()
    // Of the same size, or that would give it away: noise may take a byte more or less.
    const { length } = readFileSync(object)
    let other = Buffer.alloc(0)
    for (let tries = 0; other.length !== length && tries < 10; tries += 1)
      other = readFileSync(await night())
    expect(other).toHaveLength(length)
    writeFileSync(object, other)

    const ran = await restore({ archive: object.slice(object.lastIndexOf('/') + 1) })

    expect([ran.exit, ran.err.join()]).toEqual([
      31,
      expect.stringContaining('is not what was archived: it is the archive'),
    ])
  })

  it('is taken from the next copy when one says that it cannot be read', async () => {
    const key = await archivedTwice()
    const whole = world.models[0]!.bytesOf(key)
    seed(0, key, withManifest(whole, '"encryption":"none"', '"encryption":"nonf"'))

    expect(await restore()).toMatchObject({ exit: 3 })
    expect(readFileSync(join(to, 'a'), 'utf8')).toBe('content of a')

    // What every copy says is the truth.
    seed(1, key, world.models[0]!.bytesOf(key))
    removeTree(to)
    const ran = await restore()
    expect([ran.exit, ran.err.join()]).toEqual([32, expect.stringContaining('is encrypted (nonf)')])
  })

  it('is taken from the next copy when the index of one counts what is not there', async () => {
    const key = await archivedTwice()
    const whole = world.models[0]!.bytesOf(key)
    seed(0, key, withManifest(whole, '"memberCount":2', '"memberCount":1'))

    expect(await restore()).toMatchObject({ exit: 3 })
    expect(readFileSync(join(to, 'a'), 'utf8')).toBe('content of a')
  })

  /** The key on both servers; nothing is left in the spool. */
  async function archivedTwice(): Promise<string> {
    const tree = [file('a', 'content of a'), folder('.')]
    const report = await archived({ servers: [{}, {}], tree, env: { COPIES: '2' } })
    return report.archives[0]!.key
  }

  function seed(server: number, key: string, bytes: Buffer): void {
    const { metadata } = world.models[server]!.objects().find((object) => object.key === key)!
    world.models[server]!.seed(key, bytes, metadata)
  }

  /** As a hostile writer would do it: with the right checksum. */
  function withManifest(archive: Buffer, text: string, changed: string): Buffer {
    const bytes = Buffer.from(archive)
    bytes.write(changed, bytes.lastIndexOf(text))
    const at = bytes.lastIndexOf('{"format":"spillway"')
    const json = bytes.subarray(at, at - 32 + bytes.readUInt32LE(at - 36))
    createHash('sha256')
      .update(json)
      .digest()
      .copy(bytes, at - 32)
    return bytes
  }

  /** On a server that is a directory; the path of the object. */
  async function archivedInDirectory(
    content: string | Uint8Array,
    more: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const others = Object.entries(more).map(([name, text]) => file(name, text))
    const report = await archived({
      isDirectory: true,
      tree: [file('a', content), ...others, folder('.')],
    })
    return join(world.folder, 'store', report.archives[0]!.key)
  }
})

describe('what is asked for', () => {
  it('needs a folder that is empty or new', async () => {
    await archived({})
    mkdirSync(to)
    writeFileSync(join(to, 'mine'), 'precious')

    const ran = await restore()

    expect(ran.exit).toBe(35)
    expect(ran.err).toEqual([
      `spillway: the folder ${to} is not empty [RESTORE_FAILED]`,
      expect.stringContaining('name a folder that does not exist yet'),
    ])
    expect(readFileSync(join(to, 'mine'), 'utf8')).toBe('precious')
  })

  it('needs the folder above it', async () => {
    await archived({})
    const ran = await restore({ to: join(world.folder, 'missing/restored') })
    expect(ran.exit).toBe(35)
    expect(ran.err[0]).toContain(`there is no ${join(world.folder, 'missing')}`)
  })

  it('needs --to', async () => {
    await archived({})
    const ran = await commandLine([restoreCommand], open, ['restore', 'latest:docs'])
    expect(ran).toMatchObject({ exit: 2, opened: [] })
  })

  it('must be an archive that there is', async () => {
    await archived({})
    expect((await restore({ archive: 'latest:nothing' })).exit).toBe(30)
    expect(existsHere(to)).toBe(false)
  })

  it('needs a catalog', async () => {
    world = await World.make([{}])
    to = join(world.folder, 'restored')
    const ran = await restore()
    expect(ran.exit).toBe(30)
    expect(ran.err[0]).toMatch(
      /there is no catalog at .*catalog\.db: nothing was archived here yet/,
    )
  })

  it('can be interrupted, and says that the folder is incomplete', async () => {
    await archived({ tree: [file('noise', randomBytes(20_000_000)), folder('.')] })
    const abort = new AbortController()
    const services = await open()
    try {
      const catalog = await services.catalog()
      const work = restoreArchive(
        { ...services, catalog, unpacker: await services.unpacker() },
        { archive: 'latest:docs', to, onProgress: () => abort.abort() },
        abort.signal,
      )
      await expect(work).rejects.toMatchObject({
        code: 'INTERRUPTED',
        message: expect.stringMatching(/interrupted; .*restored is incomplete$/) as string,
      })
    } finally {
      await services.close()
    }
    expect(existsHere(join(to, 'noise'))).toBe(true)
  })
})

async function archived(input: {
  readonly servers?: readonly WorldServer[]
  readonly env?: Readonly<Record<string, string>>
  readonly tree?: readonly TreeEntry[]
  /** Puts a fault proxy in front of the first server. */
  readonly hasProxy?: boolean
  /** The first server is a directory. */
  readonly isDirectory?: boolean
}): Promise<RunReport> {
  world = await World.make(input.servers ?? [{}])
  to = join(world.folder, 'restored')
  Object.assign(world.env, input.env)
  if (input.hasProxy === true) {
    proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
    world.configure(1, proxy.endpoint, world.models[0]!)
  }
  if (input.isDirectory === true) {
    mkdirSync(join(world.folder, 'store'))
    for (const name of Object.keys(world.env))
      if (name.startsWith('S3_SERVER_1_')) delete world.env[name]
    world.env['S3_SERVER_1_ENDPOINT'] = `file://${join(world.folder, 'store')}`
  }
  makeTree(world.source, input.tree ?? [file('a', 'content of a'), folder('.')])
  const report = await world.run()
  expect(report).toMatchObject({ outcome: 'ok' })
  return report
}

async function open() {
  return openServices({ configFile: await world.writeEnv() }, QUICK)
}

async function restore(
  input: { readonly archive?: string; readonly to?: string; readonly json?: boolean } = {},
  options: CommandLineOptions = {},
): Promise<Ran> {
  const argv = ['restore', input.archive ?? 'latest:docs', `--to=${input.to ?? to}`]
  if (input.json === true) argv.push('--json')
  return commandLine([restoreCommand], open, argv, options)
}

/** The first server breaks off there, and is gone for every repeat. */
function breakReadsAfter(bytes: number): void {
  proxy!.add(
    { operation: 'Get', times: 1, fault: { kind: 'cut-answer', afterBytes: bytes } },
    { operation: 'Get', fault: { kind: 'reset' } },
  )
}

function existsHere(path: string): boolean {
  return readdirSync(join(path, '..')).includes(path.slice(path.lastIndexOf('/') + 1))
}
