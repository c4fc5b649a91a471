// What is kept of runs: also of those that the daemon did not begin, and of those that were killed.

import Database from 'better-sqlite3'
import { existsSync, rmSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openState } from '../../src/state/open-state.ts'
import { spillway } from '../support/command-sources.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

type Told = Readonly<Record<string, unknown>> & {
  readonly id: string
  readonly events: readonly { readonly kind: string }[]
}

let world: World
let daemon: TestDaemon
beforeEach(async () => {
  world = await World.make([{}])
  await world.noise('one.bin', 10_000)
  daemon = await TestDaemon.start(world)
})
afterEach(async () => {
  await daemon.stop()
  await world.close()
})

const runs = async (): Promise<readonly Told[]> =>
  (await daemon.ask('GET', '/api/runs', { scope: 'read' })).json['runs'] as readonly Told[]
const oneRun = async (id: string): Promise<Told> =>
  (await daemon.ask('GET', `/api/runs/${id}`, { scope: 'read' })).json as Told

/** By hand, in a hook that does not end. */
async function runThatHangs() {
  const begun = join(world.folder, 'begun')
  world.env['SOURCE_1_BEFORE'] = `bash -c 'touch ${begun}; exec sleep 600'`
  const config = await world.writeEnv()
  const child = spawn(process.execPath, [PROGRAM, 'run', '--config', config], { stdio: 'ignore' })
  const closed = new Promise((resolve) => child.on('close', resolve))
  await vi.waitFor(() => expect(existsSync(begun)).toBe(true), 10_000)
  return { child, config, closed }
}

describe('runs', () => {
  it('of the command line and of the daemon are told, each with its journal and report', async () => {
    expect(await runs()).toEqual([])
    const byHand = await spillway(['run', '--json', '--config', await world.writeEnv()])
    expect(byHand.exit).toBe(0)
    const { json: job } = await daemon.ask('POST', '/api/runs', { body: { sources: ['docs'] } })
    await daemon.follow(job['id'] as string)

    const [second, first] = await runs()
    expect(first).toMatchObject({
      ...{ origin: 'command', jobId: null, state: 'done', exit: 0, reason: null },
      ...{ sources: ['docs'], stored: 1, waiting: 0, failed: 0 },
      storedBytes: expect.any(Number) as number,
      endedAt: expect.any(String) as string,
    })
    expect(second).toMatchObject({ origin: 'api', jobId: job['id'], state: 'done', exit: 0 })

    const { events, ...told } = await oneRun(first!.id)
    expect(told['report']).toEqual(JSON.parse(byHand.out.toString()))
    const kinds = events.map(({ kind }) => kind)
    expect(kinds[0]).toBe('source-started')
    expect(kinds.at(-1)).toBe('run-ended')
    expect(kinds).toContain('stored')
    expect(kinds).not.toContain('uploading')
    expect((await daemon.ask('GET', `/api/runs/${job['id'] as string}`)).status).toBe(404)
    const page = await daemon.ask('GET', '/api/runs?limit=1')
    expect(page.json).toMatchObject({ runs: [{ id: second!.id }], next: second!.id })
    const rest = await daemon.ask('GET', `/api/runs?before=${second!.id}`)
    expect(rest.json).toMatchObject({ runs: [{ id: first!.id }], next: null })
    const status = await daemon.ask('GET', '/api/status')
    expect(status.json['lastRun']).toMatchObject({ id: second!.id, exit: 0, state: 'done' })
  })

  it('that could not begin, or was refused, says why', async () => {
    const { exit } = await spillway(['run', 'dox', '--config', await world.writeEnv()])
    expect(exit).toBe(2)
    expect(await runs()).toMatchObject([
      {
        state: 'failed',
        exit: 2,
        sources: ['dox'],
        reason: expect.stringContaining('"dox"') as string,
      },
    ])
    // Whoever only looks at what would be done has run nothing.
    await spillway(['run', '--dry-run', '--config', await world.writeEnv()])
    expect(await runs()).toHaveLength(1)
  })

  it('that was killed is lost, at once and for ever, and is not taken for one that goes on', async () => {
    const { child, closed } = await runThatHangs()
    expect(await runs()).toMatchObject([{ state: 'running', endedAt: null, exit: null }])
    child.kill('SIGKILL')
    await closed
    const lost = { state: 'lost', endedAt: expect.any(String) as string, exit: null }
    expect(await runs()).toMatchObject([lost])
    delete world.env['SOURCE_1_BEFORE']
    const next = await spillway(['run', '--config', await world.writeEnv()])
    expect(next.exit).toBe(0)
    expect(await runs()).toMatchObject([{ state: 'done' }, lost])
  })

  it('that found another one going on, or named no source of ours, is kept, and is not the last run', async () => {
    const { child, config, closed } = await runThatHangs()
    expect((await spillway(['run', '--config', config])).exit).toBe(75)
    const [, first] = await runs()
    const { json } = await daemon.ask('GET', '/api/status')
    expect(json['lastRun']).toMatchObject({ id: first!.id, state: 'running' })

    child.kill('SIGINT')
    await closed
    expect((await spillway(['run', 'dox', '--config', config])).exit).toBe(2)
    const { out } = await spillway(['status', '--json', '--config', config])
    expect(JSON.parse(out.toString())).toMatchObject({ lastRun: { id: first!.id, exit: 130 } })
  })

  it.each([
    [
      'is damaged',
      (path: string): void => {
        for (const each of [`${path}-wal`, `${path}-shm`]) rmSync(each, { force: true })
        writeFileSync(path, 'x'.repeat(8_192))
      },
    ],
    [
      'is a folder',
      (path: string): void => {
        for (const each of [path, `${path}-wal`, `${path}-shm`]) rmSync(each, { force: true })
        mkdirSync(path)
      },
    ],
  ])('is stored, with a warning, where the state file %s', async (_what, spoil) => {
    await daemon.stop()
    const path = join(world.folder, 'data/state.sqlite')
    spoil(path)
    const { exit, out } = await spillway(['run', '--json', '--config', await world.writeEnv()])
    const report = JSON.parse(out.toString()) as { archives: unknown; warnings: string[] }
    expect(exit).toBe(3)
    expect(report.archives).toMatchObject([{ state: 'stored' }])
    expect(report.warnings).toEqual([expect.stringContaining('could not be kept')])
    expect(await world.audit()).toEqual([])
    rmSync(path, { recursive: true })
    daemon = await TestDaemon.start(world)
  })

  it('goes on while somebody holds the state file, and is kept once he lets go', async () => {
    const begun = join(world.folder, 'begun')
    const go = join(world.folder, 'go')
    world.env['SOURCE_1_BEFORE'] =
      `bash -c 'touch ${begun}; until test -e ${go}; do sleep 0.05; done'`
    const running = spillway(['run', '--json', '--config', await world.writeEnv()])
    await vi.waitFor(() => expect(existsSync(begun)).toBe(true), 10_000)
    const other = new Database(join(world.folder, 'data/state.sqlite'))
    other.exec('begin immediate')
    writeFileSync(go, '')
    // Its archive is stored while the file is held.
    await vi.waitFor(() => expect(world.models[0]!.objects().length).toBeGreaterThan(0), 10_000)
    other.exec('rollback')
    other.close()
    const { exit } = await running
    expect([0, 3]).toContain(exit)
    const [run] = await runs()
    expect(run).toMatchObject({ state: 'done', stored: 1 })
    const kinds = (await oneRun(run!.id)).events.map(({ kind }) => kind)
    expect(kinds).toEqual(expect.arrayContaining(['source-started', 'stored', 'run-ended']))
  })
})

it('keeps the last 400 runs, each with its journal', () => {
  const state = openState(join(world.folder, 'data'))
  try {
    const id = (number: number): string =>
      `01a1ffed-0d53-73be-8648-${String(number).padStart(12, '0')}`
    for (let number = 1; number <= 403; number += 1) {
      const run = { id: id(number), origin: 'command', jobId: undefined, sources: [] } as const
      state.runs.begin({ ...run, startedAt: new Date(number) })
      state.runs.addEvents(run.id, [{ number: 1, at: new Date(number), event: { kind: 'note' } }])
    }
    const kept = state.runs.list({ before: undefined, limit: 1_000 })
    expect([kept.length, kept[0]!.id, kept.at(-1)!.id]).toEqual([400, id(403), id(4)])
    expect(state.runs.events(id(3))).toEqual([])
  } finally {
    state.close()
  }
})
