// Hostile archives, as their indexes are recorded: each is either recorded or refused, and however long
// the paths are that an index claims, few of them are in memory together.

import { describe, expect, it } from 'vitest'
import { evilIndexCases } from '../support/evil-index.ts'
import { memberBlocks } from '../../src/operations/index-members.ts'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import { openStory, s3Server } from '../support/catalog-story.ts'
import { recordMembers } from '../../src/operations/history-recorder.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import type { IndexedMember } from '../../src/pack/member-record.ts'

const near = s3Server(1)
// A block of 1 MiB of paths, and one path that goes beyond.
const PATH_BYTES_MAX = 2 * 1024 * 1024

describe('recording a hostile archive', () => {
  it.each(evilIndexCases('/outside').map(({ name, archive }) => [name, archive] as const))(
    '%s',
    async (_name, archive) => {
      const bytes = await archive()
      const story = await openStory([near])
      try {
        const row = await story.store('etc', '2026-01-01T02:30:00Z', [near])
        const outcome = await record(story.catalog, row, bytes)
        const isKnown = (await story.catalog.archivesWithoutHistory()).length === 0
        expect([isKnown, outcome]).toEqual(
          isKnown ? [true, 'recorded'] : [false, expect.stringMatching(/^ARCHIVE_/)],
        )
      } finally {
        await story.catalog.close()
      }
    },
  )
})

type Story = Awaited<ReturnType<typeof openStory>>

async function record(
  catalog: Story['catalog'],
  row: Awaited<ReturnType<Story['store']>>,
  bytes: Buffer,
): Promise<string> {
  const signal = new AbortController().signal
  const read = (offset: number, size: number) =>
    Promise.resolve(bytes.subarray(offset, offset + size))
  try {
    const tail = await openArchiveTail(read, bytes.length)
    await recordMembers(catalog, row, watched(memberBlocks(tail, bytes.length)), signal)
    return 'recorded'
  } catch (error) {
    if (error instanceof SpillwayError) return error.code
    throw error
  }
}

async function* watched(
  blocks: AsyncIterable<readonly IndexedMember[]>,
): AsyncGenerator<readonly IndexedMember[]> {
  for await (const members of blocks) {
    const pathBytes = members.reduce((sum, { path }) => sum + path.length, 0)
    expect(pathBytes).toBeLessThan(PATH_BYTES_MAX)
    yield members
  }
}
