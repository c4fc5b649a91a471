// What a run does for trust when its archives are safe: a share of all copies is read back, so that in
// some weeks every byte of them was, and the forecast is told when it is near.

import type { Config } from '../domain/config.ts'
import { failureOf, SpillwayError } from '../domain/errors.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { RunEvent } from '../domain/run-events.ts'
import { formatBytes } from '../domain/sizes.ts'
import { forecastNotices } from './forecast.ts'
import type { ServerPool } from './server-pool.ts'
import { verify } from './verify.ts'

type ShareServices = {
  readonly config: Config
  readonly catalog: Catalog
  readonly pool: ServerPool
  readonly emit: (event: RunEvent) => void
}

/** Resolves with what is wrong with copies, for the report; undefined VERIFY_NIGHTLY_GB: nothing is read. */
export async function verifyShare(
  { config, catalog, pool, emit }: ShareServices,
  signal: AbortSignal,
): Promise<readonly SpillwayError[]> {
  const budgetBytes = config.verifyNightlyBytes
  if (budgetBytes === undefined) return []
  const report = await verify(
    {
      config,
      catalog,
      storageOf: async (server, asking) => {
        // What failed in this run is not waited for once more.
        const down = pool.downBecause(server)
        if (down instanceof Error) throw down
        return pool.ready(server, asking)
      },
    },
    { archives: [], source: undefined, isDeep: true, budgetBytes },
    signal,
  )
  const { readBytes, seconds, problems, warnings } = report
  const message = `${formatBytes(readBytes)} of the copies read back in ${Math.round(seconds)} s`
  emit({ kind: 'note', about: undefined, message })
  return [
    ...problems.map(({ file, label, frame, what }) => {
      const where = frame === null ? '' : `, frame ${frame}`
      return new SpillwayError('ARCHIVE_CORRUPT', `${file} on ${label}${where}: ${what}`, {
        hint: `see: spillway verify ${file} --deep`,
      })
    }),
    ...warnings.map((warning) => new SpillwayError('SERVER_UNPROVEN', warning)),
  ]
}

/** Notes, not warnings: nothing is wrong yet, so the exit code stays what it is. */
export async function noteForecast(
  { config, catalog, emit }: ShareServices,
  now: Date,
): Promise<readonly string[]> {
  try {
    const notices = await forecastNotices({ config, catalog }, now)
    for (const message of notices) emit({ kind: 'note', about: undefined, message })
    return notices
  } catch (error) {
    // A catalog that fails has ended the run already, with the reason; anything else is our bug.
    const { exit } = failureOf(error)
    if (exit >= 40 && exit < 50) return []
    throw error
  }
}
