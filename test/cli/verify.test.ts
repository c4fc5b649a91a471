import { afterEach, describe, expect, it } from 'vitest'
import { verifyCommand } from '../../src/cli/commands/verify.ts'
import { openServices } from '../../src/compose.ts'
import type { Closable } from '../../src/cli/command.ts'
import { commandLine } from '../support/command-line.ts'
import { QUICK, World } from '../support/world.ts'

const opened: (World | Closable)[] = []
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close()
})

describe('verify', () => {
  it('tells of every copy how far it is proven', async () => {
    const world = await archived()

    const heads = await verify(world)
    expect([heads.exit, heads.err]).toEqual([0, []])
    expect(heads.out[0]).toMatch(/^ARCHIVE +SERVER +COPY +READ BACK +OLDEST PROOF \(UTC\)$/)
    expect(heads.out[1]).toMatch(/^docs-\d{8}-\d{6}\.tar\.zst +1: 127\.\S+ +proven +- +-$/)
    expect(heads.out.at(-1)).toMatch(/^ok: 1 copy of 1 proven, in .* \(exit 0\)$/)

    const deep = await verify(world, '--deep')
    expect(deep.out[1]).toMatch(/proven +100 % +\d{4}-\d\d-\d\d$/)
    expect(deep.out.at(-1)).toMatch(/^ok: 1 copy of 1 proven, \d.* read back, in/)
  })

  it('names archive, server, frame, bytes and members of what is damaged', async () => {
    const world = await archived()
    const object = world.models[0]!.objects().find(({ key }) => key.startsWith('host/'))!
    world.models[0]!.corrupt(object.key, 100_000)

    const { exit, out } = await verify(world, '--deep', 'latest:docs')

    const text = out.join('\n')
    expect(exit).toBe(31)
    expect(text).toMatch(
      /docs-\S+ on 1: 127\S+, frame 0, bytes 0 to \d+: its bytes do not have the SHA-256/,
    )
    expect(text).toContain('  2 members with bytes there:\n    .\n    odd\\x0aname')
    expect(text).toMatch(/failed: 0 copies of 1 proven, 1 problem, .* \(exit 31\)/)
  })

  it('prints one JSON document with all members', async () => {
    const world = await archived()
    const report = (await verify(world, '--json', '--deep')).json()
    expect(report).toMatchObject({
      outcome: 'ok',
      exit: 0,
      deep: true,
      budgetBytes: null,
      problems: [],
      archives: [{ source: 'docs', copies: [{ server: 1, outcome: 'proven' }] }],
    })
  })

  it.each([
    [['--budget=5GB'], '--budget is a limit for --deep: give both'],
    [['--deep', '--budget=5'], '--budget must be a size as in 5GB or 800MB, got "5"'],
    [['--deep', '--budget=5GiB'], '--budget must be a size'],
    [['--deep', '--budget=1MB'], '--budget must be at least 16.0 MB, got "1MB"'],
  ])('refuses %j before anything is opened', async (args, message) => {
    const ran = await commandLine([verifyCommand], never, ['verify', ...args])
    expect([ran.exit, ran.opened]).toEqual([2, []])
    expect(ran.err.join('\n')).toContain(message)
  })

  it('takes 0.5 GB, and archives of one source only', async () => {
    const world = await archived()
    Object.assign(world.env, { SOURCE_2_NAME: 'other', SOURCE_2_PATH: world.folder })
    const ran = await verify(world, '--deep', '--budget=0.5 gb', '--source=other', '--json')
    expect(ran.json()).toMatchObject({ budgetBytes: 500_000_000, archives: [] })
    const other = await verify(world, '--source=other')
    expect(other.out).toEqual(['No archive has a copy on a server.'])
  })

  it('proves nothing of a source that nobody has, and says so', async () => {
    const { exit, err } = await verify(await archived(), '--source=docz')

    expect(exit).toBe(2)
    expect(err.join('\n')).toContain('there is no source "docz", and no archive of one')
    expect(err.join('\n')).toContain('did you mean "docs"?')
  })

  it('does not know an archive that is not there', async () => {
    const world = await archived()
    expect((await verify(world, 'nothing.tar.zst')).exit).toBe(30)
  })
})

function never(): never {
  throw new Error('nothing was to be opened')
}

async function archived(): Promise<World> {
  const world = await World.make([{}])
  opened.push(world)
  await world.noise('odd\nname', 300_000)
  expect((await world.run()).exit).toBe(0)
  return world
}

async function verify(world: World, ...args: string[]) {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  opened.push(services)
  return commandLine([verifyCommand], () => services, ['verify', ...args], { columns: 200 })
}
