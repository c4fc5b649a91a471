// Restores one database of an archive into a server, and says what became of it: whole, without what the server
// refused where that was asked for, or taken back.

import { describeContents } from './restore-into-problems.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { printable } from '../sources/database-dumps.ts'
import { restoreFailed } from '../sources/restore-failed.ts'
import type { DatabaseTarget, Refused } from '../sources/database-target.ts'
import type { DumpReader, PlannedDatabase } from './restore-into-plan.ts'
import type { ReadDump } from '../sources/child-feed.ts'

export type IntoProgress = {
  readonly database: string
  readonly writtenBytes: number
  readonly totalBytes: number
}

export type RestoredDatabase = {
  readonly name: string
  readonly into: string
  readonly action: PlannedDatabase['action']
  readonly dumpBytes: number
  readonly seconds: number
  readonly tables: number | null
  readonly notes: readonly string[]
  /** What the server did not take, where the restore went on. */
  readonly refused: Refused
  /** null: it is restored. */
  readonly failure: SpillwayError | null
}

export type OneInput = {
  readonly leavesOwners: boolean
  readonly keepsGoing: boolean
  readonly onProgress?: (progress: IntoProgress) => void
}

export async function restoreOne(
  target: DatabaseTarget,
  planned: PlannedDatabase,
  input: OneInput,
  readDump: DumpReader,
): Promise<RestoredDatabase> {
  const startedMs = performance.now()
  const { action, dumped, into } = planned
  const beside = action === 'overwrite' ? target.nameBeside() : undefined
  const done: Done = { notes: [], tables: null, refused: NOTHING, created: undefined }
  let failure: SpillwayError | null = null
  try {
    await fillOne(target, { planned, beside, input, read: readDump(dumped) }, done)
    if (beside !== undefined) await target.swap(beside, into)
  } catch (error) {
    if (!(error instanceof SpillwayError)) throw error
    failure = withFate(error, await takenBack(target, planned, { created: done.created, error }))
  }
  // It is replaced: whatever becomes of the old one is no failure any more.
  const isReplaced = failure === null && beside !== undefined
  const left = isReplaced ? await target.dropReplaced?.(beside) : undefined
  const { tables, refused } = done
  const notes = left === undefined ? done.notes : [...done.notes, left]
  const seconds = (performance.now() - startedMs) / 1_000
  const { name, dumpBytes } = dumped
  return { name, into, action, dumpBytes, seconds, tables, notes, refused, failure }
}

const NOTHING: Refused = { count: 0, messages: [] }

/** What there is to say, also when it fails half way. */
type Done = {
  readonly notes: string[]
  tables: number | null
  refused: Refused
  /** The database that was made for it. */
  created: string | undefined
}

async function fillOne(
  target: DatabaseTarget,
  {
    planned,
    beside,
    input,
    read,
  }: {
    readonly planned: PlannedDatabase
    readonly beside: string | undefined
    readonly input: OneInput
    readonly read: ReadDump
  },
  done: Done,
): Promise<void> {
  const { action, dumped, into, needs } = planned
  const { leavesOwners, onProgress } = input
  const filled = beside ?? into
  if (action === 'create' || beside !== undefined) {
    await target.create(filled, dumped, leavesOwners)
    done.created = filled
  }
  const isWatched = watched(read, (writtenBytes) =>
    onProgress?.({ database: into, writtenBytes, totalBytes: dumped.dumpBytes }),
  )
  // Half of it in a database of somebody else nobody could take back.
  const goesOn = input.keepsGoing && action === 'create'
  const onRefused = (refused: Refused): void => void (done.refused = refused)
  const options = { leavesOwners, needs, ...(goesOn ? { onRefused } : {}) }
  const said = await target.fill(filled, isWatched, options)
  if (said !== '') done.notes.push(`the tool said: ${said}`)
  done.tables = await provenTables(target, { planned, filled }, done)
  done.notes.push(...(await target.applySettings(filled, dumped, { needs, leavesOwners })))
  done.notes.push(...((await target.notesOn?.(filled)) ?? []))
}

function watched(read: ReadDump, onWritten: (writtenBytes: number) => void): ReadDump {
  return async (write) => {
    let writtenBytes = 0
    await read(async (piece) => {
      await write(piece)
      writtenBytes += piece.length
      onWritten(writtenBytes)
    })
  }
}

/** That it was committed, the server says, and not the tool. */
async function provenTables(
  target: DatabaseTarget,
  {
    planned: { dumped, into, needs },
    filled,
  }: { readonly planned: PlannedDatabase; readonly filled: string },
  { notes, refused }: Done,
): Promise<number> {
  const { tables } = await target.contents(filled)
  if (needs.tables === undefined || tables >= needs.tables) return tables
  const what = `it has ${tables} tables, and the dump of ${printable(dumped.name)} has ${needs.tables}`
  if (refused.count === 0)
    throw restoreFailed(`database ${printable(into)}: the restore ended well, but ${what}`)
  notes.push(what)
  return tables
}

/** What became of the database that was not restored: follows on the failure. */
async function takenBack(
  target: DatabaseTarget,
  { action, into, there }: PlannedDatabase,
  {
    created,
    error: failure,
  }: { readonly created: string | undefined; readonly error: SpillwayError },
): Promise<string> {
  const name = printable(into)
  // The server may have been at it when its client was ended. To drop it could hit somebody else's.
  if (action === 'create' && created === undefined)
    return isFailure(failure, 'INTERRUPTED')
      ? `an empty database ${name} may have been left`
      : `the database ${name} was not created`
  try {
    if (created !== undefined) await target.drop(created)
    if (created === into) return `the database ${name}, created for this, was dropped again`
  } catch (error) {
    if (!(error instanceof SpillwayError)) throw error
    return `the database ${printable(created!)}, created for this, could not be dropped: ${messageOf(error)}`
  }
  try {
    const now = await target.contentsAfterwards(into)
    if (now.identity !== there?.identity)
      return `the database ${name} is another one now: ${describeContents(now)}`
    const isSame = now.tables === there?.tables && now.otherObjects === there.otherObjects
    if (isSame && (target.isAtomic || created !== undefined))
      return `the database ${name} is as it was`
    const half = target.isAtomic ? '' : ' and may be half restored'
    return `the database ${name} has ${describeContents(now)} now${half}`
  } catch (error) {
    if (!(error instanceof SpillwayError)) throw error
    return `what the database ${name} holds now could not be asked: ${messageOf(error)}`
  }
}

export function withFate(error: SpillwayError, fate: string): SpillwayError {
  const { code, facts, hint } = error
  return new SpillwayError(code, `${messageOf(error)}; ${fate}`, {
    ...{ cause: error, facts },
    ...(hint === undefined ? {} : { hint }),
  })
}
