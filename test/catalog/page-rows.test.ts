// Pages of archives against what is in the catalog: every filter, every order of coming and going.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import type { ArchivePageInput } from '../../src/catalog/page-calls.ts'
import type { ArchiveWithCopies, Catalog } from '../../src/catalog/catalog.ts'
import { shownState } from '../../src/domain/archive.ts'
import { begin, minutesAfter, proof, ready, reserved, server } from './fixtures.ts'

const near = server(1, { limitBytes: 1e9 })
const far = server(2, { limitBytes: 1e9 })

const FATES = ['packing', 'failed', 'spool', 'both', 'near', 'far', 'deleted', 'missing'] as const

async function make(
  catalog: Catalog,
  { fate, source, minute }: { fate: (typeof FATES)[number]; source: string; minute: number },
): Promise<void> {
  const at = minutesAfter(minute)
  if (fate === 'packing' || fate === 'failed') {
    const { id } = await begin(catalog, source, at)
    if (fate === 'failed') await catalog.markArchiveFailed(id, 'no reason', at)
    return
  }
  const archive = await ready(catalog, source, at)
  if (fate === 'spool') return
  const copyId = await reserved(catalog, archive, fate === 'far' ? far : near)
  await catalog.markStored(copyId, { ...proof(100), at })
  if (fate === 'both') return
  await catalog.markLocalGone(archive.id)
  if (fate === 'deleted') {
    await catalog.markDeleting(copyId, 'retention')
    await catalog.markDeleted(copyId)
  }
  if (fate === 'missing') await catalog.markMissing(copyId, 'it is gone')
}

/** The same, said in another way, of all rows at once. */
function fits(archive: ArchiveWithCopies, input: ArchivePageInput): boolean {
  const { copies, state, source, file } = archive
  const on = (identities: readonly string[]) =>
    copies.some((copy) => copy.state === 'stored' && identities.includes(copy.identity))
  const servers = input.servers.map((identity) => ({ identity }))
  const shown = shownState(state, copies, { copies: 1, servers })
  const isLost = shown === 'deleted' || shown === 'failed'
  const isMissing = copies.some((copy) => copy.state === 'missing')
  const place = state === 'ready' ? (on(input.servers) ? 'both' : 'local') : 's3'
  return (
    (input.includesLost || !isLost || isMissing) &&
    (input.source === undefined || source === input.source) &&
    (input.server === undefined || on([input.server])) &&
    (input.location === undefined ||
      (input.location === place && (place !== 's3' || on(input.servers)))) &&
    (input.text === undefined || `${file}\n${source}`.toLowerCase().includes(input.text))
  )
}

const option = <Value>(...values: readonly Value[]) => fc.constantFrom(undefined, ...values)

it('all pages together are what fits, in order, whatever is asked for', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          fate: fc.constantFrom(...FATES),
          source: fc.constantFrom('home', 'Mail_1', 'mail%'),
          // Some at the same moment.
          minute: fc.integer({ min: 0, max: 9 }),
        }),
        { maxLength: 25 },
      ),
      fc.record({
        limit: fc.integer({ min: 1, max: 7 }),
        before: fc.constant(undefined),
        source: option('home', 'nobody'),
        server: option(near.identity, far.identity, 'nobody'),
        location: option('local' as const, 's3' as const, 'both' as const),
        servers: fc.constantFrom([], [near.identity], [near.identity, far.identity]),
        text: option('mail', '_', '%', 'home-2026'),
        includesLost: fc.boolean(),
      }),
      async (archives, input) => {
        const catalog = await openCatalog({ path: ':memory:', host: 'alpha' })
        await catalog.registerServers([near, far])
        for (const archive of archives) await make(catalog, archive)
        const all = await catalog.archives()
        const found: string[] = []
        let before: string | undefined
        do {
          const page = await catalog.archivePage({ ...input, before })
          expect(page!.archives.length).toBeLessThanOrEqual(input.limit)
          found.push(...page!.archives.map(({ id }) => id))
          before = page!.next
        } while (before !== undefined)
        await catalog.close()
        const wanted = all.filter((archive) => fits(archive, input)).map(({ id }) => id)
        expect(found).toEqual(wanted)
      },
    ),
    { numRuns: 60 },
  )
})
