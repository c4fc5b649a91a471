// kill -9 in the middle of an evacuation, at each kind of request in turn, and once more until it is done:
// every archive must be whole on the other server, and not a byte unaccounted for.

import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { withoutCopyNumber } from '../../src/domain/archive.ts'
import { runSql } from '../catalog/fixtures.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { World } from '../support/world.ts'
import type { FaultProxy, FaultRule } from '../support/fault-proxy.ts'
import type { S3Model } from '../support/s3-model.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

type Moment = {
  /** `before`: the server never sees the request. `after`: it does what was asked, and nobody hears of it. */
  readonly when: 'before' | 'after'
  readonly server: 1 | 2
  readonly rule: Omit<FaultRule, 'fault'>
}

const MOMENTS: readonly Moment[] = [
  { when: 'before', server: 1, rule: { operation: 'Get', key: /^host/ } },
  { when: 'after', server: 2, rule: { operation: 'Create' } },
  { when: 'before', server: 2, rule: { operation: 'UploadPart' } },
  { when: 'before', server: 2, rule: { operation: 'Complete' } },
  // Between the abort of what that left and its row.
  { when: 'before', server: 2, rule: { operation: 'Head', key: /^host/, nth: 2 } },
  { when: 'after', server: 2, rule: { operation: 'Complete' } },
  { when: 'before', server: 1, rule: { operation: 'Delete', key: /^host/ } },
  // Between the delete and its row.
  { when: 'before', server: 1, rule: { operation: 'Head', key: /^host/, nth: 2 } },
  { when: 'before', server: 2, rule: { operation: 'Put', key: /catalog-/ } },
]

let world: World
const proxies: FaultProxy[] = []
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close()
  await world.close()
})

it('an evacuation killed at any request is finished by the next one [F01f]', async () => {
  world = await World.make([{}, {}])
  for (const [index, model] of world.models.entries()) {
    const proxy = await startFaultProxy({ target: model.endpoint })
    proxies.push(proxy)
    world.configure(index + 1, proxy.endpoint, model)
    // The audit looks for the server under the address that the catalog knows.
    world.models[index] = Object.create(model, { port: { value: proxy.port } }) as S3Model
  }
  await world.noise('big', 12_000_000)
  for (let night = 0; night < 4; night += 1) expect((await program('run')).exit).toBe(0)
  const before = contentOf(0)
  expect(before.size).toBe(4)
  world.env['S3_SERVER_1_ENABLED'] = 'false'

  for (const moment of MOMENTS) {
    await evacuateAndDieAt(moment)
    // As if hours had passed: of what was sent within the last one a Complete might still be on its way.
    await runSql(
      join(world.folder, 'data/catalog.db'),
      `update s3_archives set completing_at = '2026-01-01T00:00:00.000Z' where is_completing = 1`,
    )
    // At no moment is an archive on no server at all, or anything on one that is not the archive.
    for (const [key, bytes] of before)
      expect([contentOf(0).get(key), contentOf(1).get(key)], nameOf(moment)).toContain(bytes)
    for (const [key, bytes] of [...contentOf(0), ...contentOf(1)])
      expect(bytes === before.get(key), key).toBe(true)
  }
  const last = await program('evacuate 1 --json')

  expect(last.exit, last.output).toBe(0)
  expect(contentOf(1)).toEqual(before)
  expect(contentOf(0).size).toBe(0)
  expect(await world.audit()).toEqual([])
  const spooled = await readdir(join(world.folder, 'data/spool'))
  expect(spooled.filter((name) => name !== '.spillway-spool')).toEqual([])
}, 240_000)

function contentOf(index: number): ReadonlyMap<string, string> {
  const model = world.models[index]!
  const keys = model.objects().map(({ key }) => key)
  const archives = keys.filter((key) => key.startsWith('host/'))
  // A key to which a Complete was sent that nobody answered is not written again.
  const content = archives.map(
    (key) => [withoutCopyNumber(key), model.bytesOf(key).toString('base64')] as const,
  )
  return new Map(content)
}

async function evacuateAndDieAt(moment: Moment): Promise<void> {
  const proxy = proxies[moment.server - 1]!
  const { child, ended } = await start('evacuate 1')
  const kill = () => {
    child.kill('SIGKILL')
    return ended
  }
  proxy.add({
    ...moment.rule,
    fault:
      moment.when === 'before'
        ? { kind: 'wait', until: kill }
        : { kind: 'hang-answer', afterBytes: 0, reached: () => void kill() },
  })
  const { exit, output } = await ended
  expect(exit, `${nameOf(moment)}: ${output}`).toBe(null)
  proxy.assertFired()
  proxy.clear()
}

function nameOf({ when, server, rule }: Moment): string {
  return `${when} ${rule.operation} ${rule.nth ?? 1} on server ${server}`
}

async function program(words: string) {
  return (await start(words)).ended
}

async function start(words: string) {
  const args = [...words.split(' '), '--config', await world.writeEnv()]
  const child = spawn(process.execPath, [PROGRAM, ...args])
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended = new Promise<{ readonly exit: number | null; readonly output: string }>(
    (resolve, reject) => {
      child.on('error', reject)
      child.on('close', (exit) => resolve({ exit, output }))
    },
  )
  return { child, ended }
}
