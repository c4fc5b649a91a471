import { afterEach, expect, it } from 'vitest'
import { listArchives } from '../../src/operations/list.ts'
import type { ListInput } from '../../src/operations/list.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { Config } from '../../src/domain/config.ts'
import { configOf, fileServer, openStory, s3Server } from '../support/catalog-story.ts'
import type { Story } from '../support/catalog-story.ts'

const [near, far] = [s3Server(1), s3Server(2)]
const opened: Catalog[] = []
afterEach(async () => {
  for (const catalog of opened.splice(0)) await catalog.close()
})

it('has the fields that other programs rely on', async () => {
  const story = await begin()
  const row = await story.store('etc', '2026-03-01T02:30:00Z', [far])

  const archives = await list(story)

  expect(archives).toEqual([
    {
      id: row.id,
      source: 'etc',
      file: 'etc-20260301-023000.tar.zst',
      key: 'web1/2026/03/01/etc-20260301-023000.tar.zst',
      state: 'stored',
      location: 's3',
      sizeBytes: 1_000_000_000,
      sourceBytes: 3_000_000_000,
      fileCount: 1234,
      sha256: 'ab'.repeat(32),
      createdAt: '2026-03-01T02:30:00.000Z',
      verifiedAt: null,
      deepVerifiedAt: null,
      soundCopies: 1,
      problems: 0,
      pinned: false,
      warningCount: 0,
      reason: null,
      server: { number: 2, endpoint: 'https://s3-2.example.com', bucket: 'backups' },
      copies: [{ server: 2, label: '2: s3-2.example.com/backups', state: 'stored' }],
    },
  ])
})

it('shows the newest first, and no more than the limit', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [near])
  await story.store('www', '2026-03-03T02:30:00Z', [near])
  await story.store('etc', '2026-03-02T02:30:00Z', [near])

  expect(files(await list(story))).toEqual([
    'www-20260303-023000.tar.zst',
    'etc-20260302-023000.tar.zst',
    'etc-20260301-023000.tar.zst',
  ])
  expect(files(await list(story, { limit: 2 }))).toHaveLength(2)
  expect(files(await list(story, { source: 'www' }))).toEqual(['www-20260303-023000.tar.zst'])
})

it('says where an archive can be restored from', async () => {
  const story = await begin()
  await story.wait('waits', '2026-03-05T02:30:00Z')
  await story.store('sent', '2026-03-04T02:30:00Z', [near])
  await story.store('kept', '2026-03-03T02:30:00Z', [near], { isKept: true })
  await story.pack('begun', '2026-03-02T02:30:00Z')
  await story.fail('broken', '2026-03-01T02:30:00Z', 'disk full')

  const archives = await list(story, { includesLost: true })

  expect(archives.map(({ source, state, location }) => [source, state, location])).toEqual([
    ['waits', 'waiting', 'local'],
    ['sent', 'stored', 's3'],
    ['kept', 'stored', 'both'],
    ['begun', 'packing', null],
    ['broken', 'failed', null],
  ])
})

it('leaves out failed and deleted archives unless they are asked for', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [near])
  await story.store('etc', '2026-03-02T02:30:00Z', [near])
  await story.fail('etc', '2026-03-03T02:30:00Z', 'disk full')
  const catalog = withDeleted(story.catalog, 'etc-20260302-023000.tar.zst')

  expect(files(await list({ catalog }))).toEqual(['etc-20260301-023000.tar.zst'])
  const all = await list({ catalog }, { includesLost: true })
  expect(all.map(({ state }) => state)).toEqual(['failed', 'deleted', 'stored'])
  expect(all[0]?.reason).toBe('disk full')
})

it('fills the limit although the newest archives are deleted', async () => {
  const story = await begin()
  const days = Array.from({ length: 9 }, (_, day) => `2026-03-0${day + 1}T02:30:00Z`)
  for (const day of days) await story.store('etc', day, [near])
  const deleted = days
    .slice(3)
    .map((day) => `etc-${day.slice(0, 10).replaceAll('-', '')}-023000.tar.zst`)
  const catalog = withDeleted(story.catalog, ...deleted)

  expect(files(await list({ catalog }, { limit: 2 }))).toEqual([
    'etc-20260303-023000.tar.zst',
    'etc-20260302-023000.tar.zst',
  ])
})

it('names the copy that was stored first as the server, whichever was begun first', async () => {
  const story = await begin()
  const { id, key } = await story.wait('etc', '2026-03-01T02:30:00Z')
  const copies = [near, far].map(({ identity, limitBytes }) =>
    story.catalog.reserve({ archiveId: id, identity, key, token: identity, bytes: 1, limitBytes }),
  )
  const proof = { sizeBytes: 1, etag: undefined, versionId: undefined }
  const [nearCopy = 0, farCopy = 0] = await Promise.all(copies)
  await story.catalog.markStored(farCopy, { ...proof, at: new Date('2026-03-01T02:31:00Z') })
  await story.catalog.markStored(nearCopy, { ...proof, at: new Date('2026-03-01T02:32:00Z') })

  const [archive] = await list(story, {}, { copies: 2 })

  expect(archive?.server?.number).toBe(2)
  expect(archive?.copies.map(({ server }) => server)).toEqual([1, 2])
})

it('keeps the address of a server that is not configured any more, without its number', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [far])

  const [archive] = await list(story, {}, { servers: [near] })

  expect(archive?.server).toEqual({
    number: null,
    endpoint: 'https://s3-2.example.com',
    bucket: 'backups',
  })
  expect(archive?.copies).toEqual([
    { server: null, label: '2: s3-2.example.com/backups', state: 'stored' },
  ])
})

it('gives the URL of a directory and no bucket', async () => {
  const disk = fileServer(3, '/mnt/usb')
  const story = await begin([disk])
  await story.store('etc', '2026-03-01T02:30:00Z', [disk])

  const [archive] = await list(story, {}, { servers: [disk] })

  expect(archive?.server).toEqual({ number: 3, endpoint: 'file:///mnt/usb', bucket: null })
})

it('still waits when one of two wanted copies is stored', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [near], { isKept: true })

  const [archive] = await list(story, {}, { copies: 2 })

  expect(archive).toMatchObject({ state: 'waiting', location: 'both' })
})

it('does not show the archives of other hosts', async () => {
  const story = await begin()
  await story.store('etc', '2026-03-01T02:30:00Z', [near])

  expect(await list(story, {}, { serverId: 'db1' })).toEqual([])
})

async function begin(servers = [near, far]): Promise<Story> {
  const story = await openStory(servers)
  opened.push(story.catalog)
  return story
}

function list(
  { catalog }: Pick<Story, 'catalog'>,
  input: Partial<ListInput> = {},
  config: Partial<Config> = {},
) {
  const all = { source: undefined, limit: undefined, includesLost: false, ...input }
  return listArchives({ config: configOf({ servers: [near, far], ...config }), catalog }, all)
}

function files(archives: readonly { readonly file: string }[]): string[] {
  return archives.map(({ file }) => file)
}

/** As after a prune, which no catalog call does yet. */
function withDeleted(catalog: Catalog, ...deleted: readonly string[]): Catalog {
  return {
    ...catalog,
    archives: async (filter) =>
      (await catalog.archives(filter)).map((archive) =>
        deleted.includes(archive.file)
          ? { ...archive, copies: archive.copies.map((copy) => ({ ...copy, state: 'deleted' })) }
          : archive,
      ),
  }
}
