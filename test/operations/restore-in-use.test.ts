// `restore` into folders that hold something, or have rights that are inherited: what comes back is the archive's, and
// a sound archive is not called anything else.

import { execFile, execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { hasTool } from '../pack/in-process.ts'
import { World } from '../support/world.ts'

const MAIN = join(import.meta.dirname, '../../dist/src/main.js')

let world: World
let envFile: string
beforeEach(async () => {
  world = await World.make([{}])
  writeFileSync(join(world.source, 'a'), 'one')
  linkSync(join(world.source, 'a'), join(world.source, 'b'))
  writeFileSync(join(world.source, 'c'), 'c')
  expect(await world.run()).toMatchObject({ exit: 0 })
  envFile = await world.writeEnv()
})
afterEach(async () => world.close())

const restore = async (to: string, ...more: string[]) =>
  spillway(['restore', 'latest:docs', '--to', to, ...more, '--config', envFile])

it.each(['never', 'older'])(
  'fills in what is missing, and is content: --overwrite=%s',
  async (rule) => {
    const to = join(world.folder, 'used')
    mkdirSync(to)
    writeFileSync(join(to, 'a'), 'edited since')
    const tomorrow = new Date(Date.now() + 86_400_000)
    utimesSync(join(to, 'a'), tomorrow, tomorrow)

    const { exit, out, err } = await restore(to, `--overwrite=${rule}`)

    expect(exit, `${String(out)}${err}`).toBe(0)
    expect(['a', 'b', 'c'].map((name) => readFileSync(join(to, name), 'utf8'))).toEqual([
      'edited since',
      'one',
      'c',
    ])
  },
)

it.skipIf(!hasTool('setpriv') || process.getuid?.() !== 0)(
  'says where set-id bits are lost, since the process may not set them',
  async () => {
    writeFileSync(join(world.source, 'tool'), 'x')
    chownSync(join(world.source, 'tool'), 1_234, 1_234)
    chmodSync(join(world.source, 'tool'), 0o6755)
    expect(await world.run()).toMatchObject({ exit: 0 })
    const to = join(world.folder, 'restored')
    const asUnit = ['--clear-groups', '--no-new-privs', '--bounding-set']
    const kept = '-all,+dac_read_search,+dac_override,+chown,+fowner'
    const restoring = ['restore', 'latest:docs', '--to', to, '--config', envFile]
    const ran = await new Promise<{ readonly code: unknown; readonly err: string }>((resolve) =>
      execFile(
        'setpriv',
        [...asUnit, kept, process.execPath, MAIN, ...restoring],
        (error, _out, err) => resolve({ code: error?.code ?? 0, err }),
      ),
    )
    expect(ran.err).toContain('tool: lost its setuid or setgid bit')
    expect(ran.code, ran.err).toBe(3)
    expect(statSync(join(to, 'tool')).mode & 0o7777).toBe(0o4755)
  },
)

it.skipIf(!hasTool('setfacl'))(
  'gives the folder itself the rights of the archive, not what it would inherit',
  async () => {
    const parent = join(world.folder, 'parent')
    mkdirSync(parent)
    execFileSync('setfacl', ['-m', 'd:u:55:rwx', parent])

    const { exit, out, err } = await restore(join(parent, 'new'))

    expect(exit, `${String(out)}${err}`).toBe(0)
    const acl = execFileSync('getfacl', ['-cpn', join(parent, 'new')]).toString()
    expect(acl).not.toContain('55')
    expect(acl).not.toContain('default')
  },
)
