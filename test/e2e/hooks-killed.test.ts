// A run that is killed between BEFORE and AFTER: the next one runs AFTER first of all.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { World } from '../support/world.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')
const LOG = 'echo $SPILLWAY_HOOK ${SPILLWAY_OUTCOME:--} $SPILLWAY_ARCHIVE_ID >> log'

let world: World
afterEach(() => world.close())

it('a run that is killed while its source is read is made good by the next one [F01i]', async () => {
  world = await World.make([{}])
  await writeFile(join(world.source, 'a'), 'content')
  const hooks = {
    SOURCE_1_BEFORE: `bash -c '${LOG}; touch open'`,
    SOURCE_1_AFTER: `bash -c '${LOG}; rm open'`,
  }
  delete world.env['SOURCE_1_PATH']
  Object.assign(world.env, hooks, { SOURCE_1_COMMAND: "bash -c 'touch reading; sleep 1000'" })
  const envFile = await world.writeEnv()
  const run = spawn(process.execPath, [PROGRAM, 'run', '--config', envFile], { stdio: 'ignore' })
  const ended = new Promise((resolve) => run.on('close', resolve))
  await vi.waitFor(() => expect(existsSync(join(world.folder, 'reading'))).toBe(true), 20_000)
  run.kill('SIGKILL')
  await ended
  expect(existsSync(join(world.folder, 'open'))).toBe(true)

  world.env['SOURCE_1_COMMAND'] = 'echo done'
  // Another source alone is asked for; what is down must not wait for its own turn.
  world.env['SOURCE_2_PATH'] = world.source
  world.env['SOURCE_2_NAME'] = 'other'
  const next = await spillway(['run', 'other', '--config', await world.writeEnv()])

  expect(next.exit, next.err).toBe(0)
  expect(next.out.toString()).toMatch(/BEFORE of docs was begun at .* its AFTER was run now/)
  expect(existsSync(join(world.folder, 'open'))).toBe(false)
  const lines = (await readFile(join(world.folder, 'log'), 'utf8')).trim().split('\n')
  const [killed] = await world.withCatalog((catalog) => catalog.archives({ states: ['failed'] }))
  expect(lines).toEqual([`before - ${killed?.id}`, `after recovered ${killed?.id}`])
  expect(await world.audit()).toEqual([])
})

it('a run that is asked to stop lets its source go before it ends [F03b]', async () => {
  world = await World.make([{}])
  delete world.env['SOURCE_1_PATH']
  Object.assign(world.env, {
    SOURCE_1_BEFORE: `bash -c '${LOG}'`,
    SOURCE_1_AFTER: `bash -c 'sleep 0.5; ${LOG}'`,
    SOURCE_1_COMMAND: "bash -c 'touch reading; sleep 1000'",
  })
  const envFile = await world.writeEnv()
  const run = spawn(process.execPath, [PROGRAM, 'run', '--config', envFile], { stdio: 'ignore' })
  const ended = new Promise((resolve) => run.on('close', resolve))
  await vi.waitFor(() => expect(existsSync(join(world.folder, 'reading'))).toBe(true), 20_000)
  run.kill('SIGTERM')
  expect(await ended).toBe(130)
  expect(await readFile(join(world.folder, 'log'), 'utf8')).toMatch(
    /^before - \S+\nafter interrupted \S+\n$/,
  )
})
