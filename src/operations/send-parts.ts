// The parts of one upload: sent as the archive grows, several at a time, each promised in the catalog before its
// first byte leaves. What is written last is sent last.

import { SpillwayError } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import type { Attempt, UploadServices } from './upload-copy.ts'
import type { Catalog, CopyId } from '../catalog/catalog.ts'
import type { OpenUpload, PartReceipt } from '../storage/storage.ts'
import type { Server } from '../domain/server.ts'

type UnderWay = { readonly copyId: CopyId; readonly upload: OpenUpload; readonly partBytes: number }

/** Resolves with all receipts in order. Nothing is under way any more when it rejects. */
export async function sendParts(
  services: UploadServices,
  attempt: Attempt,
  underWay: UnderWay,
  stop: AbortSignal,
  work: AbortController,
): Promise<readonly PartReceipt[]> {
  const { content, storage, server } = attempt
  const { partBytes, copyId } = underWay
  const receipts: PartReceipt[] = []
  const sending = new Set<Promise<void>>()
  /** Parts with bytes that are written last: they are sent last. */
  const late: number[] = []
  let failure: { readonly error: unknown } | undefined

  const send = async (number: number, offsetBytes: number, sizeBytes: number): Promise<void> => {
    const body = await content.readPart(services.partReader, { number, offsetBytes, sizeBytes })
    const part = { number, offsetBytes, body, onSent: attempt.onSent }
    receipts.push(await storage.putPart(underWay.upload, part, stop))
    content.partSent(number)
  }

  const begin = async (number: number): Promise<void> => {
    const offsetBytes = (number - 1) * partBytes
    const sizeBytes = Math.min(partBytes, content.bytes - offsetBytes)
    await coverWithReservation(services.catalog, attempt, copyId, offsetBytes + sizeBytes)
    const task = send(number, offsetBytes, sizeBytes).catch((error: unknown) => {
      failure ??= { error }
      work.abort()
    })
    sending.add(task)
    void task.finally(() => sending.delete(task))
    while (sending.size >= storage.limits.partsAtOnce) await Promise.race(sending)
    if (failure) throw failure.error
  }

  /** Many outputs have many places that were kept; who waits for all of them holds too much. */
  const beginReady = async (): Promise<void> => {
    const isReady = (number: number): boolean =>
      !content.isKept((number - 1) * partBytes, partBytes)
    for (const number of late.filter(isReady)) {
      late.splice(late.indexOf(number), 1)
      await begin(number)
    }
  }

  try {
    for (let number = 1; ; number += 1) {
      const offsetBytes = (number - 1) * partBytes
      await content.until(offsetBytes + partBytes, stop)
      if (offsetBytes >= content.bytes && number > 1) break
      if (number > storage.limits.partsMax) throw outOfParts(server, number - 1, partBytes)
      if (!content.isKept(offsetBytes, partBytes)) await begin(number)
      else if (late.push(number) > 1) await beginReady()
    }
    await Promise.all(sending)
    if (late.length > 0) await content.untilWhole(stop)
    for (const number of late) await begin(number)
    await Promise.all(sending)
    await content.untilWhole(stop)
  } catch (error) {
    // Parts under way fail by the abort, which is no reason: it was there before, or is this one.
    const reason = failure ?? { error }
    work.abort()
    await Promise.all(sending)
    throw reason.error
  }
  if (failure) throw failure.error
  return receipts.toSorted((a, b) => a.number - b.number)
}

/** Before a byte is sent it is promised: growing ahead while packing, exact once that is known. */
async function coverWithReservation(
  catalog: Catalog,
  { content, server }: Attempt,
  copyId: CopyId,
  endBytes: number,
): Promise<void> {
  const bytes = content.isWhole ? content.bytes : Math.max(endBytes, content.expectedBytes ?? 0)
  if (!(await catalog.resizeReservation(copyId, bytes, server.limitBytes)))
    throw noRoom(server, bytes)
}

export function noRoom(server: Server, neededBytes: number): SpillwayError {
  return new SpillwayError(
    'SERVER_FULL',
    `Not enough space on ${server.label}: ${formatBytes(neededBytes)} needed within its limit of ${formatBytes(server.limitBytes)}`,
    { facts: { code: 'STORAGE_LIMIT', neededBytes, limitBytes: server.limitBytes } },
  )
}

function outOfParts(server: Server, parts: number, partBytes: number): SpillwayError {
  return new SpillwayError(
    'SERVER_REJECTED',
    `the archive outgrew ${parts} parts of ${formatBytes(partBytes)} on ${server.label}`,
    { facts: { code: 'OUT_OF_PARTS', parts, partBytes } },
  )
}
