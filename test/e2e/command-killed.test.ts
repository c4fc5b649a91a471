// A run that is killed while its command runs, and what a command may see of us.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { World } from '../support/world.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

let world: World
afterEach(() => world.close())

async function start(
  command: string,
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  world = await World.make([{}])
  delete world.env['SOURCE_1_PATH']
  Object.assign(world.env, { SOURCE_1_NAME: 'app', SOURCE_1_COMMAND: command, ...more })
  return world.writeEnv()
}

const isAlive = (pid: string): boolean => {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

it('a run that is killed leaves none of the processes of its command, and the next one is clean [F01i]', async () => {
  // Silent when it is killed: nothing would ever tell it that nobody reads any more.
  const script = `trap "" TERM HUP PIPE; sleep 1000 & echo $$ $! > pids; head -c 40000000 /dev/zero; wait`
  const envFile = await start(`bash -c '${script}'`)
  const run = spawn(process.execPath, [PROGRAM, 'run', '--config', envFile], { stdio: 'ignore' })
  const ended = new Promise((resolve) => run.on('close', resolve))
  const file = join(world.folder, 'pids')
  await vi.waitFor(
    () => expect(existsSync(file) && readFileSync(file, 'utf8')).toMatch(/\d \d+\n/),
    {
      timeout: 10_000,
    },
  )
  const pids = readFileSync(file, 'utf8').trim().split(' ')
  expect(pids.map(isAlive)).toEqual([true, true])

  run.kill('SIGKILL')
  await ended

  await vi.waitFor(() => expect(pids.map(isAlive)).toEqual([false, false]), { timeout: 5_000 })
  world.env['SOURCE_1_COMMAND'] = 'echo done'
  expect(await world.run()).toMatchObject({ exit: 0, sources: [{ outcome: 'ok' }] })
  expect(await world.audit()).toEqual([])
})

it('a command gets nothing of our environment, our file or our descriptors but what is named [F101b]', async () => {
  const script = 'cat /proc/self/environ; echo; ls -l /proc/self/fd; cat /proc/$PPID/cmdline'
  const envFile = await start(`bash -c '${script}'`, {
    SOURCE_1_ENV: 'APP_TOKEN,APP_PLACE',
    APP_TOKEN: 'token-of-the-file',
  })
  const secret = world.env['S3_SERVER_1_SECRET_KEY']!
  const env = {
    APP_PLACE: 'place-of-the-environment',
    OTHER_SECRET: 'must-not-travel',
    S3_SERVER_1_SECRET_KEY: secret,
    AWS_SECRET_ACCESS_KEY: 'nor-this',
    CREDENTIALS_DIRECTORY: '/run/credentials/spillway',
  }

  const ran = await spillway(['run', '--config', envFile], env)
  const { out } = await spillway(['cat', 'latest:app', 'app.out', '--config', envFile], env)

  expect(ran.exit, ran.err).toBe(0)
  const seen = out.toString()
  expect(seen).toContain('APP_TOKEN=token-of-the-file\0')
  expect(seen).toContain('APP_PLACE=place-of-the-environment\0')
  for (const hidden of [secret, 'must-not-travel', 'nor-this', 'credentials', 'S3_SERVER'])
    expect(seen).not.toContain(hidden)
  // What this test itself inherited aside: no database, no socket, no archive, no env file.
  expect(seen).toContain(' 0 -> /dev/null')
  expect(seen).not.toMatch(/ -> (?:socket:.*|.*(?:\.db.*|\.env|\.partial|\.spillway-spool))$/m)
})

it('a command says something secret on its errors, and nobody sees it', async () => {
  const envFile = await start(`bash -c 'printenv APP_PASSWORD >&2; exit 1'`, {
    SOURCE_1_ENV: 'APP_PASSWORD',
    APP_PASSWORD: 'geheim-4711',
  })
  const { exit, err, out } = await spillway(['run', '--config', envFile])
  expect(exit).toBe(13)
  expect(err + out.toString()).toContain('it said: [hidden]')
  expect(err + out.toString()).not.toContain('geheim-4711')
  const [archive] = await world.withCatalog((catalog) => catalog.archives())
  expect(archive?.reason).toContain('[hidden]')
  expect(archive?.reason).not.toContain('geheim')
})
