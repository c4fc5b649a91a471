// What the main thread and the worker that writes the tree say to each other (unpack-worker.ts).
//
// Blocks travel in shared memory: a few places, which frames are decompressed into, each given back when its block
// is written. So nothing is copied, a restore needs the same memory whatever the archive's size, and a slow disk
// slows the reading.

import { messageOf, SpillwayError } from '../domain/errors.ts'
import { FRAME_BYTES_MAX } from './frame-bounds.ts'
import type { FailureCode, FailureFacts } from '../domain/errors.ts'
import type { ExpectedMember, LinkTarget } from './extract-choice.ts'
import type { LostMember, PendingLink, TreeInput, TreeResult } from './extract-input.ts'
import type { UnpackProgress } from './unpacker.ts'

/** One is written, one waits, and two are decompressed into (FRAMES_AHEAD in extract-fetch.ts): 16 MiB. */
export const PLACE_COUNT = 4

/** The first message. */
export type UnpackStart = {
  readonly order: { readonly tree: TreeInput; readonly places: SharedArrayBuffer }
}

export type UnpackOrder =
  | {
      readonly kind: 'block'
      readonly place: number
      /** In the place. */
      readonly offsetBytes: number
      readonly sizeBytes: number
      readonly expected: readonly ExpectedMember[] | undefined
    }
  | { readonly kind: 'lose'; readonly members: readonly LostMember[] }
  | { readonly kind: 'take-links'; readonly countMax: number }
  | { readonly kind: 'begin-targets'; readonly targets: readonly LinkTarget[] }
  | { readonly kind: 'finish' }
  | { readonly kind: 'close' }

export type UnpackReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'written'; readonly place: number; readonly progress: UnpackProgress }
  | { readonly kind: 'links'; readonly links: readonly PendingLink[] }
  | { readonly kind: 'finished'; readonly result: TreeResult }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly failure: SentFailure }

/** An error as a message can carry it: classes do not survive the way. */
export type SentFailure = {
  /** undefined: a bug. */
  readonly code: FailureCode | undefined
  readonly message: string
  readonly facts: FailureFacts
  readonly hint: string | undefined
  readonly stack: string | undefined
}

export function newPlaces(): SharedArrayBuffer {
  return new SharedArrayBuffer(PLACE_COUNT * FRAME_BYTES_MAX)
}

export function placeAt(
  places: SharedArrayBuffer,
  place: number,
  offsetBytes = 0,
  sizeBytes = FRAME_BYTES_MAX,
): Buffer {
  return Buffer.from(places, place * FRAME_BYTES_MAX + offsetBytes, sizeBytes)
}

/** Which of the places it lies in, and where there; undefined: in none. */
export function placeOf(
  places: SharedArrayBuffer,
  { buffer, byteOffset }: Buffer,
): { readonly place: number; readonly offsetBytes: number } | undefined {
  if (buffer !== places) return undefined
  const offsetBytes = byteOffset % FRAME_BYTES_MAX
  return { place: (byteOffset - offsetBytes) / FRAME_BYTES_MAX, offsetBytes }
}

export function sendFailure(error: unknown): SentFailure {
  const stack = error instanceof Error ? error.stack : undefined
  if (!(error instanceof SpillwayError))
    return { code: undefined, message: messageOf(error), facts: {}, hint: undefined, stack }
  const { code, message, facts, hint } = error
  return { code, message, facts, hint, stack }
}

export function receiveFailure({ code, message, facts, hint, stack }: SentFailure): Error {
  const cause = new Error(message)
  // Where it happened, for a report of a bug.
  if (stack !== undefined) cause.stack = stack
  if (code === undefined) return cause
  return new SpillwayError(code, message, { cause, facts, ...(hint === undefined ? {} : { hint }) })
}
