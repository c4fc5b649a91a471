// What retention would do now, if it was asked: by the rules as they are set, or as somebody thinks of setting them.

import { isOfAnotherMachine, LAST_RUN_ELSEWHERE } from './data-machine.ts'
import { planPrune, runDeletesMax } from './plan-prune.ts'
import { EXIT_WITH_WARNINGS } from '../domain/exit-code.ts'
import type { PrunePlan } from './plan-prune.ts'
import type { Services } from './services.ts'
import type { Source } from '../domain/source.ts'

/** Without a catalog there is nothing to plan, and none is created. */
export async function dryPlan(
  {
    config,
    catalogIfPresent,
    archiveUses,
  }: Pick<Services, 'config' | 'catalogIfPresent' | 'archiveUses'>,
  sources: readonly Source[],
  now: Date,
): Promise<PrunePlan> {
  const catalog = await catalogIfPresent()
  if (catalog === undefined)
    return { archives: [], lastGood: new Map(), held: [], leftOut: [], remaining: 0, notes: [] }
  const services = { config, catalog, archiveUses: await archiveUses() }
  const deletesMax = await runDeletesMax(services)
  // What only the servers know, archives of ours that this catalog does not, is seen once they are asked.
  const doubt = isOfAnotherMachine(config.dataDir) ? LAST_RUN_ELSEWHERE : undefined
  return planPrune(services, { sources, deletesMax, now, doubt })
}

export function dryPruneExit({ held }: PrunePlan): number {
  return held.some(({ isWarning }) => isWarning) ? EXIT_WITH_WARNINGS : 0
}
