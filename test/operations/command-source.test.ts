// Commands as sources of a whole installation: what is sent of them and in which order, what becomes of one
// that fails half-way, and that all other commands of Spillway take such an archive like any other.

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { RunReport } from '../../src/domain/run-report.ts'
import { outputOf } from '../pack/in-process.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { spillway } from '../support/command-sources.ts'
import { World } from '../support/world.ts'
import type { WorldServer } from '../support/world.ts'

const MB = 1_000_000
const PART_BYTES = 16 * 1024 * 1024

let world: World
afterEach(() => world.close())

/** The folder source of the world is number 1; number 2 is the command. */
async function start(
  command: string,
  servers: readonly WorldServer[] = [{}],
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  world = await World.make(servers)
  await world.noise('big', 60 * MB)
  delete world.env['SOURCE_1_NAME']
  delete world.env['SOURCE_1_PATH']
  Object.assign(world.env, {
    ...{ SOURCE_2_COMMAND: command, SOURCE_2_NAME: 'app', SOURCE_2_FILE: 'app.dump' },
    ...more,
  })
}

const partsOf = (server: number): number[] =>
  world.models[server]!.log.filter(
    ({ operation, status }) => operation === 'UploadPart' && status === 200,
  ).map(({ partNumber }) => partNumber)

/** What a script does until `goAfterPart` lets it go on. */
const UNTIL_GO = 'until test -e go; do sleep 0.05; done'

/** Lets the script go on when the server has this part; a command runs in the world's folder. */
async function goAfterPart(partNumber: number): Promise<void> {
  await world.models[0]!.answered('UploadPart', partNumber)
  await writeFile(join(world.folder, 'go'), '')
}

const sourceBytes = () => readFile(join(world.source, 'big'))

function objectOf(server: number, report: RunReport): Buffer {
  return world.models[server]!.bytesOf(report.archives[0]!.key)
}

function dumpIn(archive: Buffer): Buffer {
  return outputOf('tar', ['--zstd', '-xOf', '-', 'app.dump'], archive)
}

describe('the upload of a command', () => {
  it('follows the output, and sends the part with the header last', async () => {
    await start(`bash -c 'head -c 50000000 source/big; ${UNTIL_GO}; tail -c +50000001 source/big'`)
    const order: string[] = []
    const going = goAfterPart(2)

    const report = await world.run({ onEvent: ({ kind }) => order.push(kind) })

    await going
    expect(report).toMatchObject({ exit: 0, sources: [{ name: 'app', outcome: 'ok' }] })
    expect(order.indexOf('upload-started')).toBeLessThan(order.indexOf('packed'))
    const parts = partsOf(0)
    expect(parts.toSorted()).toEqual([1, 2, 3, 4])
    expect(parts.at(-1)).toBe(1)
    expect(dumpIn(objectOf(0, report)).equals(await sourceBytes())).toBe(true)
    expect(await world.audit()).toEqual([])
  })

  it('goes on to the next server in the middle, which gets the same bytes [F45a]', async () => {
    await start('cat source/big', [{}, {}], { LOCAL_KEEP: '1' })
    const proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
    world.configure(1, proxy.endpoint, world.models[0]!)
    proxy.add({
      operation: 'UploadPart',
      partNumber: 3,
      fault: { kind: 'answer', status: 403, code: 'QuotaExceeded', readsBody: false },
    })

    const report = await world.run()

    await proxy.close()
    expect(report.archives[0]?.attempts).toMatchObject([
      { server: 1, outcome: 'full' },
      { server: 2, outcome: 'stored' },
    ])
    const spooled = await readFile(join(world.folder, 'data/spool', report.archives[0]!.file))
    expect(objectOf(1, report).equals(spooled)).toBe(true)
    expect(dumpIn(spooled).equals(await sourceBytes())).toBe(true)
  })

  it('that loses its last part sends it again, or the whole to the next server', async () => {
    await start('cat source/big', [{}, {}])
    const proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
    world.configure(1, proxy.endpoint, world.models[0]!)
    proxy.add({ operation: 'UploadPart', partNumber: 1, fault: { kind: 'reset', afterBytes: MB } })

    const report = await world.run()

    await proxy.close()
    expect(report.archives[0]?.attempts).toMatchObject([
      { server: 1, outcome: 'dead' },
      { server: 2, outcome: 'stored' },
    ])
    expect(dumpIn(objectOf(1, report)).equals(await sourceBytes())).toBe(true)
  })

  it('to a directory writes its parts where they belong', async () => {
    await start('cat source/big', [])
    const directory = join(world.folder, 'disk')
    await mkdir(directory)
    world.env['S3_SERVER_1_ENDPOINT'] = `file://${directory}`

    const report = await world.run()

    expect(report.exit).toBe(0)
    const archive = await readFile(join(directory, report.archives[0]!.key))
    expect(archive.length).toBeGreaterThan(3 * PART_BYTES)
    expect(dumpIn(archive).equals(await sourceBytes())).toBe(true)
  })
})

describe('a command that fails', () => {
  it('after 50 MB of which parts were sent leaves nothing, and the other sources go on', async () => {
    const end = 'echo "pg_dump: lost" >&2; exit 1'
    await start(`bash -c 'head -c 50000000 source/big; ${UNTIL_GO}; ${end}'`)
    const going = goAfterPart(2)
    await mkdir(join(world.folder, 'docs'))
    await writeFile(join(world.folder, 'docs/a'), 'a')
    world.env['SOURCE_3_PATH'] = join(world.folder, 'docs')

    const report = await world.run()

    await going
    expect(report).toMatchObject({
      exit: 13,
      outcome: 'failed',
      sources: [
        {
          name: 'app',
          outcome: 'failed',
          code: 'SOURCE_COMMAND_FAILED',
          message: 'bash ended with exit code 1; it said: pg_dump: lost',
        },
        { name: 'docs', outcome: 'ok' },
      ],
    })
    expect(report.archives.map(({ source }) => source)).toEqual(['docs'])
    expect(partsOf(0)).toContain(2)
    expect(world.models[0]!.uploads()).toEqual([])
    expect(await world.audit()).toEqual([])
    expect(await readdir(join(world.folder, 'data/spool'))).toEqual(['.spillway-spool'])
  })

  it('keeps the archives of the nights before, whatever retention would do', async () => {
    await start('cat source/big', [{}], { SOURCE_2_KEEP_LAST: '1' })
    await world.noise('big', 10_000)
    expect((await world.run()).exit).toBe(0)
    world.env['SOURCE_2_COMMAND'] = 'false'

    for (const night of [2, 3]) {
      const report = await world.run()
      expect(report.sources, String(night)).toMatchObject([{ code: 'SOURCE_COMMAND_FAILED' }])
      expect(report.retention.deleted).toEqual([])
    }

    const archives = await world.withCatalog((catalog) => catalog.archives())
    expect(archives.map(({ state, copies }) => [state, copies.length])).toEqual([
      ['failed', 0],
      ['failed', 0],
      ['gone', 1],
    ])
    expect(await world.audit()).toEqual([])
  })

  it('is interrupted with the run [F03b]', async () => {
    await start(`bash -c 'echo $$ > pid; cat source/big; sleep 1000'`, [{}])
    const stop = new AbortController()
    const report = await world.run({
      signal: stop.signal,
      onEvent: ({ kind }) => {
        if (kind === 'uploading') stop.abort()
      },
    })
    expect(report.exit).toBe(130)
    const pid = (await readFile(join(world.folder, 'pid'), 'utf8')).trim()
    expect(existsSync(`/proc/${pid}`)).toBe(false)
    expect(world.models[0]!.uploads()).toEqual([])
    expect(await world.audit()).toEqual([])
  })
})

describe('the archive of a command', () => {
  it('is listed, found, read, restored and verified like any other', async () => {
    await start('cat source/big')
    const content = await sourceBytes()
    await world.run()
    const config = ['--config', await world.writeEnv()]
    const to = join(world.folder, 'restored')

    const listed = await spillway(['list', '--json', ...config])
    const found = await spillway(['find', 'app.dump', '--json', ...config])
    const history = await spillway(['history', 'app.dump', '--json', ...config])
    const cat = await spillway(['cat', 'latest:app', 'app.dump', ...config])
    const restored = await spillway(['restore', 'latest:app', '--to', to, ...config])
    const part = await spillway(['restore', 'latest:app', 'app.dump', '--to', `${to}2`, ...config])
    const deep = await spillway(['verify', '--deep', ...config])

    expect(JSON.parse(listed.out.toString())).toMatchObject({
      archives: [{ source: 'app', state: 'stored', fileCount: 1 }],
    })
    for (const { exit, out, err } of [found, history, restored, part, deep])
      expect(exit, `${out.toString()} ${err}`).toBe(0)
    expect(found.out.toString()).toContain('app.dump')
    expect(sha256(cat.out)).toBe(sha256(content))
    expect(sha256(await readFile(join(to, 'app.dump')))).toBe(sha256(content))
    expect(sha256(await readFile(join(`${to}2`, 'app.dump')))).toBe(sha256(content))
  }, 60_000)

  it('is planned without running it: by its last size, and for the first time without one', async () => {
    await start(`bash -c 'echo ran >> ran; cat source/big'`, [{}])
    const config = ['--config', await world.writeEnv()]
    const plan = async (): Promise<unknown> =>
      JSON.parse((await spillway(['run', '--dry-run', '--json', ...config])).out.toString())

    expect(await plan()).toMatchObject({
      exit: 0,
      archives: [
        {
          source: 'app',
          sourceBytes: null,
          sizeBytes: null,
          sizeFrom: null,
          servers: [{ number: 1 }],
        },
      ],
    })
    expect(existsSync(join(world.folder, 'ran'))).toBe(false)
    const { archives } = await world.run()
    expect(await plan()).toMatchObject({ archives: [{ sizeFrom: 'last archive' }] })
    expect(archives[0]?.sourceBytes).toBe(60 * MB)
    expect(await readFile(join(world.folder, 'ran'), 'utf8')).toBe('ran\n')

    world.env['SOURCE_2_COMMAND'] = 'pg_dmup app'
    await world.writeEnv()
    expect(await plan()).toMatchObject({ exit: 13, archives: [{ code: 'SOURCE_COMMAND_FAILED' }] })
  })
})

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
