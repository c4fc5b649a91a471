// The forecast of this host, from its catalog: what `status` shows and the report of a run says.

import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import { forecast, forecastWarnings } from '../domain/forecast.ts'
import type { Forecast } from '../domain/forecast.ts'
import { spareBytesOf } from '../domain/placement.ts'

export async function forecastOf(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog },
  now: Date,
): Promise<Forecast> {
  const rows = new Map((await catalog.servers()).map((row) => [row.identity, row]))
  const archives = await catalog.archives({ host: config.serverId, states: ['ready', 'gone'] })
  return forecast({
    now,
    sources: config.sources,
    archives: archives.flatMap(({ id, source, startedAt, sizeBytes, isPinned, copies }) => {
      if (sizeBytes === undefined) return []
      const stored = copies.filter(({ state }) => state === 'stored')
      const servers = stored.map(({ identity }) => identity)
      return [{ id, source, startedAt, sizeBytes, isPinned, servers }]
    }),
    servers: config.servers.map(({ identity, number, isEnabled, limitBytes }) => ({
      identity,
      number,
      isEnabled,
      spareBytes: spareBytesOf(limitBytes, rows.get(identity)),
    })),
    copies: config.copies,
  })
}

/** For the report of a run: nothing is wrong yet, and fourteen nights are left to see to it. */
export async function forecastNotices(
  services: { readonly config: Config; readonly catalog: Catalog },
  now: Date,
): Promise<readonly string[]> {
  return forecastWarnings(await forecastOf(services, now), services.config.servers)
}
