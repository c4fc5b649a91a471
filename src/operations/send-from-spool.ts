// Sends an archive that lies in the spool to the servers that it is still to reach.

import { copiesOn } from '../domain/copies.ts'
import { deliver } from './deliver.ts'
import { fileSize, isSpooled } from './spool.ts'
import { proveWaiting } from './prove-waiting.ts'
import { SpoolContent } from './spool-content.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'
import type { Delivery, DeliveryResult } from './deliver.ts'
import type { ReportedAttempt } from '../domain/run-report.ts'
import type { RunServices } from './run.ts'

export type Sent = {
  readonly delivery: Delivery
  readonly result: DeliveryResult
  readonly localPath: string
}

/**
 * Resolves with `undefined` where there is nothing to send: a file that is gone was told by `recover`. Rejects as
 * `deliver` does, and when the bytes are not the archive's any more. `attempts` is filled as they end.
 */
export async function sendFromSpool(
  services: RunServices,
  archive: ArchiveWithCopies,
  attempts: ReportedAttempt[],
  signal: AbortSignal,
): Promise<Sent | undefined> {
  const { config } = services
  const { localPath, sizeBytes } = archive
  if (sizeBytes === undefined || !isSpooled(localPath)) return undefined
  const holding = archive.copies.filter(({ state }) => state !== 'failed' && state !== 'deleted')
  const copiesStored = copiesOn(archive, config.servers)
  const delivery: Delivery = {
    archive,
    content: SpoolContent.whole(localPath, sizeBytes),
    holders: new Set(holding.map(({ identity }) => identity)),
    copiesMissing: config.copies - copiesStored,
    copiesStored,
    attempts,
    prove: (ending: AbortSignal) => proveWaiting(archive, localPath, ending),
  }
  if ((await fileSize(localPath)) !== sizeBytes) return undefined
  return { delivery, result: await deliver(services, delivery, signal), localPath }
}
