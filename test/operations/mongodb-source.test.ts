// MongoDB as a source of a whole installation, with a program that stands in for mongodump, and with twelve that
// lie: each is a failure that names the cause, nothing is stored as good, and the archive before stays.
//
// No real MongoDB was at hand; the archives are made from the description of their format.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPacker } from '../../src/compose-packer.ts'
import { parse } from '../../src/config/parse.ts'
import { newArchiveId } from '../../src/domain/archive.ts'
import type { MongodbSource } from '../../src/domain/source.ts'
import { commonLies } from '../support/lies.ts'
import { DatabaseWorld, sampleProcesses } from '../support/database-world.ts'
import { archive, OPLOG, SHOP } from '../support/mongodb-archive.ts'
import { standInMongodump } from '../support/stand-in-mongodump.ts'

const PASSWORD = `pa"ss\\word' ü: #😀`
const ALL = 'mongodb://backup@h1:27017,h2:27018/?authSource=admin&replicaSet=rs0'
const ONE = 'mongodb://backup@db.example.net/shop?authSource=admin'

const whole = archive([...SHOP, OPLOG])
const one = archive(SHOP.filter(({ db }) => db === 'shop'))

let at: DatabaseWorld
let tool: string
let folder: string
beforeEach(async () => {
  at = await DatabaseWorld.make({ MONGODB: ALL, PASSWORD })
  folder = join(at.world.folder, 'stand-in')
  mkdirSync(folder)
  install(whole)
})
afterEach(() => at.close())

function install(content: Buffer, script = 'real "$@"', version?: string): void {
  tool = standInMongodump(folder, content)
  at.fakeTool('mongodump', tool, script, version)
}

/** As the settings make it, with the tools of this world. */
function sourceOf(url: string): MongodbSource {
  const PATH = `${at.tools}:${process.env['PATH']}`
  const env = { ...at.world.env, PATH, SOURCE_1_MONGODB: url, SOURCE_1_PASSWORD: PASSWORD }
  const { config } = parse(env, { envFileDir: at.disk })
  return config!.sources[0] as MongodbSource
}

const seen = (file: 'arguments' | 'config'): string => readFileSync(join(folder, file), 'utf8')

describe('an archive of mongodump', () => {
  it('streams into one member, with a list of what it is, and progress is no warning', async () => {
    const report = await at.run()

    expect(report).toMatchObject({ exit: 0, sources: [{ name: 'db', outcome: 'ok' }] })
    const out = at.extract(report)
    expect(readdirSync(out).sort()).toEqual(['databases', 'spillway-database.json'])
    expect(readdirSync(join(out, 'databases'))).toEqual(['all.archive'])
    expect(readFileSync(join(out, 'databases/all.archive')).equals(whole)).toBe(true)
    expect(JSON.parse(readFileSync(join(out, 'spillway-database.json'), 'utf8'))).toMatchObject({
      ...{ kind: 'mongodb', isWholeServer: true, globals: null, leftOut: [] },
      ...{ server: { version: '7.0.14' }, tool: { name: 'mongodump', version: '100.9.4' } },
      databases: [
        {
          ...{ name: ALL, file: 'databases/all.archive', dumpBytes: whole.length },
          properties: { databases: 'admin, shop', collections: '5', oplog: 'true' },
        },
      ],
    })
    expect(readdirSync(at.spool)).toEqual(['.spillway-spool'])
  })

  it('is of one database, under its name, where one is named', async () => {
    at.set({ MONGODB: ONE })
    install(one)
    const report = await at.run()
    expect(report.exit).toBe(0)
    expect(readFileSync(join(at.extract(report), 'databases/shop.archive')).equals(one)).toBe(true)
    expect(seen('arguments')).not.toContain('--oplog')
  })

  it('has the oplog of a replica set, unless that is not wanted', async () => {
    await at.run()
    expect(seen('arguments')).toMatch(/ --archive --oplog\n$/)

    at.set({ OPLOG: 'false' })
    install(archive(SHOP))
    expect((await at.run()).exit).toBe(0)
    expect(seen('arguments')).toMatch(/ --archive\n$/)
  })

  it('keeps what the tool said besides, however much progress came behind it', async () => {
    install(whole)
    const flood = `for n in {1..3000}; do printf "t\\tdone dumping a.b$n (1 document)\\n" >&2; done`
    at.fakeTool('mongodump', tool, `printf "t\\tWARNING: odd\\n" >&2; real "$@"; ${flood}`)
    const report = await at.run()
    expect(report.exit).toBe(3)
    expect(report.archives[0]?.warnings).toEqual([
      { path: 'databases/all.archive', reason: 'mongodump said: t WARNING: odd' },
    ])
  })

  it('of a user who sees a part of the server only has a warning', async () => {
    install(archive([...SHOP.filter(({ db }) => db !== 'admin'), OPLOG]))
    const report = await at.run()
    expect(report.exit).toBe(3)
    expect(report.archives[0]?.warnings).toMatchObject([
      {
        path: 'databases/all.archive',
        reason: expect.stringMatching(/no database admin/) as string,
      },
    ])
  })

  it('of a format that is not known yet is kept, with a warning', async () => {
    install(archive(SHOP, { version: '0.2' }))
    const report = await at.run()
    expect(report.exit).toBe(3)
    expect(report.archives[0]?.warnings).toMatchObject([
      {
        reason:
          'only the beginning of the dump was checked: its format, 0.2, is newer than this program',
      },
    ])
  })

  it('comes back by cat, and into a server by the command that --into names', async () => {
    const report = await at.run()
    const { file } = report.archives[0]!
    const cat = await at.cli(['cat', 'latest:db', 'databases/all.archive'])
    expect(cat.exit).toBe(0)
    const command = `spillway cat ${file} databases/all.archive | mongorestore --archive --config=FILE --oplogReplay`
    const origin = await at.cli(['restore', 'latest:db', '--into=origin', '--yes'])
    expect(origin.exit).toBe(2)
    expect(origin.err).toContain('is of mongodb, which --into does not go into')
    expect(origin.err).toContain(command)
    const url = await at.cli(['restore', 'latest:db', '--into=mongodb+srv://h/x'])
    expect(url.exit).toBe(2)
    expect(url.err).toContain('mongorestore --archive --config=FILE')
  })
})

describe('an empty one', () => {
  it.each([
    [
      'there is nothing but what the server has for itself',
      ALL,
      archive([SHOP[0]!, OPLOG]),
      /but the server's own/,
    ],
    ['the database that is named is not there', ONE, archive([]), /no collection in database shop/],
  ])('is no archive, since %s, unless that is meant', async (_what, url, content, says) => {
    at.set({ MONGODB: url })
    install(content)
    const report = await at.run()
    expect(report).toMatchObject({ exit: 11, archives: [], sources: [{ code: 'SOURCE_EMPTY' }] })
    expect(report.sources[0]?.message).toMatch(says)
    at.set({ ALLOW_EMPTY: 'true' })
    expect((await at.run()).exit).toBe(0)
  })
})

describe('an archive that nobody can trust', () => {
  const flipped = Buffer.from(one)
  flipped[one.indexOf('xxxxxxx')]! ^= 1

  type Case = {
    readonly script?: string
    readonly content?: Buffer
    readonly says: RegExp
    readonly code?: string
    readonly version?: string
  }
  it.each<[string, Case]>([
    [
      'exits with 1 after half of it',
      {
        script: 'real "$@" | head -c 900; printf "t\\tFailed: connection closed\\n" >&2; exit 1',
        says: /^database shop: mongodump ended with exit code 1; it said: t Failed: connection closed$/,
      },
    ],
    ...commonLies('mongodump'),
    [
      'is killed',
      {
        script: 'real "$@" | head -c 900; kill -9 $$',
        says: /shop: mongodump was ended by SIGKILL$/,
      },
    ],
    [
      'is cut, and ends with 0',
      {
        script: 'real "$@" | head -c 900; exit 0',
        says: /^database shop: mongodump ended with exit code 0, but its dump ends in the middle, after 900 bytes, without the end of shop\.orders/,
      },
    ],
    [
      'is no archive',
      {
        script: 'echo "<html>"',
        says: /its dump does not begin like an archive of mongodump, but with "<htm"/,
      },
    ],
    [
      'has a byte that is wrong',
      {
        content: flipped,
        says: /its dump has the checksum [0-9a-f]{16} for shop\.\w+, and its documents have [0-9a-f]{16}/,
      },
    ],
    [
      'is of another database',
      {
        content: archive([{ ...SHOP[1]!, db: 'shop2' }]),
        says: /^database shop: mongodump wrote a dump of another database, shop2$/,
      },
    ],
    [
      'is by a tool that is too old',
      {
        version: 'echo "mongodump version: r4.2.8"',
        says: /^the mongodump in PATH, 4\.2\.8, is older than 100\.3, and would need the password as an argument$/,
      },
    ],
    [
      'is by a tool that loses documents',
      {
        version: 'echo "mongodump version: 100.4.0"',
        says: /100\.4\.0, leaves out documents that have a field without a name$/,
      },
    ],
    [
      'is by a tool without a version',
      { version: 'echo hello', says: /^mongodump --version says no version, but "hello\\n"$/ },
    ],
  ])(
    'because it %s',
    async (_what, { script, content, says, code, version }) => {
      at.set({ MONGODB: ONE, KEEP_LAST: '1' })
      install(one)
      const before = await at.run()
      expect(before.exit).toBe(0)
      install(content ?? one, script, version)

      const report = await at.run()

      expect(report.archives).toEqual([])
      expect(report.sources).toMatchObject([
        { name: 'db', outcome: 'failed', code: code ?? 'SOURCE_DATABASE_FAILED' },
      ])
      expect(report.sources[0]?.message).toMatch(says)
      expect(report.retention.deleted).toEqual([])
      // The one of the night before, and nothing else.
      expect(existsSync(join(at.disk, before.archives[0]!.key))).toBe(true)
      expect(readdirSync(join(at.disk, before.archives[0]!.key, '..'))).toHaveLength(1)
      expect(readdirSync(at.spool)).toEqual(['.spillway-spool'])
    },
    60_000,
  )

  it('because it has no oplog, although that was asked for', async () => {
    install(archive(SHOP))
    const report = await at.run()
    expect(report.exit).toBe(14)
    expect(report.sources[0]?.message).toBe(
      'all databases: mongodump ended with exit code 0, but its dump has no oplog, although it was asked for',
    )
  })

  it('because it hangs', async () => {
    install(one, 'real "$@" | head -c 900; sleep 1000')
    const packing = createPacker().pack(
      {
        ...{ archiveId: newArchiveId(Date.now()), host: 'h', startedAt: new Date(), zstdLevel: 3 },
        ...{ verifies: true, ownPaths: [], outputBytesMax: undefined },
        // The shortest that can be set is a minute.
        source: { ...sourceOf(ONE), silenceMs: 3_000 },
        outputPath: join(at.disk, 'x.partial'),
      },
      () => undefined,
      new AbortController().signal,
    )
    await expect(packing).rejects.toMatchObject({
      code: 'SOURCE_DATABASE_FAILED',
      message: expect.stringMatching(
        /^database shop: mongodump wrote nothing for .* minutes and did not end$/,
      ) as string,
    })
    expect(readdirSync(at.disk)).toEqual(['x.partial'])
  }, 60_000)

  it('because the program is missing: its package is named', async () => {
    const { exit, out } = await at.cli(['run'], { PATH: at.disk })
    expect(exit).toBe(14)
    expect(out).toContain(
      `there is no program "mongodump" in PATH (${at.disk}): it comes with mongodb-database-tools`,
    )
  })
})

describe('a look at the server', () => {
  const survey = () =>
    createPacker().survey({ source: sourceOf(ALL), ownPaths: [] }, new AbortController().signal)

  it('is taken by the tool, which dumps nothing', async () => {
    const { exit, out } = await at.cli(['run', '--dry-run', '--json'])
    expect(exit).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ archives: [{ source: 'db', sourceBytes: null }] })
    expect(seen('arguments')).toMatch(
      /^--config=\S+ --archive --db=admin --collection=spillway-asks-whether-it-may-read\n$/,
    )
    expect(await survey()).toMatchObject({
      parts: [{ name: 'all databases, by mongodump 100.9.4', sizeBytes: undefined }],
    })
  })

  it.each([
    ["can't create session: auth error: (AuthenticationFailed) no.", /SOURCE_1_PASSWORD_FILE/],
    ['error reading password: EOF', /SOURCE_1_PASSWORD/],
    ['(Unauthorized) not authorized on admin to execute command', /the role backup in admin/],
    ['oplog overflow: mongodump was unable to capture all', /make it larger/],
    ['cannot dump with oplog while renames occur', /SOURCE_1_OPLOG=false/],
    ["can't use --oplog option when dumping from a mongos", /SOURCE_1_OPLOG=false/],
    [
      'server selection error: connection refused',
      /is the server up, and is SOURCE_1_MONGODB right/,
    ],
  ])('that ends with "%s" says what to do', async (said, hint) => {
    install(whole, `printf "t\\tFailed: ${said}\\n" >&2; exit 1`)
    await expect(survey()).rejects.toMatchObject({
      code: 'SOURCE_DATABASE_FAILED',
      message: `mongodump ended with exit code 1; it said: t Failed: ${said}`,
      hint: expect.stringMatching(hint) as string,
    })
  })
})

describe('the password', () => {
  it('stands in a file of YAML, whatever is in it, beside the address', async () => {
    await at.run()
    expect(seen('config')).toBe(
      `uri: "${ALL}"\npassword: "pa\\U00000022ss\\U0000005cword' \\U000000fc: #\\U0001f600"\n`,
    )
    at.set({ PASSWORD: '' })
    await at.run()
    expect(seen('config')).toBe(`uri: "${ALL}"\n`)
  })

  it('is seen in no process, no message and no file that stays', async () => {
    const escaped = 'pa\\U00000022ss'
    const { result, sampled } = await sampleProcesses([PASSWORD, escaped], () =>
      at.cli(['run', '--json']),
    )
    expect(result.exit).toBe(0)
    expect(sampled.leaks).toEqual([])
    expect(result.out + result.err).not.toContain(PASSWORD)
    expect(readdirSync(at.spool)).toEqual(['.spillway-spool'])
  })

  it('is hidden where the tool shows it', async () => {
    at.set({ PASSWORD: 'hidden-word-1' })
    install(whole, 'echo "Failed: hidden-word-1 in mongodb://backup:hidden-word-1@h1/" >&2; exit 1')
    const report = await at.run()
    expect(report.exit).toBe(14)
    expect(report.sources[0]?.message).toContain('Failed:')
    expect(JSON.stringify(report)).not.toContain('hidden-word-1')
  })
})
