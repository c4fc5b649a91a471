// `run --dry-run`: what a run would archive, roughly how large, where it would go and why.
//
// Sources are walked but not read, and no server is asked: the catalog knows what lies there.

import { chooseSources } from './run.ts'
import { requireServers } from '../config/parse.ts'
import { copiesOn } from '../domain/copies.ts'
import { exitOf } from '../domain/exit-code.ts'
import { expectedBytes, placeArchive } from '../domain/placement.ts'
import { existsSync } from 'node:fs'
import { FAILURES, failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { FIRST_BYTES } from './upload-copy.ts'
import { formatBytes } from '../domain/sizes.ts'
import { ownPathsOf } from './archive-source.ts'
import { roomInSpool } from './spool.ts'
import type { ArchiveRow, Catalog, CopyRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Packer, Surveyed } from '../pack/packer.ts'
import type { ServerUsage } from '../domain/placement.ts'
import type { Source } from '../domain/source.ts'

export type PlanServices = {
  readonly catalog: Catalog
  readonly config: Config
  readonly packer: Packer
}

export type PlannedArchive = {
  readonly source: string
  /** Set for an archive that waits in the spool already. */
  readonly file: string | null
  readonly sourceBytes: number | null
  readonly memberCount: number | null
  /** What it consists of, where a source has parts with names: databases. */
  readonly parts?: readonly { readonly name: string; readonly sizeBytes: number | null }[]
  /** What the archive will take: exact, from the last one and the source's growth, or at most what the source has. */
  readonly sizeBytes: number | null
  readonly sizeFrom: 'exact' | 'last archive' | 'source size' | null
  readonly servers: readonly { readonly number: number; readonly label: string }[]
  /** Why there, and why not elsewhere; or why it would fail. */
  readonly reasons: readonly string[]
  readonly code: string | null
}

export type RunPlan = { readonly exit: number; readonly archives: readonly PlannedArchive[] }

export async function planRun(
  services: PlanServices,
  input: { readonly sourceNames: readonly string[] },
  signal: AbortSignal,
): Promise<RunPlan> {
  const { catalog, config, packer } = services
  const sources = chooseSources(services, input.sourceNames)
  requireServers(config)
  const usage = new Map<string, ServerUsage>(
    (await catalog.servers()).map((row) => [row.identity, row]),
  )
  const archives: PlannedArchive[] = []
  const exits: number[] = []

  for (const waiting of await catalog.waitingArchives(config)) {
    const sizeBytes = waiting.sizeBytes ?? 0
    const place = placeFor(config, usage, sizeBytes, waiting.copies)
    archives.push({
      source: waiting.source,
      file: waiting.file,
      sourceBytes: waiting.sourceBytes ?? null,
      memberCount: waiting.memberCount ?? null,
      sizeBytes,
      sizeFrom: 'exact',
      ...place,
      reasons: ['waits in the spool: it is sent first', ...place.reasons],
    })
    if (place.code !== null) exits.push(FAILURES[place.code].exit)
  }
  const waitingBytes = archives.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0)
  for (const source of sources) {
    try {
      const found = await packer.survey({ source, ownPaths: ownPathsOf(config) }, signal)
      const last = expectedBytes(sizeAsBefore(await catalog.lastGood(source.name), found))
      const sizeBytes = last ?? sizeAtMost(found)
      // What nobody knows yet begins like the run itself: with one part.
      const neededBytes = sizeBytes ?? FIRST_BYTES
      const place = placeFor(config, usage, neededBytes)
      const isKnown = last !== undefined
      const spool = await spoolFor(config, waitingBytes, { sizeBytes: neededBytes, isKnown })
      const warnings = warningsOf(found)
      const reasons = [...notRun(source), ...warnings, ...place.reasons, ...spool.reasons]
      const code = spool.code ?? place.code
      archives.push({
        source: source.name,
        file: null,
        memberCount: found.memberCount ?? null,
        sourceBytes: found.sourceBytes ?? null,
        ...partsOf(found),
        sizeBytes: sizeBytes ?? null,
        sizeFrom: isKnown ? 'last archive' : sizeBytes === undefined ? null : 'source size',
        ...place,
        reasons,
        code,
      })
      if (code !== null) exits.push(FAILURES[code].exit)
      if (warnings.length > 0) exits.push(3)
    } catch (error) {
      if (failureOf(error).exit === 130) throw error
      archives.push(failedPlan(source, error))
      exits.push(failureOf(error).exit)
    }
  }
  return { exit: exitOf(exits), archives }
}

// Of what does not compress: headers, names and index of a member, the marks of its blocks, and the end of the archive.
const MEMBER_BYTES_MAX = 1_024
const BLOCKS_PART = 1.001
const END_BYTES_MAX = 64 * 1024

function sizeAtMost({ sourceBytes, memberCount = 0 }: Surveyed): number | undefined {
  if (sourceBytes === undefined) return undefined
  return Math.ceil(sourceBytes * BLOCKS_PART) + memberCount * MEMBER_BYTES_MAX + END_BYTES_MAX
}

/** Of the last archive, as much more or less as its source has become. */
function sizeAsBefore(last: ArchiveRow | undefined, found: Surveyed): number | undefined {
  if (last?.sizeBytes === undefined) return undefined
  const { sourceBytes: before = 0 } = last
  if (found.sourceBytes === undefined || before === 0) return last.sizeBytes
  const scaled = last.sizeBytes * (found.sourceBytes / before)
  return Math.min(scaled, sizeAtMost(found) ?? scaled)
}

function notRun({ kind, number, hooks }: Source): readonly string[] {
  return [
    ...(hooks?.before === undefined
      ? []
      : [
          `is read after SOURCE_${number}_BEFORE, which is not run now: what it finds is not known`,
        ]),
    ...(kind === 'command' ? ['its command is not run now; what it writes is not known'] : []),
  ]
}

/** Of folders alone; whether a file can be read, only a run sees. */
export function warningsOf({ findings }: Surveyed): readonly string[] {
  if (findings === undefined) return []
  const { warnings, warningCount } = findings
  const more = warningCount - warnings.length
  const told = warnings.map(({ path, reason }) => `${path}: ${reason}`)
  return more === 0 ? told : [...told, `${more} more warnings`]
}

function partsOf({ parts }: Surveyed): Pick<PlannedArchive, 'parts'> {
  if (parts === undefined || parts.length === 0) return {}
  return { parts: parts.map(({ name, sizeBytes }) => ({ name, sizeBytes: sizeBytes ?? null })) }
}

/** The whole archive must fit into the spool; a first archive may be much smaller than its source. */
async function spoolFor(
  config: Config,
  waitingBytes: number,
  archive: { readonly sizeBytes: number; readonly isKnown: boolean },
): Promise<{ readonly reasons: readonly string[]; readonly code: 'SPOOL_FULL' | null }> {
  if (!config.hasSpool) return { reasons: [], code: null }
  try {
    await roomInSpool({
      spoolDir: existsSync(config.spoolDir) ? config.spoolDir : config.dataDir,
      limitBytes: config.spoolLimitBytes,
      waitingBytes,
      expectedBytes: archive.sizeBytes,
    })
    return { reasons: [], code: null }
  } catch (error) {
    if (!isFailure(error, 'SPOOL_FULL')) throw error
    if (archive.isKnown) return { reasons: [messageOf(error)], code: 'SPOOL_FULL' }
    return { reasons: [`may not fit, unless it compresses well: ${messageOf(error)}`], code: null }
  }
}

function placeFor(
  config: Config,
  usage: Map<string, ServerUsage>,
  sizeBytes: number,
  copies: readonly CopyRow[] = [],
): Pick<PlannedArchive, 'servers' | 'reasons'> & {
  readonly code: 'NO_SERVER_LEFT' | 'COPIES_MISSING' | null
} {
  const held = copies.filter(({ state }) => state !== 'failed' && state !== 'deleted')
  const storedCopies = copiesOn({ copies }, config.servers)
  const wanted = config.copies - storedCopies
  const { candidates, withoutRoom } = placeArchive({
    servers: config.servers.filter(
      ({ identity }) => !held.some((copy) => copy.identity === identity),
    ),
    usageByIdentity: usage,
    neededBytes: sizeBytes,
  })
  const chosen = candidates.slice(0, wanted)
  // Of servers behind those that are taken nobody asks why they are not.
  const last = chosen.length < wanted ? Infinity : (chosen.at(-1)?.number ?? 0)
  const reasons = withoutRoom
    .filter(({ server }) => server.number < last)
    .map(
      ({ server, spareBytes }) =>
        `${server.label} has ${formatBytes(spareBytes)} spare: not enough`,
    )
  for (const server of config.servers) {
    if (!server.isEnabled && server.number < last) reasons.push(`${server.label} is disabled`)
  }
  // What is planned for one archive is not there for the next one.
  for (const { identity } of chosen) {
    const {
      usedBytes = 0,
      reservedBytes = 0,
      catalogBytes = 0,
      otherBytes = 0,
    } = usage.get(identity) ?? {}
    usage.set(identity, {
      usedBytes,
      reservedBytes: reservedBytes + sizeBytes,
      catalogBytes,
      otherBytes,
    })
  }
  const servers = chosen.map(({ number, label }) => ({ number, label }))
  if (chosen.length === wanted) return { servers, reasons, code: null }
  const count = storedCopies + chosen.length
  if (count === 0)
    return {
      servers,
      reasons: [
        ...reasons,
        config.hasSpool
          ? 'Not enough space: it would wait in the spool'
          : 'Not enough space, and no spool to wait in: it would fail',
      ],
      code: 'NO_SERVER_LEFT',
    }
  // As the run has it: an archive that is off this machine is safe, and its other copies may come later.
  const only = `Not enough space: ${count} of ${config.copies} servers would have it, and it would wait`
  return {
    servers,
    reasons: [...reasons, `${only} in the spool for the others`],
    code: 'COPIES_MISSING',
  }
}

function failedPlan(source: Source, error: unknown): PlannedArchive {
  return {
    source: source.name,
    file: null,
    sourceBytes: null,
    memberCount: null,
    sizeBytes: null,
    sizeFrom: null,
    servers: [],
    reasons: [messageOf(error)],
    code: error instanceof SpillwayError ? error.code : 'BUG',
  }
}
