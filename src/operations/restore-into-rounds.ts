// Databases of one server may look into one another: a view of one that comes early may need a table of one
// that comes late. So those that could not be created are tried again, as long as another one came in between.

import { isFailure } from '../domain/errors.ts'
import type { DatabaseTarget } from '../sources/database-target.ts'
import type { PlannedDatabase } from './restore-into-plan.ts'
import type { RestoredDatabase } from './restore-into-one.ts'

/** In the order of the plan, each with how its last try went. What `restore` throws ends it. */
export async function restoreInRounds(
  databases: readonly PlannedDatabase[],
  restore: (planned: PlannedDatabase) => Promise<RestoredDatabase>,
  target: Pick<DatabaseTarget, 'mayTryAgain'>,
): Promise<readonly RestoredDatabase[]> {
  const results = new Map<PlannedDatabase, RestoredDatabase>()
  let left = databases
  while (left.length > 0) {
    const round = new Map<PlannedDatabase, RestoredDatabase>()
    for (const planned of left) round.set(planned, await restore(planned))
    for (const [planned, result] of round) results.set(planned, result)
    const hasMore = [...round.values()].some(({ failure }) => failure === null)
    left = hasMore ? await triedAgain(round, target) : []
  }
  return databases.flatMap((planned) => results.get(planned) ?? [])
}

async function triedAgain(
  round: ReadonlyMap<PlannedDatabase, RestoredDatabase>,
  target: Pick<DatabaseTarget, 'mayTryAgain'>,
): Promise<PlannedDatabase[]> {
  const again: PlannedDatabase[] = []
  for (const [planned, { failure }] of round) {
    if (planned.action !== 'create' || !isFailure(failure, 'RESTORE_FAILED')) continue
    if ((await target.mayTryAgain?.(planned.into)) === true) again.push(planned)
  }
  return again
}
