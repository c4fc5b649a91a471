// The report as a webhook gets it: whole where that is small, and never larger than a receiver takes.

import type { RunReport } from '../domain/run-report.ts'
import { oneLine } from './notify-text.ts'

// Express, Node-RED and others refuse more than 100 kB unless they are told otherwise.
const BYTES_MAX = 90_000

// Steps of giving up detail; the last has none.
const ITEMS: readonly number[] = [50, 10, 2, 0]

export function boundedReport(report: RunReport): Readonly<Record<string, unknown>> {
  if (bytesOf(report) <= BYTES_MAX) return report
  const tries = ITEMS.map((items) => cutReport(report, items))
  return tries.find((each) => bytesOf(each) <= BYTES_MAX) ?? outline(report)
}

function cutReport(report: RunReport, items: number): Readonly<Record<string, unknown>> {
  const texts = (list: readonly string[]) => list.slice(0, items * 4).map(oneLine)
  return {
    ...report,
    isCut: true,
    sources: report.sources.map((source) => ({
      ...source,
      message: source.message === null ? null : oneLine(source.message),
    })),
    archives: report.archives.map((archive) => ({
      ...archive,
      attempts: archive.attempts.slice(0, items),
      warnings: archive.warnings.slice(0, items),
      notes: archive.notes.slice(0, items),
    })),
    retention: {
      ...report.retention,
      deleted: report.retention.deleted.slice(0, items),
      partlyDeleted: report.retention.partlyDeleted.slice(0, items),
    },
    notices: texts(report.notices),
    warnings: texts(report.warnings),
  }
}

/** Of hundreds of sources: how many of each, and the text beside it says which. */
function outline({ outcome, exit, startedAt, seconds, sources, archives }: RunReport) {
  return {
    ...{ outcome, exit, startedAt, seconds, isCut: true },
    sourceCount: sources.length,
    failedSourceCount: sources.filter((source) => source.outcome === 'failed').length,
    archiveCount: archives.length,
    waitingCount: archives.filter(({ state }) => state === 'waiting').length,
  }
}

function bytesOf(document: unknown): number {
  return Buffer.byteLength(JSON.stringify(document))
}
