// The N-th write, sync or link of a run is the last thing that it does, or fails, for every N: points that nobody
// thought of. Needs strace, which scripts/test-servers.sh installs.

import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { failOnFile, hasStrace, traced } from '../support/strace.ts'
import { violations } from '../support/oracle.ts'
import { World } from '../support/world.ts'

if (!hasStrace) console.error('SKIPPED: no strace here, or no right to trace')

// The threads of libuv and of the run make their calls in an order of their own; more tries than this show nothing new.
const TRIES_MAX = 25

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

let world: World
beforeEach(async () => {
  world = await World.make([{ limitGb: 100 }, {}])
  await world.noise('file', 3_000_000)
})
afterEach(() => world.close())

type Tampering = {
  readonly inject?: { readonly what: string; readonly when: number }
  readonly alsoSeen?: readonly string[]
  readonly paths?: readonly string[]
}

const run = async (calls: readonly string[], tampering: Tampering = {}) =>
  traced({
    ...{ calls, ...tampering, logPath: join(world.folder, 'calls') },
    argv: ['run', '--config', await world.writeEnv()],
  })

/**
 * Numbers of calls, all of them or spread: strace counts each thread's own, so the N-th is that of whichever thread
 * comes to its N-th first.
 */
function numbersOf(calls: readonly string[], triesMax = TRIES_MAX): readonly number[] {
  const byThread = new Map<string, number>()
  for (const call of calls) {
    const thread = call.slice(0, call.indexOf(' '))
    byThread.set(thread, (byThread.get(thread) ?? 0) + 1)
  }
  const count = Math.max(0, ...byThread.values())
  const tries = Math.min(count, triesMax)
  return Array.from({ length: tries }, (_, at) => 1 + Math.floor((at * count) / tries))
}

async function isSettled(context: string): Promise<void> {
  const next = await world.run()
  expect(next.exit, `${context}: ${JSON.stringify([next.sources, next.warnings])}`).toBe(0)
  expect(await violations(world), context).toEqual([])
}

describe.skipIf(!hasStrace)('a run whose system calls are tampered with', () => {
  it.each([
    [['fsync', 'fdatasync']],
    [['rename', 'link', 'unlink', 'unlinkat', 'mkdir']],
    [['pwrite64']],
    [['connect', 'sendto', 'sendmsg']],
  ])(
    'is settled by the next one when it is killed at any %j [F02]',
    async (calls) => {
      const whole = await run(calls)
      expect(whole.exit, whole.output).toBe(0)
      let killed = 0
      for (const when of numbersOf(whole.calls)) {
        const context = `killed at ${calls.join()} ${when} of ${whole.calls.length}`
        const ended = await run(calls, { inject: { what: 'signal=SIGKILL', when } })
        // Not every run makes as many calls.
        if (ended.signal === 'SIGKILL') killed += 1
        await isSettled(context)
      }
      // Calls of the file system are shared among four threads, never in the same way, and each counts its own.
      expect(killed).toBeGreaterThan(numbersOf(whole.calls).length / 5)
    },
    900_000,
  )

  it('tells of every sync that failed of what the catalog was given, and the next run is right [F11a]', async () => {
    const calls = ['fsync', 'fdatasync']
    const data = join(world.folder, 'data')
    // By name: syncs of an output are counted as well otherwise, and one of standard error that fails hangs koffi.
    const names = ['catalog.db', 'catalog.db-wal', 'state.sqlite-wal', 'spool']
    const paths = [data, ...names.map((name) => join(data, name))]
    await isSettled('a catalog with its tables')
    const whole = await run(calls, { paths })
    const ends: string[] = []
    const untold: string[] = []
    // One of them only is that of `stored`.
    for (const when of numbersOf(whole.calls, Infinity)) {
      const inject = { what: 'error=EIO', when }
      const ended = await run(calls, { inject, paths, alsoSeen: ['close', 'pwrite64'] })
      // The N-th of each thread.
      const failed = ended.calls.filter((line) => line.includes('INJECTED'))
      const context = `sync ${when}: ${failed.map(pathIn).join()}`
      expect(syncedAgain(ended.calls), context).toEqual([])
      const isTold = ended.exit !== null && ended.exit > 1
      if (!isTold && losing(ended.calls).length > 0) untold.push(context)
      ends.push(`${ended.exit} ${context}`)
      await isSettled(context)
    }
    expect(untold, ends.join('\n')).toEqual([])
    const told = ends.filter((end) => end.startsWith('40 ') && end.includes('/catalog.db-wal'))
    expect(told.length, ends.join('\n')).toBeGreaterThan(10)
  }, 900_000)
})

describe.skipIf(!hasStrace)('a spool file that cannot be synced', () => {
  it('is given up by its run, never synced again, and the next run is right [F11b]', async () => {
    delete world.env['SOURCE_1_PATH']
    // Its name holds the second in which the run began it: so the program waits until strace knows it.
    const script = 'head -c 3000000 /dev/urandom; until [ -e go ]; do sleep 0.02; done; echo end'
    Object.assign(world.env, { SOURCE_1_NAME: 'app', SOURCE_1_COMMAND: `bash -c '${script}'` })
    const argv = [PROGRAM, 'run', '--json', '--config', await world.writeEnv()]
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'ignore'] })
    const out = text(child.stdout)
    const exit = new Promise<number | null>((resolve) => child.on('close', resolve))
    const spool = join(world.folder, 'data', 'spool')
    const path = await vi.waitFor(() => {
      const name = readdirSync(spool).find((each) => each.endsWith('.partial'))
      expect(name).toBeDefined()
      return join(spool, name!)
    }, 20_000)

    const strace = await failOnFile({
      ...{ pid: child.pid!, path, calls: ['fsync', 'fdatasync'], what: 'error=EIO' },
      logPath: join(world.folder, 'calls'),
    })
    writeFileSync(join(world.folder, 'go'), '')

    expect(await exit).toBe(34)
    const failed = (await strace.ended).filter((line) => line.includes('INJECTED'))
    expect(failed, failed.join('\n')).toHaveLength(1)
    expect(JSON.parse(await out)).toMatchObject({
      sources: [{ outcome: 'failed', code: 'SPOOL_FAILED' }],
    })
    // Nobody knows what of it is on the disk: it is neither kept nor sent.
    expect(readdirSync(spool).filter((name) => name.includes('.tar.zst'))).toEqual([])
    const objects = world.models.flatMap((model) => model.objects())
    expect(objects.filter(({ key }) => key.endsWith('.tar.zst'))).toEqual([])
    expect(await world.run()).toMatchObject({ exit: 0 })
    expect(await world.audit()).toEqual([])
  }, 120_000)
})

describe.skipIf(!hasStrace)('a standard error that cannot be synced', () => {
  it('holds up neither a run nor a restore, although koffi syncs it when it is unloaded [F11c]', async () => {
    const config = await world.writeEnv()
    const to = join(world.folder, 'to')
    const errors = join(world.folder, 'errors.log')
    const calls = ['fsync', 'fdatasync']
    for (const argv of [
      ['run', '--config', config],
      ['restore', 'latest:docs', '--to', to, '--config', config],
    ]) {
      const inject = { what: 'error=EIO', when: '1+' as const }
      const ended = await traced({
        ...{ argv, calls, inject, paths: [errors], errorsPath: errors, patienceMs: 60_000 },
        logPath: join(world.folder, 'calls'),
      })
      expect(ended, readFileSync(errors, 'utf8')).toMatchObject({ exit: 0, signal: null })
    }
  }, 180_000)
})

// What SQLite does with a file of its own is SQLite's: it fails the transaction, and writes the pages again.
const SQLITE = /\.(?:db|sqlite|lock)(?:-wal|-journal)?$/

/**
 * Syncs that failed of what was added to the log of a catalog since it was last synced. The log is also synced before a
 * checkpoint, when all of it was synced at its commits.
 */
function losing(calls: readonly string[]): readonly string[] {
  let hasNew = false
  return calls.filter((line) => {
    if (!pathIn(line).endsWith('/catalog.db-wal')) return false
    if (line.includes(' pwrite64(')) hasNew = true
    if (!/ (?:fsync|fdatasync)\(/.test(line)) return false
    const isNew = hasNew
    hasNew = false
    return isNew && line.includes('INJECTED')
  })
}

/** Syncs of a descriptor that failed to sync before, and was not closed since. */
function syncedAgain(calls: readonly string[]): readonly string[] {
  const failed = new Set<string>()
  const again: string[] = []
  for (const line of calls) {
    const [, call = '', fd = ''] = /\b(fsync|fdatasync|close)\((\d+)/.exec(line) ?? []
    // koffi syncs standard output when it is unloaded, which is no file of ours.
    if (SQLITE.test(pathIn(line)) || pathIn(line).startsWith('socket:')) continue
    if (call === 'close') failed.delete(fd)
    else if (failed.has(fd)) again.push(line)
    else if (line.includes('EIO')) failed.add(fd)
  }
  return again
}

/** `123 fsync(28</a/b>) = 0` */
function pathIn(line: string): string {
  return /\(\d+<([^>]*)>/.exec(line)?.[1] ?? ''
}
