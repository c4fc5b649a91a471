// kill -9 in the middle of a rebuild, and in the middle of copying the catalog to the servers: whatever was
// going on, doing it again ends where it would have ended.

import { spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeArchives } from '../support/many-archives.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { World } from '../support/world.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

let world: World
beforeEach(async () => {
  world = await World.make([{}])
  await world.noise('one', 5_000)
})
afterEach(async () => {
  await world.close()
})

it('a rebuild that is killed at any object goes on where it was, and ends as one that was not [F01f]', async () => {
  const count = 30
  await makeArchives(world, count)
  const proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  world.env['S3_SERVER_1_ENDPOINT'] = proxy.endpoint
  const catalogPath = join(world.folder, 'data/catalog.db')
  for (const suffix of ['', '-wal', '-shm']) rmSync(catalogPath + suffix, { force: true })
  try {
    const known: number[] = []
    for (const nth of [1, 9, 14]) {
      proxy.clear()
      await killedAt(proxy, { operation: 'Get', nth }, ['reconcile', '--rebuild'])
      known.push(await world.withCatalog(async (catalog) => (await catalog.archives()).length))
    }
    expect(known).toEqual(known.toSorted((a, b) => a - b))
    expect(known[2]).toBeGreaterThan(known[0]!)
    expect(known[2]).toBeLessThan(count)

    proxy.clear()
    const { exit, output } = await runProgram(['reconcile', '--rebuild', '--json'])
    expect(exit, output).toBe(0)
    const told = JSON.parse(output) as { isComplete: boolean; start: { from: string } }
    expect([told.isComplete, told.start.from]).toEqual([true, 'resumed'])
    await world.withCatalog(async (catalog) => {
      await catalog.check()
      expect(await catalog.archives()).toHaveLength(count)
      const [server] = await catalog.servers()
      expect(server).toMatchObject({ usedBytes: world.models[0]!.heldBytes, otherBytes: 0 })
    })
  } finally {
    await proxy.close()
  }
}, 120_000)

it.each([
  ['before the copy is there', { operation: 'Put' }],
  ['after it is there, before it is proven', { operation: 'Head', key: /catalog-/, nth: 1 }],
] as const)(
  'a run that is killed while it copies the catalog: %s [F01f]',
  async (_when, rule) => {
    const proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
    world.env['S3_SERVER_1_ENDPOINT'] = proxy.endpoint
    try {
      await killedAt(proxy, rule, ['run'])
      const spool = join(world.folder, 'data/spool')
      expect(existsSync(join(spool, '.catalog-snapshot.db.zst'))).toBe(true)
      const [open] = await world.withCatalog((catalog) => catalog.snapshots())
      expect(open?.state).toBe('uploading')
      const counted = await catalogBytes()
      expect(counted).toBe(open?.sizeBytes)
      expect(counted).toBeGreaterThanOrEqual(heldCatalogBytes())

      proxy.clear()
      const { exit, output } = await runProgram(['run'])
      expect(exit, output).toBe(0)
      expect(await catalogBytes()).toBe(heldCatalogBytes())
      const rows = await world.withCatalog((catalog) => catalog.snapshots())
      expect(new Set(rows.map(({ state }) => state))).toEqual(new Set(['stored']))
      expect(existsSync(join(spool, '.catalog-snapshot.db.zst'))).toBe(false)
    } finally {
      await proxy.close()
    }
  },
  60_000,
)

it('a rebuild that is killed while it fetches a copy of the catalog leaves no catalog behind', async () => {
  await runProgram(['run'])
  const proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  world.env['S3_SERVER_1_ENDPOINT'] = proxy.endpoint
  const catalogPath = join(world.folder, 'data/catalog.db')
  rmSync(catalogPath)
  try {
    await killedAt(proxy, { operation: 'Get', key: /catalog-/ }, ['reconcile', '--rebuild'])
    expect(existsSync(catalogPath)).toBe(false)
    proxy.clear()
    const { exit, output } = await runProgram(['reconcile', '--rebuild'])
    expect(exit, output).toBe(0)
    expect(output).toContain('began with the copy of the catalog')
    expect(existsSync(join(world.folder, 'data/.catalog-rebuild'))).toBe(false)
  } finally {
    await proxy.close()
  }
}, 60_000)

type Proxy = Awaited<ReturnType<typeof startFaultProxy>>
type Rule = Omit<Parameters<Proxy['add']>[0], 'fault'>

/** Runs the program, and kills it when this request arrives, before it is answered. */
async function killedAt(proxy: Proxy, rule: Rule, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, ...args, '--config', await world.writeEnv()])
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const until = () => {
    child.kill('SIGKILL')
    return ended
  }
  proxy.add({ ...rule, fault: { kind: 'wait', until } })
  expect(await ended).toBe(null)
  proxy.assertFired()
}

async function runProgram(args: readonly string[]) {
  const child = spawn(process.execPath, [PROGRAM, ...args, '--config', await world.writeEnv()])
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const exit = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  return { exit, output: exit === 0 ? output : output + errors }
}

async function catalogBytes(): Promise<number | undefined> {
  return (await world.withCatalog((catalog) => catalog.servers()))[0]?.catalogBytes
}

function heldCatalogBytes(): number {
  return world.models[0]!.objects()
    .filter(({ key }) => key.startsWith('spillway-catalog/'))
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
