// What `prune --json` prints, and the API answers.

import { runOutcome } from '../domain/run-report.ts'
import type { PrunePlan } from './plan-prune.ts'
import type { ReportedRetention } from '../domain/run-report.ts'

/** `done` undefined: nothing was to be done. Fields may be added, none changed. */
export function pruneDocument(
  plan: PrunePlan,
  done: ReportedRetention | undefined,
  exit: number,
  warnings: readonly string[] = [],
): unknown {
  return {
    outcome: runOutcome(exit),
    exit,
    dryRun: done === undefined,
    archives: plan.archives.map(({ archive, action, bytes, reasons }) => ({
      id: archive.id,
      source: archive.source,
      file: archive.file,
      createdAt: archive.startedAt.toISOString(),
      sizeBytes: bytes,
      pinned: archive.isPinned,
      action,
      reasons,
    })),
    notes: plan.notes,
    deleted: done?.deleted ?? [],
    partlyDeleted: done?.partlyDeleted ?? [],
    freedBytes: done?.freedBytes ?? 0,
    refused: done?.refused ?? [],
    held: done?.held ?? plan.held.map(({ source, reason }) => ({ source, reason })),
    remaining: done?.remaining ?? plan.remaining,
    warnings,
  }
}
