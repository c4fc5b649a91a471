// Asks the servers whether they still hold the copies that the catalog says they hold. Nothing is removed
// on the word of a row: only a HEAD with our token and the exact size counts.

import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { isProvenBy } from '../storage/storage.ts'
import type { CopyRow } from '../catalog/catalog.ts'
import type { CopySession } from './copies-session.ts'
import type { Server } from '../domain/server.ts'

/**
 * `unknown`: the server did not answer; the copy may well be there. `gone`: the server says that there is
 * none, and the row says so now. `differs`: what is there is not ours. `twin`: it is another copy, seen under
 * another name of its server.
 */
export type Verdict = 'proven' | 'unknown' | 'gone' | 'differs' | 'twin'

export type Proof = {
  readonly copy: CopyRow
  readonly server: Server
  readonly verdict: Verdict
  /** Set unless it is proven. */
  readonly error: SpillwayError | undefined
}

/**
 * Copies on servers that left the configuration have no proof, and are not among the results. `beside`: other
 * copies of the archive, of which none of these may be a twin.
 */
export async function proveCopies(
  session: CopySession,
  copies: readonly CopyRow[],
  signal: AbortSignal,
  beside: readonly CopyRow[] = [],
): Promise<readonly Proof[]> {
  const proofs: Proof[] = []
  for (const server of session.readers.servers) {
    const copy = copies.find(({ identity }) => identity === server.identity)
    if (copy !== undefined) proofs.push(await proveCopy(session, copy, server, signal))
  }
  // What is left keeps its own: it is the others that must not be it.
  const isLeft = ({ copy }: Proof): boolean => copy.identity === session.leaving
  const apart = proofs.filter(isLeft)
  for (const proof of proofs.filter((each) => !isLeft(each))) {
    const taken = [...beside, ...apart.map(({ copy }) => copy)]
    apart.push(proof.verdict === 'proven' ? await apartFrom(session, taken, proof, signal) : proof)
  }
  return apart
}

/** The upload's token is random: where two copies have the same one, they may be one. */
async function apartFrom(
  { places, readers }: CopySession,
  taken: readonly CopyRow[],
  proof: Proof,
  signal: AbortSignal,
): Promise<Proof> {
  const { copy, server } = proof
  for (const { identity, token } of taken) {
    if (token !== copy.token || identity === copy.identity) continue
    const one = readers.servers.find((each) => each.identity === identity)
    const error = one && (await places.whyOne(one, server, signal))
    if (error === undefined) continue
    return { ...proof, verdict: isFailure(error, 'SERVER_TWICE') ? 'twin' : 'unknown', error }
  }
  return proof
}

async function proveCopy(
  { delivery, readers }: CopySession,
  copy: CopyRow,
  server: Server,
  signal: AbortSignal,
): Promise<Proof> {
  const down = readers.downBecause(server)
  if (down !== undefined)
    return { copy, server, verdict: 'unknown', error: unprovable(server, down) }
  try {
    const storage = await readers.ready(server, signal)
    const head = await storage.head(copy.key, signal)
    if (isProvenBy(head, copy)) return { copy, server, verdict: 'proven', error: undefined }
    if (head !== undefined) {
      const what = `${server.label} holds something else than our copy at ${copy.key}`
      return { copy, server, verdict: 'differs', error: new SpillwayError('ARCHIVE_CORRUPT', what) }
    }
    const what = `${server.label} does not hold ${copy.key} any more`
    if (copy.state === 'stored') await delivery.catalog.markMissing(copy.id, what)
    return { copy, server, verdict: 'gone', error: new SpillwayError('ARCHIVE_MISSING', what) }
  } catch (error) {
    if (failureOf(error).server === undefined) throw error
    await readers.settle(server, error)
    return { copy, server, verdict: 'unknown', error: unprovable(server, error) }
  }
}

/** The failure as it was, so that its code tells what the server's trouble is. */
function unprovable(server: Server, error: unknown): SpillwayError {
  const what = `the copy on ${server.label} cannot be proven: ${messageOf(error)}`
  const { code, hint } =
    error instanceof SpillwayError
      ? error
      : { code: 'SERVER_UNREACHABLE' as const, hint: undefined }
  return new SpillwayError(code, what, { cause: error, ...(hint === undefined ? {} : { hint }) })
}
