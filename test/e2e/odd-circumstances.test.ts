// The program with few descriptors, killed while it restores, with an older catalog than its servers, and with secrets that
// nobody may see.

import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { sampleProcesses } from '../support/database-world.ts'
import { canMount, withHosts } from '../support/small-disk.ts'
import { spillway } from '../support/command-sources.ts'
import { violations } from '../support/oracle.ts'
import { World } from '../support/world.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

let world: World
afterEach(() => world.close())

it.each([64, 25])(
  'a run that may open %i files says what it lacked, or does without [F13a]',
  async (files) => {
    world = await World.make([{}])
    await world.noise('file', 20_000)
    const argv = [process.execPath, PROGRAM, 'run', '--config', await world.writeEnv()]
    const child = spawn('sh', ['-c', `ulimit -n ${files}; exec "$@"`, 'sh', ...argv])
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const exit = await new Promise((resolve) => child.on('close', resolve))

    if (exit !== 0) expect(text).toMatch(/EMFILE|too many open files/i)
    expect((await world.run()).exit).toBe(0)
    expect(await violations(world)).toEqual([])
  },
)

it.skipIf(!canMount)(
  'a server is reached by its living address when the other one is dead [F47b]',
  async () => {
    world = await World.make([{}])
    await world.noise('file', 20_000)
    const { port } = world.models[0]!
    world.env['S3_SERVER_1_ENDPOINT'] = `http://two.test:${port}`
    const argv = ['run', '--config', await world.writeEnv()]
    const path = join(world.folder, 'hosts')
    // The model listens at 127.0.0.1 alone.
    const dead = await withHosts({ path, text: '::1 two.test\n' }, argv)
    expect(dead.exit, dead.output).toBe(23)

    const alive = await withHosts({ path, text: '::1 two.test\n127.0.0.1 two.test\n' }, argv)

    expect(alive.exit, alive.output).toBe(0)
    expect(archives()).toHaveLength(2)
  },
)

it('a restore that is killed leaves a folder that nobody takes for a finished one [F01h]', async () => {
  world = await World.make([{}])
  await world.noise('a', 9_000_000)
  await world.noise('b', 9_000_000)
  expect((await world.run()).exit).toBe(0)
  const to = join(world.folder, 'back')
  const argv = ['restore', 'latest:docs', '--to', to, '--config', await world.writeEnv()]
  const child = spawn(process.execPath, [PROGRAM, ...argv], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)))
  while (!existsSync(join(to, 'a'))) await new Promise((resolve) => setTimeout(resolve, 1))
  child.kill('SIGKILL')
  expect(await ended).toBe('SIGKILL')

  expect(statSync(to).mode & 0o777).toBe(0o700)
  const again = await spillway(argv)
  expect([again.exit, again.err]).toEqual([35, expect.stringContaining('is not empty')])
  rmSync(to, { recursive: true })
  expect((await spillway(argv)).exit).toBe(0)
  expect(readFileSync(join(to, 'b')).equals(readFileSync(join(world.source, 'b')))).toBe(true)
})

it('with an older copy of the catalog no key is written twice, and nothing is deleted [F78c]', async () => {
  world = await World.make([{}])
  world.env['KEEP_LAST'] = '1'
  await world.noise('file', 20_000)
  const data = join(world.folder, 'data')
  expect((await world.run()).exit).toBe(0)
  cpSync(join(data, 'catalog.db'), join(world.folder, 'yesterday.db'))
  // What the nights after it stored, the older copy does not know.
  world.env['KEEP_LAST'] = '9'
  for (let night = 0; night < 2; night += 1) expect((await world.run()).exit).toBe(0)
  const before = archives()
  expect(before).toHaveLength(3)
  for (const end of ['-wal', '-shm']) rmSync(join(data, `catalog.db${end}`), { force: true })
  cpSync(join(world.folder, 'yesterday.db'), join(data, 'catalog.db'))

  // Keys are of seconds; that of a night the older copy does not know is taken, and refused.
  await nextSecond()
  const report = await world.run()

  expect(report.archives, JSON.stringify(report)).toMatchObject([{ state: 'stored' }])
  expect(archives()).toEqual(expect.arrayContaining([...before]))
  expect(archives()).toHaveLength(4)
  const reconciled = await spillway(['reconcile', '--adopt', '--config', await world.writeEnv()])
  expect(reconciled.exit, reconciled.err).toBe(0)
  expect(await violations(world)).toEqual([])
})

it('no secret is in an argument, an environment, a text or a file of a night [F101b]', async () => {
  world = await World.make([{}])
  await world.noise('file', 20_000)
  const secrets = ['canary-access-key-71', 'canary-secret-key-72']
  world.models[0]!.change({ accessKey: secrets[0]!, secretKey: secrets[1]! })
  world.env['S3_SERVER_1_ACCESS_KEY'] = secrets[0]!
  world.env['S3_SERVER_1_SECRET_KEY'] = secrets[1]!
  // A second server that refuses them, for the texts of failures.
  const wrong = {
    ...world.models[0]!,
    keys: { ...world.models[0]!.keys, secretKey: 'canary-wrong-73' },
  }
  world.configure(2, world.models[0]!.endpoint, wrong, { entry: { BUCKET: 'nowhere' } })
  world.env['COPIES'] = '2'
  world.env['LOCAL_KEEP'] = '1'
  world.env['SOURCE_2_NAME'] = 'bash'
  world.env['SOURCE_2_FILE'] = 'bash.out'
  world.env['SOURCE_2_COMMAND'] = `bash -c 'env; cat /proc/$PPID/environ'`
  const config = ['--config', await world.writeEnv()]
  const hidden = [...secrets, 'canary-wrong-73']
  const commands = ['run', 'status --json', 'verify --deep', 'self-test']

  const { result, sampled } = await sampleProcesses(hidden, async () => {
    let text = ''
    for (const words of commands) {
      const { out, err } = await spillway([...words.split(' '), ...config])
      text += out.toString() + err
    }
    return text
  })

  expect(result).toContain('stored')
  for (const secret of hidden) expect(result.includes(secret), secret).toBe(false)
  expect(sampled.leaks).toEqual([])
  const data = join(world.folder, 'data')
  const files = readdirSync(data, { recursive: true, encoding: 'utf8' })
  expect(files.some((name) => name.endsWith('.tar.zst'))).toBe(true)
  for (const name of files.filter((each) => statSync(join(data, each)).isFile()))
    for (const secret of hidden)
      expect(readFileSync(join(data, name)).includes(secret), name).toBe(false)
  const catCommand = await spillway(['cat', 'latest:bash', 'bash.out', ...config])
  for (const secret of hidden) expect(catCommand.out.includes(secret)).toBe(false)
})

async function nextSecond(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1_010 - (Date.now() % 1_000)))
}

const archives = (): readonly string[] =>
  world.models[0]!.objects()
    .map(({ key }) => key)
    .filter((key) => key.startsWith('host/'))
