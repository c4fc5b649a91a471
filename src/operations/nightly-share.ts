// What a run does for trust when its archives are safe: a share of all copies is read back, so that in
// some weeks every byte of them was, and the forecast is told when it is near.
//
// What is found for the first time fails the run. Until it is settled, every later run warns of it.

import type { Catalog, CopyId } from '../catalog/catalog.ts'
import type { CopyProblem } from '../catalog/proof-calls.ts'
import type { Config } from '../domain/config.ts'
import { failureOf, SpillwayError } from '../domain/errors.ts'
import type { ForecastNews } from '../domain/forecast.ts'
import type { RunEvent } from '../domain/run-events.ts'
import { formatBytes, formatSeconds } from '../domain/sizes.ts'
import { forecastNewsOf } from './forecast.ts'
import type { ServerPool } from './server-pool.ts'
import { verify } from './verify.ts'
import { printablePath } from '../lib/printable-path.ts'
import type { VerifyReport } from './verify-report.ts'

type ShareServices = {
  readonly config: Config
  readonly catalog: Catalog
  readonly pool: ServerPool
  readonly emit: (event: RunEvent) => void
}

// The copy of the catalog comes after it, and the next night must not find this one still at work. At
// 16 Mbit/s it is 7 GB of every server; what is left is read in the nights that follow.
const SERVER_MS_MAX = 3_600_000

/** Resolves with what is wrong with copies, for the report; undefined VERIFY_NIGHTLY_GB: nothing is read. */
export async function verifyShare(
  services: ShareServices,
  signal: AbortSignal,
  serverMsMax = SERVER_MS_MAX,
): Promise<readonly SpillwayError[]> {
  const { config, catalog } = services
  const begunAt = new Date()
  const budgetBytes = config.verifyNightlyBytes
  const report =
    budgetBytes === undefined
      ? undefined
      : await readShare(services, { budgetBytes, serverMsMax }, signal)
  const problems = await catalog.problems()
  const news = new Map<CopyId, CopyProblem[]>()
  for (const problem of problems) {
    if (problem.foundAt < begunAt) continue
    news.set(problem.copyId, [...(news.get(problem.copyId) ?? []), problem])
  }
  const older = new Set(problems.map(({ copyId }) => copyId).filter((id) => !news.has(id)))
  const warnings = report?.warnings ?? []
  return [
    ...[...news.values()].map((found) => failureFrom(found, config, report)),
    ...unsettled(older),
    ...warnings.map((warning) => new SpillwayError('SERVER_UNPROVEN', warning)),
  ]
}

async function readShare(
  { config, catalog, pool, emit }: ShareServices,
  limits: { readonly budgetBytes: number; readonly serverMsMax: number },
  signal: AbortSignal,
): Promise<VerifyReport> {
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
    { archives: [], source: undefined, isDeep: true, ...limits },
    signal,
  )
  const { readBytes, seconds, outOfTime } = report
  const message = `${formatBytes(readBytes)} of the copies read back in ${Math.round(seconds)} s`
  emit({ kind: 'note', about: undefined, message })
  for (const label of outOfTime) {
    const late = `${label}: reading copies back was stopped after ${formatSeconds(limits.serverMsMax / 1_000)}; the next run goes on`
    emit({ kind: 'note', about: undefined, message: late })
  }
  return report
}

// Of one copy, in one line of a journal; `status` and `verify` tell all of them.
const NAMED_MAX = 5

/** All that was found of one copy. */
function failureFrom(
  found: readonly CopyProblem[],
  { servers }: Config,
  report: VerifyReport | undefined,
): SpillwayError {
  const [first] = found as [CopyProblem]
  const label = servers.find(({ identity }) => identity === first.identity)?.label ?? first.identity
  const copies = report?.archives.find(({ id }) => id === first.archiveId)?.copies ?? []
  const outcome = copies.find((copy) => copy.label === label)?.outcome
  const frames = found.flatMap(({ frame }) => (frame === null ? [] : [String(frame)]))
  const word = frames.length === 1 ? 'frame' : 'frames'
  const where = frames.length === 0 ? '' : `, ${word} ${firstOf(frames)}`
  const members = [...new Set(found.flatMap((each) => each.members.map(printablePath)))]
  const lost = members.length === 0 ? '' : `; members with bytes there: ${firstOf(members)}`
  const message = `${first.file} on ${label}${where}: ${first.what}${lost}`
  // Nothing says that it is damaged, and its bytes will tell.
  if (outcome === 'rewritten') return new SpillwayError('SERVER_UNPROVEN', message)
  return new SpillwayError(outcome === 'missing' ? 'ARCHIVE_MISSING' : 'ARCHIVE_CORRUPT', message)
}

function firstOf(names: readonly string[]): string {
  const more = names.length > NAMED_MAX ? `, and ${names.length - NAMED_MAX} more` : ''
  return `${names.slice(0, NAMED_MAX).join(', ')}${more}`
}

function unsettled(copies: ReadonlySet<CopyId>): readonly SpillwayError[] {
  if (copies.size === 0) return []
  const what = copies.size === 1 ? '1 copy has' : `${copies.size} copies have`
  const message = `${what} problems that were found earlier and are not settled: see spillway status`
  return [new SpillwayError('SERVER_UNPROVEN', message)]
}

/** Warnings make exit code 3 of a 0, so that somebody hears of it while there is time. */
export async function forecastInRun(
  { config, catalog }: Pick<ShareServices, 'config' | 'catalog'>,
  now: Date,
): Promise<ForecastNews> {
  try {
    return await forecastNewsOf({ config, catalog }, now)
  } catch (error) {
    // A catalog that fails has ended the run already, with the reason; anything else is our bug.
    const { exit } = failureOf(error)
    if (exit >= 40 && exit < 50) return { warnings: [], notices: [] }
    throw error
  }
}
