// The connectivity self-test of all servers, or of some: would tonight's archives be taken?

import { checkServer, CHECK_BYTES } from './check-server.ts'
import { requireServers } from '../config/parse.ts'
import { expectedBytes, spareBytesOf } from '../domain/placement.ts'
import { formatBytes, formatRate, MB } from '../domain/sizes.ts'
import { SamePlaces } from './same-place.ts'
import { FAILURES, messageOf, SpillwayError } from '../domain/errors.ts'
import { findProgram } from '../sources/child-program.ts'
import { programsOf } from '../domain/source.ts'
import type { Catalog, ServerRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { OpenStorage } from './server-pool.ts'
import type { Server } from '../domain/server.ts'
import { whyNoSystemCalls } from '../lib/system-calls.ts'
import type { ServerCheck } from './check-server.ts'

export type SelfTestServices = {
  readonly config: Config
  /** undefined: nothing was ever archived on this host; the self-test creates nothing. */
  readonly catalog: Catalog | undefined
  readonly openStorage: OpenStorage
  readonly nodeVersion: string
}

export type TestedServer = {
  readonly server: Server
  readonly usedBytes: number
  /** What lies there besides: archives of other hosts, strangers. */
  readonly otherBytes: number
  /** Of the copies of our own catalog. */
  readonly catalogBytes: number
  readonly spareBytes: number
  readonly result: ServerCheck | undefined
  /** It would take the largest archive that tonight's sources are expected to make. */
  readonly wouldTake: boolean
  /** Why not, and what else is worth knowing. */
  readonly remarks: readonly string[]
}

export type MissingProgram = { readonly variable: string; readonly message: string }

/** Two entries that are one place under two names, or of which that could not be found out. */
export type SamePlace = {
  readonly numbers: readonly [number, number]
  readonly message: string
  readonly hint: string | null
}

export type SelfTestReport = {
  readonly servers: readonly TestedServer[]
  readonly samePlaces: readonly SamePlace[]
  /** Programs that the sources name and that cannot be run. */
  readonly missingPrograms: readonly MissingProgram[]
  readonly notes: readonly string[]
  readonly exit: number
}

/** `onServer` is called before and after each server: a person wants to see it work. */
export async function selfTest(
  services: SelfTestServices,
  input: { readonly numbers: readonly number[]; readonly onTested: (tested: TestedServer) => void },
  signal: AbortSignal,
): Promise<SelfTestReport> {
  const chosen = chooseServers(services.config, input.numbers)
  const rows = new Map((await services.catalog?.servers())?.map((row) => [row.identity, row]))
  const tonightBytes = await largestExpected(services)
  const tested: TestedServer[] = []
  for (const server of chosen) {
    const each = await testOne(
      services,
      { server, row: rows.get(server.identity), tonightBytes },
      signal,
    )
    tested.push(each)
    input.onTested(each)
  }
  const enabled = tested.filter(({ server }) => server.isEnabled)
  const taking = enabled.filter(({ wouldTake }) => wouldTake).length
  const hasRemarks = tested.some(
    ({ result }) =>
      result !== undefined &&
      (result.leftovers.length + result.shortfalls.length > 0 ||
        result.checks.some(({ outcome }) => outcome === 'failed')),
  )
  const missing = missingPrograms(services.config)
  const samePlaces = await findSamePlaces(services, tested, signal)
  const problems = missing.length + samePlaces.length
  const isGood = taking === enabled.length && !hasRemarks && problems === 0
  const exit = taking === 0 ? FAILURES.NO_SERVER_READY.exit : isGood ? 0 : 3
  const notes = notesFor(services.nodeVersion)
  return { servers: tested, samePlaces, missingPrograms: missing, notes, exit }
}

/** Of those that passed: nothing in the settings tells that two addresses lead to one place. */
async function findSamePlaces(
  { config, openStorage }: SelfTestServices,
  tested: readonly TestedServer[],
  signal: AbortSignal,
): Promise<readonly SamePlace[]> {
  const usable = tested.flatMap(({ server, result }) => (result?.isUsable === true ? [server] : []))
  const storages = new Map(usable.map((server) => [server, openStorage(server, false)]))
  const places = new SamePlaces(
    { ready: (server) => Promise.resolve(storages.get(server)!) },
    config.serverId,
  )
  const found: SamePlace[] = []
  try {
    for (const [at, one] of usable.entries())
      for (const other of usable.slice(at + 1)) {
        const error = await places.whyOne(one, other, signal)
        if (error === undefined) continue
        const { hint, message } = error
        found.push({ numbers: [one.number, other.number], message, hint: hint ?? null })
      }
  } finally {
    for (const storage of storages.values()) storage.close()
  }
  return found
}

/** Looked for, and not run. */
function missingPrograms({ sources }: Pick<Config, 'sources'>): readonly MissingProgram[] {
  return sources.flatMap(programsOf).flatMap(({ variable, program }) => {
    try {
      findProgram(program)
      return []
    } catch (error) {
      return { variable, message: messageOf(error) }
    }
  })
}

function chooseServers(config: Config, numbers: readonly number[]): readonly Server[] {
  requireServers(config)
  for (const number of numbers) {
    if (config.servers.some((server) => server.number === number)) continue
    const known = config.servers.map((server) => server.number).join(', ')
    throw new SpillwayError('USAGE', `there is no S3_SERVER_${number}_* (servers: ${known})`)
  }
  return numbers.length === 0
    ? config.servers
    : config.servers.filter(({ number }) => numbers.includes(number))
}

async function largestExpected({ catalog, config }: SelfTestServices): Promise<number> {
  let largest = 0
  for (const { name } of config.sources) {
    const last = await catalog?.lastGood(name)
    largest = Math.max(largest, expectedBytes(last?.sizeBytes) ?? 0)
  }
  return largest
}

async function testOne(
  { config, openStorage }: SelfTestServices,
  input: {
    readonly server: Server
    readonly row: ServerRow | undefined
    readonly tonightBytes: number
  },
  signal: AbortSignal,
): Promise<TestedServer> {
  const { server, row, tonightBytes } = input
  const usedBytes = row?.usedBytes ?? 0
  const { otherBytes = 0, catalogBytes = 0 } = row ?? {}
  const spareBytes = spareBytesOf(server.limitBytes, row)
  if (!server.isEnabled) {
    return {
      server,
      usedBytes,
      otherBytes,
      catalogBytes,
      spareBytes,
      result: undefined,
      wouldTake: false,
      remarks: ['disabled: not asked'],
    }
  }
  const remarks: string[] = []
  if (spareBytes < CHECK_BYTES) {
    remarks.push(`only ${formatBytes(spareBytes)} spare: tested with one small part`)
  }
  const storage = openStorage(server, row?.listedAt !== undefined)
  try {
    const result = await checkServer(
      { server, storage, serverId: config.serverId, spareBytes },
      signal,
    )
    const hasRoom = spareBytes >= Math.max(tonightBytes, 1)
    if (!hasRoom) remarks.push(noRoomFor(tonightBytes, spareBytes, server.limitBytes))
    remarks.push(...remarksOn(result))
    return {
      server,
      usedBytes,
      otherBytes,
      catalogBytes,
      spareBytes,
      result,
      wouldTake: result.isUsable && hasRoom,
      remarks,
    }
  } finally {
    storage.close()
  }
}

function noRoomFor(neededBytes: number, spareBytes: number, limitBytes: number): string {
  const needed = neededBytes === 0 ? 'any archive' : `an archive of ${formatBytes(neededBytes)}`
  return (
    `Not enough space for ${needed}: ${formatBytes(spareBytes)} spare of ${formatBytes(limitBytes)}; ` +
    'raise its STORAGE_LIMIT_GB, or let the next server take it'
  )
}

// From 5 minutes on AWS, and from 15 minutes on the others, refuse requests; at one minute there is
// still time to mend the clock.
const CLOCK_SKEW_SECONDS_MAX = 60

function remarksOn(result: ServerCheck): string[] {
  const remarks: string[] = []
  const skew = result.clockSkewSeconds ?? 0
  if (Math.abs(skew) > CLOCK_SKEW_SECONDS_MAX) {
    const way = skew > 0 ? 'ahead of' : 'behind'
    remarks.push(
      `its clock is ${Math.round(Math.abs(skew))} s ${way} this machine's: set the clock`,
    )
  }
  for (const what of result.shortfalls) remarks.push(`it ${what}`)
  for (const left of result.leftovers) remarks.push(`could not remove ${left}: remove it by hand`)
  return remarks
}

function notesFor(nodeVersion: string): string[] {
  const why = whyNoSystemCalls()
  const extras =
    why === undefined
      ? []
      : [`Extended attributes, ACLs and holes of sparse files are not kept here: ${why}`]
  const major = Number(nodeVersion.replace(/^v/, '').split('.')[0])
  if (major >= 22) return extras
  return [
    ...extras,
    `Node ${nodeVersion} works. The AWS SDK will want Node 22 or newer from January 2027: plan the update.`,
  ]
}

/** `Usage: 0.00 MB`: as users of the predecessor know it. */
export function usageLine(usedBytes: number): string {
  return `Usage: ${(usedBytes / MB).toFixed(2)} MB`
}

/** Latency, rate and clock in words; '' where nothing was measured. */
export function measured(result: ServerCheck): string {
  const words: string[] = []
  if (result.latencyMs !== undefined)
    words.push(`latency ${Math.max(1, Math.round(result.latencyMs))} ms`)
  if (result.bytesPerSecond !== undefined)
    words.push(`upload ${formatRate(result.bytesPerSecond, 1)}`)
  if (result.clockSkewSeconds !== undefined) {
    words.push(
      `clock ${Math.abs(result.clockSkewSeconds) < 2 ? 'agrees' : `off by ${result.clockSkewSeconds.toFixed(0)} s`}`,
    )
  }
  return words.join(', ')
}
