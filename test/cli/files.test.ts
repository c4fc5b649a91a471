// What find, files, history and diff print, with nights recorded in a real catalog.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { diffCommand } from '../../src/cli/commands/diff.ts'
import { filesCommand } from '../../src/cli/commands/files.ts'
import { findCommand } from '../../src/cli/commands/find.ts'
import { historyCommand } from '../../src/cli/commands/history.ts'
import { configOf, openStory, s3Server } from '../support/catalog-story.ts'
import { commandLine } from '../support/command-line.ts'
import { deleteArchive, fileState, night } from '../support/file-nights.ts'
import type { ArchiveRow } from '../../src/catalog/catalog.ts'
import type { CommandLineOptions } from '../support/command-line.ts'
import type { Story } from '../support/catalog-story.ts'

const near = s3Server(1)
const root = ['', fileState({ kind: 'directory', sizeBytes: 0, mode: 0o755 })] as const
let story: Story
let nights: ArchiveRow[]

beforeEach(async () => {
  story = await openStory([near])
  const conf = fileState({ sizeBytes: 1_200 })
  const trees = [
    new Map([root, ['nginx.conf', conf], ['old\nname', conf]]),
    new Map([root, ['nginx.conf', { ...conf, sizeBytes: 1_500 }], ['caf\xc3\xa9', conf]]),
    new Map([root, ['caf\xc3\xa9', conf], ['x\xff.conf', { ...conf, mode: 0o600 }]]),
  ]
  nights = []
  for (const [day, tree] of trees.entries())
    nights.push(await night(story, near, `2026-03-0${day + 1}T02:30:00Z`, tree))
})
afterEach(() => story.catalog.close())

it('find prints whole names for grep and awk, each on one line, with the archive to restore from', async () => {
  const { exit, out, err } = await spillway(['find', '**'])
  expect([exit, err]).toEqual([0, []])
  expect(out).toEqual([
    'SOURCE  MODIFIED (UTC)          SIZE  VERSIONS  GONE (UTC)           ARCHIVE                      PATH',
    'etc     2023-11-14 22:13:20  1.20 kB         1  -                    etc-20260303-023000.tar.zst  café',
    'etc     2023-11-14 22:13:20  1.50 kB         2  2026-03-03 02:30:00  etc-20260302-023000.tar.zst  nginx.conf',
    'etc     2023-11-14 22:13:20  1.20 kB         1  2026-03-02 02:30:00  etc-20260301-023000.tar.zst  old\\x0aname',
    'etc     2023-11-14 22:13:20  1.20 kB         1  -                    etc-20260303-023000.tar.zst  x\\xff.conf',
  ])
})

it('files lists what one night had, whole for grep and awk', async () => {
  const { exit, out, err } = await spillway(['files', nights[1]!.id])
  expect([exit, err]).toEqual([0, []])
  expect(out).toEqual([
    'MODE  MODIFIED (UTC)            SIZE  PATH',
    '0755  2023-11-14 22:13:20  directory  ./',
    '0644  2023-11-14 22:13:20    1.20 kB  café',
    '0644  2023-11-14 22:13:20    1.50 kB  nginx.conf',
  ])
  const conf = await spillway(['files', 'latest:etc', '*.conf', '--json'])
  expect(conf.json()).toMatchObject({
    archive: { id: nights[2]!.id, source: 'etc' },
    files: [{ path: 'x\ufffd.conf', pathBytes: 'eP8uY29uZg==', mode: '0600' }],
    hasMore: false,
  })
  const cut = await spillway(['files', 'latest:etc', '--limit=1'])
  expect(cut.err).toEqual(['only the first 1 are shown: --limit=N shows more'])
  expect((await spillway(['files', 'latest:none'])).exit).toBe(30)
})

it.each([80, 100, 120])('find fits a window of %d columns', async (columns) => {
  const { out } = await spillway(['find', '**'], { isTerminal: true, columns })
  for (const line of out) expect(line.length).toBeLessThanOrEqual(columns)
  expect(out.at(-1)).toBe('4 files')
})

it('find says that it stopped at the limit', async () => {
  const { out, err } = await spillway(['find', '**', '--limit=2'])
  expect(out).toHaveLength(3)
  expect(err).toEqual(['only the first 2 are shown: --limit=N shows more'])
  const ran = await spillway(['find', '**', '--limit=2', '--json'])
  expect(ran.json()).toMatchObject({ hasMore: true, unknown: [] })
})

it.each(['find edited --limit=100001', 'diff a b --limit=100001'])(
  '%s is refused: the whole answer would have to be held',
  async (line) => {
    const { exit, err } = await spillway(line.split(' '))
    expect(exit).toBe(2)
    expect(err.join('\n')).toContain('--limit may be at most 100 000, got 100001')
    expect((await spillway(line.replace('100001', '100000').split(' '))).exit).not.toBe(2)
  },
)

it('find prints one document, with the bytes of names that are no text', async () => {
  const ran = await spillway(['find', 'X?.CONF', '--ignore-case', '--json'])
  expect(ran.json()).toEqual({
    files: [
      {
        host: 'web1',
        source: 'etc',
        path: 'x\ufffd.conf',
        pathBytes: Buffer.from('x\xff.conf', 'latin1').toString('base64'),
        kind: 'file',
        sizeBytes: 1_200,
        modifiedAt: '2023-11-14T22:13:20.000000000Z',
        mode: '0600',
        versions: 1,
        archives: 1,
        newest: {
          id: nights[2]?.id,
          file: 'etc-20260303-023000.tar.zst',
          createdAt: '2026-03-03T02:30:00.000Z',
        },
        goneAt: null,
      },
    ],
    hasMore: false,
    unknown: [],
  })
})

it('find offers what deleted archives had only with --all', async () => {
  await deleteArchive(story, nights[0]!)
  const ran = await spillway(['find', 'old'])
  expect([ran.exit, ran.out]).toEqual([0, []])
  expect(ran.err).toEqual(['no file found (in deleted archives: --all)'])
  const { out } = await spillway(['find', 'old', '--all'])
  expect(out[1]).toMatch(/ deleted +old\\x0aname$/)
})

it('find names the archives that it did not search', async () => {
  await story.store('etc', '2026-03-04T02:30:00Z', [near], { sizeBytes: 1 })
  const damaged = await story.store('etc', '2026-03-05T02:30:00Z', [near], { sizeBytes: 1 })
  await story.catalog.setHistoryUnreadable(damaged, 'the index is\ndamaged')
  const { err } = await spillway(['find', 'nginx'])
  expect(err).toEqual([
    'not searched: 1 archive whose files are not known yet (etc-20260304-023000.tar.zst); the next run reads them',
    'not searched: etc-20260305-023000.tar.zst: the index is\\ndamaged',
  ])
})

it('find takes an unknown source for a mistake', async () => {
  const ran = await spillway(['find', 'x', '--source=ect'])
  expect(ran.exit).toBe(2)
  expect(ran.err.join()).toContain('did you mean "etc"?')
})

it.each([80, 100, 120])('history fits a window of %d columns', async (columns) => {
  const { out } = await spillway(['history', '/srv/etc/nginx.conf'], { isTerminal: true, columns })
  for (const line of out) expect(line.length).toBeLessThanOrEqual(columns)
  // What restore is told stays whole.
  expect(out[2]).toMatch(/etc-20260302-023000\.tar\.zst$/)
})

it('history tells when a file appeared, changed and went', async () => {
  const { exit, out } = await spillway(['history', '/srv/etc/nginx.conf'])
  expect(exit).toBe(0)
  expect(out).toEqual([
    'SINCE (UTC)          EVENT          MODIFIED (UTC)          SIZE  MODE  ARCHIVES  NEWEST',
    '2026-03-03 02:30:00  gone',
    '2026-03-02 02:30:00  changed: size  2023-11-14 22:13:20  1.50 kB  0644         1  etc-20260302-023000.tar.zst',
    '2026-03-01 02:30:00  appeared       2023-11-14 22:13:20  1.20 kB  0644         1  etc-20260301-023000.tar.zst',
  ])
})

it.each([
  ['x\\xff.conf', 'x\ufffd.conf'],
  ['old\\x0aname', 'old\nname'],
])('history and find take %s as they print it', async (printed, path) => {
  const ran = await spillway(['history', printed, '--json'])
  expect(ran.json()).toMatchObject({ histories: [{ path }] })
  const found = await spillway(['find', printed, '--json'])
  expect(found.json()).toMatchObject({ files: [{ path }] })
})

it('history of a path that nobody has is an error, for scripts', async () => {
  const ran = await spillway(['history', 'nginx.cnf'])
  expect([ran.exit, ran.out]).toEqual([30, []])
  expect(ran.err[0]).toBe('spillway: no archive holds "nginx.cnf" [ARCHIVE_MISSING]')
})

it.each(['café', './café', '/café', 'café/'])('history takes %j for the path', async (path) => {
  const ran = await spillway(['history', path, '--json'])
  expect(ran.json()).toMatchObject({
    histories: [{ source: 'etc', path: 'café', versions: [{ event: 'appeared', until: null }] }],
  })
})

it('diff lists what differs, with both sizes, and sums it up on a terminal', async () => {
  const args = ['diff', 'etc-20260301-023000.tar.zst', 'etc-20260302-023000.tar.zst']
  const { exit, out } = await spillway(args)
  expect(exit).toBe(0)
  expect(out).toEqual([
    '      SIZE      WAS  CHANGED  PATH',
    '+  1.20 kB                    café',
    '~  1.50 kB  1.20 kB  size     nginx.conf',
    '-           1.20 kB           old\\x0aname',
  ])
  const shown = await spillway(args, { isTerminal: true, columns: 100 })
  expect(shown.out.at(-1)).toBe(
    'etc-20260301-023000.tar.zst to etc-20260302-023000.tar.zst: 1 added (1.20 kB), 1 removed (1.20 kB), 1 changed (1.50 kB), 1 the same',
  )
})

it('diff compares archives of two sources as well', async () => {
  const tree = new Map([root, ['nginx.conf', fileState({ sizeBytes: 1_200 })]])
  const other = await night(story, near, '2026-03-09T02:30:00Z', tree, 'www')
  const ran = await spillway(['diff', nights[0]!.id, other.id, '--json'])
  const { err } = await spillway(['diff', nights[0]!.id, other.id])
  expect(err[0]).toMatch(/^two sources are compared: etc \(etc-.*\) and \w+ \(.*\)$/)
  expect(ran.json()).toMatchObject({
    from: { source: 'etc' },
    to: { source: 'www' },
    differences: [{ difference: 'removed', path: 'old\nname' }],
    unchanged: { files: 2 },
  })
})

it('diff says so when it does not know what an archive holds', async () => {
  const unknown = await story.store('etc', '2026-03-04T02:30:00Z', [near], { sizeBytes: 1 })
  const ran = await spillway(['diff', nights[0]!.id, unknown.id])
  expect(ran.exit).toBe(37)
  await deleteArchive(story, nights[0]!)
  const deleted = await spillway(['diff', nights[0]!.id, nights[1]!.id])
  expect([deleted.exit, deleted.err[0]]).toEqual([
    30,
    'spillway: etc-20260301-023000.tar.zst is deleted, and so is what it held [ARCHIVE_MISSING]',
  ])
})

it('makes no catalog where there is none', async () => {
  const ran = await commandLine(
    [findCommand],
    () => ({ config: configOf(), catalogIfPresent: async () => undefined }),
    ['find', 'x'],
  )
  expect([ran.exit, ran.out]).toEqual([30, []])
})

function spillway(argv: readonly string[], options?: CommandLineOptions) {
  const services = {
    config: configOf({ servers: [near] }),
    catalogIfPresent: async () => story.catalog,
  }
  return commandLine(
    [filesCommand, findCommand, historyCommand, diffCommand],
    () => services,
    argv,
    options,
  )
}
