// How the contract of the catalog gets the catalog that it tests.

import { onTestFinished } from 'vitest'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { server } from './fixtures.ts'

/** An empty catalog; `open` again gives another handle on the same one, for the same or another host. */
export type CatalogStore = {
  readonly open: (host: string) => Promise<Catalog>
  /** Whether `open` may be called more than once. */
  readonly isShared: boolean
}

export async function opened(create: () => CatalogStore, host = 'alpha'): Promise<Catalog> {
  const catalog = await create().open(host)
  onTestFinished(() => catalog.close())
  return catalog
}

export async function withServers(create: () => CatalogStore) {
  const catalog = await opened(create)
  const [near, far] = [server(1), server(2)]
  await catalog.registerServers([near, far])
  return { catalog, near, far }
}

export async function ledger(catalog: Catalog, number = 0) {
  const { usedBytes, reservedBytes, archives } = (await catalog.servers())[number]!
  return { usedBytes, reservedBytes, archives }
}
