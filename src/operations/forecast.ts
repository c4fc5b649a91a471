// The forecast of this host, from its catalog: what `status` shows and the report of a run says.

import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import { dependsOnRetention, forecast, forecastNews, trendsOf } from '../domain/forecast.ts'
import type { Forecast, ForecastArchive, ForecastInput, ForecastNews } from '../domain/forecast.ts'
import { HISTORY_DAYS_MAX } from '../domain/forecast-trend.ts'
import { keepsEverything } from '../domain/keep-policy.ts'
import { spareBytesOf } from '../domain/placement.ts'

type ForecastServices = { readonly config: Config; readonly catalog: Catalog }

export async function forecastOf(services: ForecastServices, now: Date): Promise<Forecast> {
  const { config, catalog } = services
  const rows = new Map((await catalog.servers()).map((row) => [row.identity, row]))
  const sources: ForecastInput['sources'][number][] = []
  for (const { name, keep } of config.sources)
    sources.push({ name, keep, past: await catalog.pastDays(name, now, HISTORY_DAYS_MAX) })
  const waiting = await waitingOf(services)
  const input = {
    ...{ now, sources, copies: config.copies, archives: waiting },
    servers: config.servers.map(({ identity, number, isEnabled, limitBytes }) => ({
      identity,
      number,
      isEnabled,
      spareBytes: spareBytesOf(limitBytes, rows.get(identity)),
    })),
  }
  const trends = trendsOf(input)
  if (!dependsOnRetention(input, trends)) return forecast(input, trends)
  return forecast({ ...input, archives: [...waiting, ...(await heldOf(services))] }, trends)
}

async function waitingOf({ config, catalog }: ForecastServices): Promise<ForecastArchive[]> {
  const rows = await catalog.waitingArchives(config)
  const configured = new Set(config.servers.map(({ identity }) => identity))
  return rows.flatMap(({ id, source, startedAt, sizeBytes, isPinned, copies }) => {
    if (sizeBytes === undefined) return []
    const stored = copies.filter(({ state }) => state === 'stored')
    const servers = stored.map(({ identity }) => identity).filter((each) => configured.has(each))
    const waitsFor = Math.max(0, config.copies - servers.length)
    const startedMs = startedAt.getTime()
    return [{ id, source, startedMs, sizeBytes, isPinned, servers, waitsFor }]
  })
}

/** What retention may delete, and does not wait. */
async function heldOf({ config, catalog }: ForecastServices): Promise<ForecastArchive[]> {
  const waiting = new Set((await catalog.waitingArchives(config)).map(({ id }) => id))
  const held: ForecastArchive[] = []
  for (const { name: source, keep } of config.sources) {
    if (keepsEverything(keep)) continue
    for (const archive of await catalog.heldArchives(source))
      if (!waiting.has(archive.id)) held.push({ ...archive, source, waitsFor: 0 })
  }
  return held
}

/** For the report of a run. */
export async function forecastNewsOf(services: ForecastServices, now: Date): Promise<ForecastNews> {
  return forecastNews(await forecastOf(services, now), services.config.servers)
}
