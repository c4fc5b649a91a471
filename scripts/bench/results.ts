// What a benchmark found out, as it is kept in a JSON file: every single figure, and of which machine, programs and data.
// The tables and the picture are made from it alone, now or years later.

import { readFileSync, writeFileSync } from 'node:fs'

export const OPERATIONS = ['archive', 'restore', 'one-file', 'verify'] as const
export type Operation = (typeof OPERATIONS)[number]

/** One program, once. */
export type Run = {
  readonly seconds: number
  /** User and system, of all its processes. */
  readonly cpuSeconds: number
  /** Of its largest process. */
  readonly peakMiB: number
  /** null: another server than ours, which does not count; or none at all. */
  readonly traffic: WireTraffic | null
  /** After archiving: what lies on the server, or in a local repository. */
  readonly storedBytes: number | null
}

/** Seen from the program. */
export type WireTraffic = {
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly requests: number
}

/**
 * ours; peer: what we are compared with; shown: measured, but no measure for us (it has no server between, or its
 * settings are not those of the others).
 */
export type Role = 'ours' | 'peer' | 'shown'

export type ContenderRecord = {
  readonly id: string
  readonly name: string
  readonly role: Role
  /** Can take one file out of an archive without reading all of it. */
  readonly hasRandomAccess: boolean
  /** What bash was given, by operation. */
  readonly commands: Readonly<Partial<Record<Operation, string>>>
}

export type DataSetRecord = {
  readonly id: string
  readonly title: string
  readonly fileCount: number
  readonly bytes: number
}

export type Figure = {
  readonly dataSet: string
  readonly operation: Operation
  readonly contender: string
  /** By round: those of one round ran right after each other. */
  readonly runs: readonly Run[]
}

export type Machine = {
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly kernel: string
  readonly fileSystem: string
}

export type Results = {
  readonly format: 1
  /** `2026-11-22`, UTC. */
  readonly measuredOn: string
  /** 1: the sizes that are meant. Less: a try, which says little. */
  readonly scale: number
  /** At least. */
  readonly rounds: number
  readonly machine: Machine
  readonly server: string
  readonly versions: Readonly<Record<string, string>>
  readonly contenders: readonly ContenderRecord[]
  readonly dataSets: readonly DataSetRecord[]
  readonly figures: readonly Figure[]
}

export function readResults(path: string): Results {
  const results = JSON.parse(readFileSync(path, 'utf8')) as Results
  if (results.format !== 1) throw new Error(`${path} holds no results of this benchmark`)
  return results
}

/** Of several measurements of one machine, each of other data: what takes hours may have fewer rounds than the rest. */
export function joinResults(all: readonly [Results, ...Results[]]): Results {
  const [first, ...others] = all
  const shared = ({ scale, machine, server, versions }: Results): string =>
    JSON.stringify({ scale, machine, server, versions })
  for (const other of others)
    if (shared(other) !== shared(first))
      throw new Error('these results are of other machines, programs or sizes: not to be joined')
  const dataSets = all.flatMap((results) => results.dataSets)
  const ids = dataSets.map(({ id }) => id)
  const twice = ids.find((id, at) => ids.indexOf(id) !== at)
  if (twice !== undefined) throw new Error(`"${twice}" is in several of these results`)
  const rounds = Math.min(...all.map((results) => results.rounds))
  return { ...first, rounds, dataSets, figures: all.flatMap((results) => results.figures) }
}

export function writeResults(path: string, results: Results): void {
  writeFileSync(path, JSON.stringify(results, undefined, 2) + '\n')
}
