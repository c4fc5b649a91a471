// The tables of verifying: which frames of which copy were read back, and when; what was wrong.

import { sql } from 'kysely'
import type { ColumnType, Kysely } from 'kysely'
import type { ColumnTypes } from './migrations.ts'
import type { StoredInteger } from './tables.ts'
import type { ProblemPlace } from '../domain/proof.ts'

type Integer = ColumnType<StoredInteger, number, number>
type OptionalInteger = ColumnType<StoredInteger | null, number | null, number | null>

export type CopyProofsTable = {
  copy_id: Integer
  headed_at: string | null
  frame_count: OptionalInteger
  proven_frames: ColumnType<StoredInteger, number | undefined, number>
  oldest_at: string | null
  /** Where the copy is stored; null while it is not. See standing-tables.ts. */
  server_id: OptionalInteger
}

export type ProofStretchesTable = {
  copy_id: Integer
  first_frame: Integer
  end_frame: Integer
  proven_at: string
}

export type ProofProblemsTable = {
  copy_id: Integer
  place: ProblemPlace
  /** -1: no single frame. */
  frame: Integer
  from_byte: Integer
  to_byte: Integer
  what: string
  member_count: OptionalInteger
  /** JSON. */
  members: string
  found_at: string
  seen_at: string
}

export type ProofTables = {
  copy_proofs: CopyProofsTable
  proof_stretches: ProofStretchesTable
  proof_problems: ProofProblemsTable
}

/** `proven_frames` and `oldest_at` sum up the stretches, so that `status` reads one row per copy. */
export async function createProofTables(db: Kysely<unknown>, t: ColumnTypes): Promise<void> {
  await sql`create table copy_proofs (
    copy_id ${t.integer} not null primary key references s3_archives (id),
    headed_at ${t.text},
    frame_count ${t.integer} check (frame_count > 0),
    proven_frames ${t.integer} not null default 0 check (proven_frames >= 0),
    oldest_at ${t.text},
    check (proven_frames = 0 or (frame_count >= proven_frames and oldest_at is not null))
  ) ${t.tableEnd}`.execute(db)
  await sql`create table proof_stretches (
    copy_id ${t.integer} not null references s3_archives (id),
    first_frame ${t.integer} not null check (first_frame >= 0),
    end_frame ${t.integer} not null check (end_frame > first_frame),
    proven_at ${t.text} not null,
    primary key (copy_id, first_frame)
  ) ${t.tableEnd}`.execute(db)
  await sql`create table proof_problems (
    copy_id ${t.integer} not null references s3_archives (id),
    place ${t.text} not null check (place in ('object', 'tail', 'frame')),
    frame ${t.integer} not null check (frame >= -1),
    from_byte ${t.integer} not null check (from_byte >= 0),
    to_byte ${t.integer} not null check (to_byte >= from_byte),
    what ${t.text} not null,
    member_count ${t.integer} check (member_count >= 0),
    members ${t.text} not null,
    found_at ${t.text} not null,
    seen_at ${t.text} not null,
    primary key (copy_id, place, frame, from_byte)
  ) ${t.tableEnd}`.execute(db)
}
