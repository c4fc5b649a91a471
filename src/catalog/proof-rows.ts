// The queries of verifying.

import type { Kysely, Selectable } from 'kysely'
import { assert } from '../lib/assert.ts'
import { framesIn, oldestOf, withProven } from '../domain/proof.ts'
import type { Finding, ProblemPlace, ProvenStretch } from '../domain/proof.ts'
import { forgetUnreadableOf } from './history-unreadable.ts'
import { listProblems } from './proof-problems.ts'
import type { CopyId } from './catalog.ts'
import type { CopyProof, ProofCalls } from './proof-calls.ts'
import { date, safeInteger, timeText } from './rows.ts'
import { keepStanding } from './standing-sums.ts'
import type { StoredInteger, Tables } from './tables.ts'

type Db = Kysely<Tables>

// What a person reads, and what many damaged frames need not exceed: a copy with a hundred of them is
// replaced as a whole. Each has at most a few kB here; all names are in the report of the command.
const FRAME_PROBLEMS_MAX = 100
const MEMBERS_KEPT = 20
const PATH_CHARACTERS_KEPT = 300

export function createProofCalls(db: Db): ProofCalls {
  return {
    setVerified: async (id, at) => {
      await db
        .updateTable('archives')
        .set({ verified_at: timeText(at) })
        .where('id', '=', id)
        .execute()
    },
    setCopyHeaded: (copyId, at) =>
      db.transaction().execute(async (trx) => {
        const headed_at = timeText(at)
        await keepStanding(trx, copyId, () =>
          trx
            .insertInto('copy_proofs')
            .values({ copy_id: copyId, headed_at })
            .onConflict((conflict) => conflict.column('copy_id').doUpdateSet({ headed_at }))
            .execute(),
        )
        await settle(trx, copyId, 'object')
      }),
    adoptObject: async (copyId, { etag, versionId }) => {
      await db
        .updateTable('s3_archives')
        .set({ etag: etag ?? null, version_id: versionId ?? null })
        .where('id', '=', copyId)
        .execute()
    },
    copyProofs: (copyIds) => copyProofs(db, copyIds),
    provenStretches: (copyId) => stretchesOf(db, copyId),
    addProven: (copyId, proven) => addProven(db, copyId, proven),
    setProblems: (copyId, place, findings, at) =>
      db.transaction().execute((trx) => setProblems(trx, { copyId, place, findings, at })),
    addFrameProblems: (copyId, findings, at) =>
      db.transaction().execute((trx) => addFrameProblems(trx, copyId, findings, at)),
    problems: () => listProblems(db),
  }
}

async function copyProofs(
  db: Db,
  copyIds: readonly CopyId[] | undefined,
): Promise<ReadonlyMap<CopyId, CopyProof>> {
  const found = new Map<CopyId, CopyProof>()
  // As many parameters as a statement takes without asking what the database's limit is.
  const idsAtOnce = 500
  const select = () => db.selectFrom('copy_proofs').selectAll()
  const note = (rows: readonly Selectable<Tables['copy_proofs']>[]) => {
    for (const row of rows) {
      const proof = proofFrom(row)
      found.set(proof.copyId, proof)
    }
  }
  if (copyIds === undefined) note(await select().execute())
  for (let at = 0; at < (copyIds?.length ?? 0); at += idsAtOnce) {
    const ids = copyIds!.slice(at, at + idsAtOnce)
    note(await select().where('copy_id', 'in', ids).execute())
  }
  return found
}

function proofFrom(row: Selectable<Tables['copy_proofs']>): CopyProof {
  const frameCount = optional(row.frame_count, 'copy_proofs.frame_count')
  const provenFrames = safeInteger(row.proven_frames, 'copy_proofs.proven_frames')
  const oldestAt = optionalTime(row.oldest_at, 'copy_proofs.oldest_at')
  return {
    copyId: safeInteger(row.copy_id, 'copy_proofs.copy_id'),
    headedAt: optionalTime(row.headed_at, 'copy_proofs.headed_at'),
    frameCount,
    provenFrames,
    oldestAt,
    deepVerifiedAt: provenFrames === frameCount ? oldestAt : undefined,
  }
}

async function stretchesOf(db: Db, copyId: CopyId): Promise<readonly ProvenStretch[]> {
  const rows = await db
    .selectFrom('proof_stretches')
    .selectAll()
    .where('copy_id', '=', copyId)
    .orderBy('first_frame')
    .execute()
  return rows.map((row) => ({
    firstFrame: safeInteger(row.first_frame, 'proof_stretches.first_frame'),
    endFrame: safeInteger(row.end_frame, 'proof_stretches.end_frame'),
    provenAt: date(row.proven_at, 'proof_stretches.proven_at'),
  }))
}

async function addProven(
  db: Db,
  copyId: CopyId,
  { frameCount, ...proven }: ProvenStretch & { readonly frameCount: number },
): Promise<void> {
  const { firstFrame, endFrame } = proven
  assert(
    firstFrame >= 0 && firstFrame < endFrame && endFrame <= frameCount,
    `frames ${firstFrame} to ${endFrame} of ${frameCount} cannot be proven`,
  )
  await db.transaction().execute(async (trx) => {
    const before = (await copyProofs(trx, [copyId])).get(copyId)
    const isSame = before?.frameCount === frameCount
    const stretches = withProven(isSame ? await stretchesOf(trx, copyId) : [], proven)
    await replaceStretches(trx, copyId, frameCount, stretches)
    await trx
      .deleteFrom('proof_problems')
      .where('copy_id', '=', copyId)
      .where('place', '=', 'frame')
      .where('frame', '>=', firstFrame)
      .where('frame', '<', endFrame)
      .execute()
    // Index and manifest are frames of it: they can be read.
    if (framesIn(stretches) === frameCount) await forgetUnreadableOf(trx, copyId)
  })
}

async function replaceStretches(
  trx: Db,
  copyId: CopyId,
  frameCount: number,
  stretches: readonly ProvenStretch[],
): Promise<void> {
  await trx.deleteFrom('proof_stretches').where('copy_id', '=', copyId).execute()
  for (const { firstFrame, endFrame, provenAt } of stretches) {
    await trx
      .insertInto('proof_stretches')
      .values({
        copy_id: copyId,
        first_frame: firstFrame,
        end_frame: endFrame,
        proven_at: timeText(provenAt),
      })
      .execute()
  }
  const oldest = oldestOf(stretches)
  const sums = {
    frame_count: frameCount,
    proven_frames: framesIn(stretches),
    oldest_at: oldest === undefined ? null : timeText(oldest),
  }
  await keepStanding(trx, copyId, () =>
    trx
      .insertInto('copy_proofs')
      .values({ copy_id: copyId, headed_at: null, ...sums })
      .onConflict((conflict) => conflict.column('copy_id').doUpdateSet(sums))
      .execute(),
  )
}

async function setProblems(
  trx: Db,
  input: {
    readonly copyId: CopyId
    readonly place: Exclude<ProblemPlace, 'frame'>
    readonly findings: readonly Finding[]
    readonly at: Date
  },
): Promise<void> {
  const { copyId, place, findings, at } = input
  const before = await problemRows(trx, copyId, place)
  await settle(trx, copyId, place)
  await insertProblems(trx, copyId, findings, at, before)
  const frameCount = (await copyProofs(trx, [copyId])).get(copyId)?.frameCount
  if (findings.length === 0 || frameCount === undefined) return
  // The manifest, which is the last frame, stands for the whole of the end.
  if (place === 'tail') await unprove(trx, copyId, frameCount, [frameCount - 1])
  // What lies there now, if anything, is not the object of which frames were proven.
  const isNews = findings.some((finding) => knownAs(finding, before) === undefined)
  if (place === 'object' && isNews) await replaceStretches(trx, copyId, frameCount, [])
}

async function addFrameProblems(
  trx: Db,
  copyId: CopyId,
  findings: readonly Finding[],
  at: Date,
): Promise<void> {
  const before = await problemRows(trx, copyId, 'frame')
  const isKnown = ({ frame }: Finding) => before.some((row) => Number(row.frame) === frame)
  const room = Math.max(0, FRAME_PROBLEMS_MAX - before.length)
  const kept = [
    ...findings.filter(isKnown),
    ...findings.filter((finding) => !isKnown(finding)).slice(0, room),
  ]
  for (const { frame } of kept) {
    await trx
      .deleteFrom('proof_problems')
      .where('copy_id', '=', copyId)
      .where('place', '=', 'frame')
      .where('frame', '=', frame ?? -1)
      .execute()
  }
  await insertProblems(trx, copyId, kept, at, before)
  const frameCount = (await copyProofs(trx, [copyId])).get(copyId)?.frameCount
  const frames = findings.flatMap(({ frame }) => (frame === null ? [] : [frame]))
  if (frameCount !== undefined) await unprove(trx, copyId, frameCount, frames)
}

/** What was proven last month is not true any more. */
async function unprove(
  trx: Db,
  copyId: CopyId,
  frameCount: number,
  frames: readonly number[],
): Promise<void> {
  let stretches = await stretchesOf(trx, copyId)
  for (const frame of frames) stretches = stretches.flatMap((stretch) => without(stretch, frame))
  await replaceStretches(trx, copyId, frameCount, stretches)
}

function without(stretch: ProvenStretch, frame: number): ProvenStretch[] {
  const parts = [
    { ...stretch, endFrame: Math.min(stretch.endFrame, frame) },
    { ...stretch, firstFrame: Math.max(stretch.firstFrame, frame + 1) },
  ]
  return parts.filter(({ firstFrame, endFrame }) => firstFrame < endFrame)
}

type ProblemRow = Selectable<Tables['proof_problems']>

function problemRows(db: Db, copyId: CopyId, place: ProblemPlace): Promise<ProblemRow[]> {
  return db
    .selectFrom('proof_problems')
    .selectAll()
    .where('copy_id', '=', copyId)
    .where('place', '=', place)
    .execute()
}

async function settle(trx: Db, copyId: CopyId, place: ProblemPlace): Promise<void> {
  await trx
    .deleteFrom('proof_problems')
    .where('copy_id', '=', copyId)
    .where('place', '=', place)
    .execute()
}

/** `before`: rows that said the same; since when it is wrong is known from them. */
async function insertProblems(
  trx: Db,
  copyId: CopyId,
  findings: readonly Finding[],
  at: Date,
  before: readonly ProblemRow[],
): Promise<void> {
  for (const finding of findings) {
    const known = knownAs(finding, before)
    const members = finding.members
      .slice(0, MEMBERS_KEPT)
      .map((path) => path.slice(0, PATH_CHARACTERS_KEPT))
    await trx
      .insertInto('proof_problems')
      .values({
        copy_id: copyId,
        place: finding.place,
        frame: finding.frame ?? -1,
        from_byte: finding.fromByte,
        to_byte: finding.toByte,
        what: finding.what,
        member_count: finding.memberCount,
        members: JSON.stringify(members),
        found_at: known?.found_at ?? timeText(at),
        seen_at: timeText(at),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
}

/** Of an object that is wrong in another way than before, this is news. */
function knownAs(
  { frame, fromByte, place, what }: Finding,
  rows: readonly ProblemRow[],
): ProblemRow | undefined {
  return rows.find(
    (row) =>
      Number(row.frame) === (frame ?? -1) &&
      Number(row.from_byte) === fromByte &&
      (place !== 'object' || row.what === what),
  )
}

function optional(value: StoredInteger | null, column: string): number | undefined {
  return value === null ? undefined : safeInteger(value, column)
}

function optionalTime(value: string | null, column: string): Date | undefined {
  return value === null ? undefined : date(value, column)
}
