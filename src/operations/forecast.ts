// The forecast of this host, from its catalog: what `status` shows and the report of a run says.

import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import { forecast, forecastNews } from '../domain/forecast.ts'
import type { Forecast, ForecastNews } from '../domain/forecast.ts'
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
    archives: archives.flatMap(({ id, source, startedAt, sizeBytes, isPinned, ...archive }) => {
      if (sizeBytes === undefined) return []
      const stored = archive.copies.filter(({ state }) => state === 'stored')
      const servers = stored.map(({ identity }) => identity)
      const isInSpool = archive.state === 'ready'
      const waitsFor = isInSpool ? Math.max(0, config.copies - servers.length) : 0
      return [{ id, source, startedAt, sizeBytes, isPinned, servers, waitsFor }]
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

/** For the report of a run. */
export async function forecastNewsOf(
  services: { readonly config: Config; readonly catalog: Catalog },
  now: Date,
): Promise<ForecastNews> {
  return forecastNews(await forecastOf(services, now), services.config.servers)
}
