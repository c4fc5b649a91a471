// What must have healed by itself at the end of the calm days (I-12), and that retention has kept up.

import { CatalogEye } from './catalog-eye.ts'
import { keptIds } from './keep-rules.ts'
import type { Inhabitant } from './night.ts'

export function healed(life: Inhabitant): void {
  const { host, lastReport } = life
  const eye = new CatalogEye(host.catalogPath, host.name)
  try {
    if (life.catalog === 'lost') return life.violation('the catalog was not rebuilt')
    if (lastReport === undefined || (lastReport.exit !== 0 && lastReport.exit !== 3))
      return life.violation(`the last run ends with ${lastReport?.exit}`)
    const waiting = eye.waiting(host)
    const isLost = (id: string): boolean => life.book.entries.get(id)?.releasedBecause !== undefined
    for (const { id } of waiting)
      if (!isLost(id)) life.violation(`${id} still waits after calm days`)
    for (const { key, state } of eye.openCopies())
      if (state !== 'stored') life.violation(`${key} is still ${state} after calm days`)
    for (const { server } of host.entries)
      for (const { key, uploadId } of server.uploadsOf(host.name))
        // With a catalog the id of an upload is lost: reconcile tells of it, and leaves it alone.
        if (!life.orphans.has(uploadId))
          life.violation(`an upload of ${key} is still open on ${server.name} after calm days`)
    leftover(life, eye)
  } finally {
    eye.close()
  }
}

/** Retention has kept up: nothing is left that no rule keeps. */
function leftover(life: Inhabitant, eye: CatalogEye): void {
  const { host, lastReport } = life
  for (const { name } of host.sources) {
    const { held = [], remaining = 0 } = lastReport?.retention ?? {}
    if (remaining > 0 || held.some(({ source }) => source === name)) continue
    const rows = eye.restorable(name).filter(({ isPinned }) => isPinned === 0)
    const dated = rows.map((row) => ({ ...row, startedAt: new Date(row.startedAt) }))
    // What is damaged counts for no rule, and goes by its own turn.
    const sound = dated.filter(({ copies }) => copies.every(({ hasProblem }) => hasProblem === 0))
    const kept = keptIds(sound, host.keep)
    const clean = sound.filter(({ warningCount }) => warningCount === 0)
    const last = new Set([sound, clean].map(newestId))
    for (const { id, startedAt } of sound)
      if (!kept.has(id) && !last.has(id))
        life.violation(`the archive of ${startedAt.toISOString()} stays, and no rule keeps it`)
  }
}

function newestId(archives: readonly { readonly id: string; readonly startedAt: Date }[]) {
  return archives.toSorted((a, b) => b.startedAt.getTime() - a.startedAt.getTime())[0]?.id
}
