// `restore` of parts over a whole installation: what is meant, where it comes from, and who is kept away.

import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { restoreArchive } from '../../src/operations/restore.ts'
import { restoreCommand } from '../../src/cli/commands/restore.ts'
import { commandLine } from '../support/command-line.ts'
import { describeTree, file, folder, hardlink, removeTree } from '../support/tree.ts'
import { ReadBack } from '../support/read-back.ts'
import type { FaultRule } from '../support/fault-proxy.ts'
import type { Ran } from '../support/command-line.ts'
import type { Restored } from '../../src/operations/restore.ts'

const MIB = 1024 * 1024
const never = new AbortController().signal

const TREE = [
  folder('conf'),
  file('conf/a.conf', 'a'),
  folder('conf/d'),
  file('conf/d/b.conf', 'b'),
  file('conf/d/c.txt', 'c'),
  file('data-1', randomBytes(9 * MIB)),
  file('data-2', randomBytes(9 * MIB)),
  file('data-3', randomBytes(9 * MIB)),
  hardlink('link', 'data-2'),
]

let there: ReadBack
const to = () => join(there.folder, 'restored')
afterEach(async () => {
  removeTree(to())
  await there.close()
})

describe('the command', () => {
  it('gives back what the patterns mean, and reads little for it', async () => {
    there = await ReadBack.make({ tree: TREE })

    const ran = await restore('**/*.conf', '--strip=1')

    expect(ran).toMatchObject({ exit: 0, err: [] })
    expect(ran.out).toEqual([
      expect.stringMatching(/^restored docs-.* to .*\/restored: 3 members, 2 B in .*, from 1: /),
    ])
    expect(readFileSync(join(to(), 'd/b.conf'), 'utf8')).toBe('b')
    expect(readdirSync(to()).sort()).toEqual(['a.conf', 'd'])
    const bytes = there.reads.reduce((sum, { sizeBytes }) => sum + sizeBytes!, 0)
    expect(bytes).toBeLessThan(5 * MIB)
  })

  it('plans the same, and writes nothing', async () => {
    there = await ReadBack.make({ tree: TREE })
    const planned = await restore('**/*.conf', '--strip=1', '--dry-run')
    expect(existsSync(to())).toBe(false)
    expect(planned.out.map((line) => line.replace(/ +/g, ' '))).toEqual([
      'write 1 B a.conf',
      'write directory d',
      'write 1 B d/b.conf',
    ])
    expect(planned.err).toEqual([
      expect.stringMatching(/^would write 3 members, 2 B; would read .* of docs-.* in 1 request$/),
    ])
    const json = (await restore('**/*.conf', '--strip=1', '--dry-run', '--json')).json()
    expect(json).toMatchObject({ dryRun: true, fileCount: 3, reads: 1, sourceBytes: 2 })
  })

  it('plans what would stay and what would be replaced', async () => {
    there = await ReadBack.make({ tree: TREE })
    await restore('conf')
    writeFileSync(join(to(), 'conf/a.conf'), 'newer')
    const planned = await restore('conf', '--overwrite=older', '--dry-run')
    expect(planned.out.map((line) => line.split(' ')[0])).toContain('keep')
    // conf/d, b.conf and c.txt are as old as those in the archive, and a.conf is newer.
    expect(planned.err[0]).toMatch(/^would write 0 members, 0 B, 5 would be kept as they are; /)
    const always = await restore('conf', '--overwrite=always', '--dry-run')
    expect(always.err[0]).toMatch(/^would write 5 members, 3 B; /)

    const ran = await restore('conf', '--overwrite=older')

    expect(readFileSync(join(to(), 'conf/a.conf'), 'utf8')).toBe('newer')
    expect(ran.out[0]).toMatch(/kept as they were/)
    await restore('conf', '--overwrite=always')
    expect(readFileSync(join(to(), 'conf/a.conf'), 'utf8')).toBe('a')
  })

  it.each([
    [['--overwrite=sometimes'], 2, /--overwrite is one of never, older, always/],
    [['/conf'], 2, /"\/conf" is absolute/],
    [['conf', 'nothing', 'no*'], 38, /the archive has nothing that "nothing", "no\*" means/],
  ])('refuses %j, and creates nothing', async (words, exit, message) => {
    there = await ReadBack.make({ tree: TREE.slice(0, 2) })
    const ran = await restore(...words)
    expect(ran.exit).toBe(exit)
    expect(ran.err[0]).toMatch(message)
    expect(existsSync(to())).toBe(false)
  })

  it('counts and tells what --strip leaves nothing of', async () => {
    there = await ReadBack.make({ tree: TREE.slice(0, 5) })

    const ran = await restore('conf', '--strip=2')

    expect(ran.exit).toBe(0)
    expect(readdirSync(to()).sort()).toEqual(['b.conf', 'c.txt'])
    expect(ran.out[0]).toMatch(/: 2 members, 2 B in /)
    expect(ran.err).toEqual(['1 member left out: --strip=2 takes its whole path'])
    removeTree(to())
    const planned = await restore('conf', '--strip=2', '--dry-run')
    expect(planned.err[0]).toMatch(/^would write 2 members, 2 B; /)
    expect(planned.err[1]).toBe(ran.err[0])
    expect((await restore('--strip=2', '--json')).json()).toMatchObject({ strippedCount: 1 })
  })

  it.each([
    [
      ['conf/a.conf', 'conf/d', '--strip=2'],
      /--strip=2 leaves nothing of what "conf\/a\.conf" means/,
    ],
    [['**/*.conf', '--strip=9'], /--strip=9 leaves nothing of what "\*\*\/\*\.conf" means/],
    [['--strip=9'], /--strip=9 leaves nothing of the archive/],
  ])('refuses %j, which would give back nothing', async (words, message) => {
    there = await ReadBack.make({ tree: TREE.slice(0, 5) })
    for (const more of [[], ['--dry-run']]) {
      const ran = await restore(...words, ...more)
      expect(ran.exit).toBe(2)
      expect(ran.err[0]).toMatch(message)
      expect(existsSync(to())).toBe(false)
    }
  })

  it('plans into no folder whose parent is missing', async () => {
    there = await ReadBack.make({ tree: TREE.slice(0, 2) })
    const argv = ['restore', 'latest:docs', `--to=${to()}/deeper`]
    for (const more of [[], ['--dry-run']]) {
      const ran = await commandLine([restoreCommand], () => there.open(), [...argv, ...more])
      expect(ran.exit).toBe(35)
      expect(ran.err[0]).toMatch(/there is no .*restored/)
    }
  })

  it('plans into no folder that has files, and into nothing that is no folder', async () => {
    there = await ReadBack.make({ tree: TREE.slice(0, 2) })
    await restore()
    const [inUse, file] = [to(), join(to(), 'conf/a.conf')]
    for (const [where, message] of [
      [inUse, /restored is not empty \[/],
      [file, /^spillway: cannot open the folder .*a\.conf: ENOTDIR/],
    ] as const) {
      const argv = ['restore', 'latest:docs', `--to=${where}`]
      for (const more of [[], ['--dry-run']]) {
        const ran = await commandLine([restoreCommand], () => there.open(), [...argv, ...more])
        expect(ran.exit).toBe(35)
        expect(ran.err[0]).toMatch(message)
      }
    }
  })

  it('names what is lost on standard error, gives back the rest, and ends with 31', async () => {
    there = await ReadBack.make({ tree: TREE, servers: ['directory'] })
    await there.damage(1, 'data-2', 5 * MIB)

    const ran = await restore('data-2', 'data-3', 'link', '--json')

    expect(ran.exit).toBe(31)
    expect(ran.err).toEqual(['lost: data-2', 'lost: link'])
    expect(ran.json()).toMatchObject({ outcome: 'failed', lost: ['data-2', 'link'], lostCount: 2 })
    expect(readdirSync(to())).toEqual(['data-3'])
    expect(sha256(join(to(), 'data-3'))).toBe(sha256(join(there.source, 'data-3')))
  })
})

describe('three copies', () => {
  it('that are damaged in three places are one that is whole', async () => {
    there = await ReadBack.make({
      tree: TREE,
      servers: ['directory', 'directory'],
      env: { LOCAL_KEEP: '1' },
    })
    await there.damage('spool', 'data-1', 4 * MIB)
    await there.damage(1, 'data-2', 4 * MIB)
    await there.damage(2, 'data-3', 4 * MIB)
    await there.damage('spool', 'data-3', 4 * MIB)

    const ran = await restore()

    expect(ran.exit).toBe(3)
    expect(ran.err[0]).toMatch(/^warning: spool: is damaged at byte \d+ of docs-/)
    expect(describeTree(to())).toEqual(describeTree(there.source))
  })

  it('of which two die while they are read give a part without a gap', async () => {
    there = await ReadBack.make({ tree: TREE, servers: ['s3', 's3', 's3'] })
    const gone: FaultRule = { operation: 'Get', fault: { kind: 'reset' } }
    // After the tail and one read of frames; and in the middle of its first answer.
    there.fail(1, { ...gone, nth: 3 })
    const cut = { kind: 'cut-answer', afterBytes: MIB } as const
    there.fail(2, { operation: 'Get', times: 1, fault: cut }, gone)

    const ran = await restore('data-*', '--json')

    expect(ran.exit).toBe(3)
    expect(ran.json()).toMatchObject({
      outcome: 'warnings',
      lostCount: 0,
      from: [expect.stringMatching(/^1: /), expect.stringMatching(/^3: /)],
      warnings: [
        { path: expect.stringMatching(/^1: /) as string },
        { path: expect.stringMatching(/^2: /) as string },
      ],
    })
    for (const name of ['data-1', 'data-2', 'data-3'])
      expect(sha256(join(to(), name))).toBe(sha256(join(there.source, name)))
  })
})

it('keeps retention away while it writes, also after it failed', async () => {
  there = await ReadBack.make({ tree: TREE })
  const services = await there.open()
  try {
    const [uses, catalog] = [await services.archiveUses(), await services.catalog()]
    const { id } = await catalog.findArchive('latest:docs')
    const unpacker = await services.unpacker()
    const seen: boolean[] = []
    const restoring = (abort: AbortSignal): Promise<Restored> =>
      restoreArchive(
        { ...services, catalog, unpacker },
        { archive: 'latest:docs', to: to(), onProgress: () => seen.push(uses.isInUse(id)) },
        abort,
      )
    await restoring(never)
    expect(new Set(seen)).toEqual(new Set([true]))
    expect(uses.isInUse(id)).toBe(false)

    // Into a folder that is not empty now.
    await expect(restoring(never)).rejects.toMatchObject({ code: 'RESTORE_FAILED' })
    expect(uses.isInUse(id)).toBe(false)
  } finally {
    await services.close()
  }
})

async function restore(...words: readonly string[]): Promise<Ran> {
  there.reads.length = 0
  const argv = ['restore', 'latest:docs', ...words, `--to=${to()}`]
  return commandLine([restoreCommand], () => there.open(), argv)
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
