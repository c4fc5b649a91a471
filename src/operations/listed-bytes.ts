// Adds up the sizes that a listing shows. Servers say sizes themselves: what no sum can hold is a failure of
// that server, which is passed by, and not of the catalog that would have to hold it.

import { SpillwayError } from '../domain/errors.ts'
import type { Server } from '../domain/server.ts'

export function addListed(
  sumBytes: number,
  { key, sizeBytes }: { readonly key: string; readonly sizeBytes: number },
  { label }: Pick<Server, 'label'>,
): number {
  const nextBytes = sumBytes + sizeBytes
  if (Number.isSafeInteger(nextBytes) && sizeBytes >= 0) return nextBytes
  const what = `${label}: the sizes it lists are impossible: ${key} is said to have ${sizeBytes} bytes`
  throw new SpillwayError('SERVER_NOT_S3', what, {
    hint: 'look at what lies there: no server stores as much',
  })
}
