// From single figures to what is said about them: medians, and ratios to the best peer.
//
// A ratio is the median of the ratios within each round, since what runs right after each other runs on the same machine,
// warm or throttled. The best peer is the one with the lowest median: for wall time and CPU time each its own.

import { OPERATIONS } from './results.ts'
import type {
  ContenderRecord,
  DataSetRecord,
  Figure,
  Operation,
  Results,
  Run,
  WireTraffic,
} from './results.ts'

export type Comparison = {
  readonly dataSet: DataSetRecord
  readonly operation: Operation
  readonly rows: readonly Row[]
}

export type Row = {
  readonly contender: ContenderRecord
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakMiB: number
  readonly traffic: WireTraffic | null
  readonly storedBytes: number | null
  /** To the best peer; undefined where no peer was measured. */
  readonly wallRatio: Ratio | undefined
  readonly cpuRatio: Ratio | undefined
}

/** Of the rounds: the median, the lowest and the highest. */
export type Ratio = { readonly median: number; readonly low: number; readonly high: number }

/** By operation, then by data set, each in the order of the results. */
export function compare(results: Results): readonly Comparison[] {
  return OPERATIONS.flatMap((operation) =>
    results.dataSets.flatMap((dataSet) => {
      const figures = results.figures.filter(
        (figure) => figure.operation === operation && figure.dataSet === dataSet.id,
      )
      return figures.length === 0
        ? []
        : [{ dataSet, operation, rows: rowsOf(results, operation, figures) }]
    }),
  )
}

function rowsOf(results: Results, operation: Operation, figures: readonly Figure[]): Row[] {
  const pairs = results.contenders.flatMap((contender) => {
    const figure = figures.find((each) => each.contender === contender.id)
    return figure === undefined ? [] : [{ contender, runs: figure.runs }]
  })
  const peers = pairs.filter(({ contender }) => isMeasure(contender, operation))
  const bestWall = lowest(peers, ({ seconds }) => seconds)
  const bestCpu = lowest(peers, ({ cpuSeconds }) => cpuSeconds)
  return pairs.map(({ contender, runs }) => ({
    contender,
    seconds: median(runs.map(({ seconds }) => seconds)),
    cpuSeconds: median(runs.map(({ cpuSeconds }) => cpuSeconds)),
    peakMiB: Math.max(...runs.map(({ peakMiB }) => peakMiB)),
    traffic: medianTraffic(runs),
    storedBytes: medianOrNull(runs.map(({ storedBytes }) => storedBytes)),
    wallRatio: ratio(runs, bestWall, ({ seconds }) => seconds),
    cpuRatio: ratio(runs, bestCpu, ({ cpuSeconds }) => cpuSeconds),
  }))
}

/** One file: peers that can seek are shown, but the promise is about those that read everything. */
export function isMeasure({ role, hasRandomAccess }: ContenderRecord, operation: Operation) {
  return role === 'peer' && !(operation === 'one-file' && hasRandomAccess)
}

type Figures = { readonly runs: readonly Run[] }

function lowest(peers: readonly Figures[], of: (run: Run) => number): readonly Run[] | undefined {
  const sorted = peers.toSorted((a, b) => median(a.runs.map(of)) - median(b.runs.map(of)))
  return sorted[0]?.runs
}

function ratio(
  runs: readonly Run[],
  best: readonly Run[] | undefined,
  of: (run: Run) => number,
): Ratio | undefined {
  if (best === undefined) return undefined
  const ratios = runs.flatMap((run, round) => {
    const other = best[round]
    return other === undefined ? [] : [of(run) / of(other)]
  })
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) }
}

function medianTraffic(runs: readonly Run[]): WireTraffic | null {
  const of = (pick: (traffic: WireTraffic) => number) =>
    medianOrNull(runs.map(({ traffic }) => (traffic === null ? null : pick(traffic))))
  const sentBytes = of((traffic) => traffic.sentBytes)
  const receivedBytes = of((traffic) => traffic.receivedBytes)
  const requests = of((traffic) => traffic.requests)
  if (sentBytes === null || receivedBytes === null || requests === null) return null
  return { sentBytes, receivedBytes, requests }
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === values.length && known.length > 0 ? median(known) : null
}

/** Of an even number of values: the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of nothing')
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!]
  return (low + high) / 2
}
