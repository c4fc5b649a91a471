// Restores databases of an archive into a server, straight from the archive: frames are read by position from
// whichever copy answers and flow through a pipe into the server's own tool; no copy lies on any disk.
//
// Nothing is changed before everything that can be known is known: what is in the way, which roles
// are missing. What fails half way is taken back, or said.

import { tmpdir } from 'node:os'
import { copyMember } from './cat.ts'
import {
  describeContents,
  planInto,
  readDatabaseList,
  requireIntoKind,
} from './restore-into-plan.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { isServerSource, withPassword } from '../domain/source.ts'
import { openArchiveBytes } from './archive-bytes.ts'
import { restoreInRounds } from './restore-into-rounds.ts'
import { printable } from '../sources/database-dumps.ts'
import { removeLeftSecrets } from '../sources/secret-folder.ts'
import { restoreFailed } from '../sources/restore-failed.ts'
import { withArchiveInUse } from './archive-in-use.ts'
import type { ArchiveBytes } from './archive-bytes.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'
import type { DatabaseTarget, TargetServer } from '../sources/database-target.ts'
import type { DumpedDatabase } from '../sources/database-list.ts'
import type { DumpReader, IntoPlan, PlannedDatabase } from './restore-into-plan.ts'
import type { LookServices } from './restore.ts'
import type { ReadDump } from '../sources/child-feed.ts'
import type { OutputContext } from '../sources/output.ts'
import type { ServerSource } from '../domain/source.ts'
import type { Warning } from '../domain/archive.ts'

/** `--into=origin`: where the archive came from. */
export const ORIGIN = 'origin'

const PASSWORD_TRIES = 3

export type OpenDatabaseTarget = (
  source: ServerSource,
  context: OutputContext,
) => Promise<DatabaseTarget>

export type IntoServices = LookServices & {
  readonly databaseTarget: (url: string) => ServerSource
  readonly openDatabaseTarget: OpenDatabaseTarget
}

export type IntoInput = {
  readonly archive: string
  /** One out of several; undefined: all that the archive has. */
  readonly database: string | undefined
  /** A URL, or ORIGIN. */
  readonly into: string
  readonly overwrites: boolean
  readonly leavesOwners: boolean
  /** Instead of the one that the settings have. */
  readonly password: string | undefined
  /** Asked for when the server refuses what there is; undefined: nobody is there. */
  readonly askPassword: ((label: string) => Promise<string>) | undefined
  /** Looks at what would be done, and throws to end it there. */
  readonly confirm: (plan: IntoPlan) => Promise<void>
  readonly isDryRun: boolean
  readonly onProgress?: (progress: IntoProgress) => void
}

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
  /** null: it is restored. */
  readonly failure: SpillwayError | null
}

export type RestoredInto = {
  readonly plan: IntoPlan
  /** [] where it was only planned. */
  readonly databases: readonly RestoredDatabase[]
  readonly readBytes: number
  readonly seconds: number
  readonly from: readonly string[]
  readonly warnings: readonly Warning[]
}

/**
 * Rejects with USAGE, ARCHIVE_MISSING, MEMBER_MISSING, ARCHIVE_CORRUPT, RESTORE_FAILED or INTERRUPTED. Of
 * several databases one that fails leaves the others alone: that is in the result.
 */
export async function restoreInto(
  services: IntoServices,
  input: IntoInput,
  signal: AbortSignal,
): Promise<RestoredInto> {
  const startedMs = performance.now()
  const asked = input.into === ORIGIN ? undefined : services.databaseTarget(input.into)
  return withArchiveInUse(services, input.archive, async (archive) => {
    const bytes = await openArchiveBytes(services, archive, signal)
    try {
      const list = await readDatabaseList(bytes, archive)
      requireIntoKind(list, archive)
      const source = asked ?? originOf(services, archive)
      if (list.kind !== source.kind)
        throw new SpillwayError(
          'USAGE',
          `${archive.file} is of ${list.kind}, and cannot go into ${source.kind}`,
        )
      const opened = await openTarget(services, source, input, signal)
      try {
        const done = await restoreWith({ ...opened, archive, bytes, list, source }, input)
        const seconds = (performance.now() - startedMs) / 1_000
        const [readBytes, from] = [bytes.readBytes(), bytes.from()]
        return { ...done, readBytes, from, seconds, warnings: bytes.warnings() }
      } finally {
        opened.target.close()
      }
    } finally {
      bytes.close()
    }
  })
}

function originOf({ config }: IntoServices, { source: name }: ArchiveWithCopies): ServerSource {
  const source = config.sources.find((each) => each.name === name)
  if (isServerSource(source)) return source
  const where = config.envFile ?? 'the environment'
  throw new SpillwayError('USAGE', `${where} has no database server named "${name}" any more`, {
    hint: 'name the server that it goes into: --into=postgres://user@host:port',
  })
}

type Opened = { readonly target: DatabaseTarget; readonly server: TargetServer }

async function openTarget(
  services: IntoServices,
  source: ServerSource,
  { password, askPassword }: IntoInput,
  signal: AbortSignal,
): Promise<Opened> {
  const folder = tmpdir()
  removeLeftSecrets(folder, false)
  let asWho = password === undefined ? source : withPassword(source, password)
  for (let tries = 1; ; tries += 1) {
    const target = await services.openDatabaseTarget(asWho, { folder, signal })
    try {
      return { target, server: await target.open() }
    } catch (error) {
      target.close()
      const isPassword = error instanceof SpillwayError && error.facts['isPassword'] === true
      if (!isPassword || askPassword === undefined || tries > PASSWORD_TRIES) throw error
      asWho = withPassword(source, await askPassword(target.label))
    }
  }
}

type Ready = Opened & {
  readonly archive: ArchiveWithCopies
  readonly bytes: ArchiveBytes
  readonly list: IntoPlan['list']
  readonly source: ServerSource
}

async function restoreWith(
  ready: Ready,
  input: IntoInput,
): Promise<Pick<RestoredInto, 'plan' | 'databases'>> {
  const { target, bytes } = ready
  const isOrigin = input.into === ORIGIN
  const readDump: DumpReader = (dumped) => (write) => copyDump(bytes, dumped, write)
  const plan = await planInto({ ...input, ...ready, isOrigin, readDump })
  if (input.isDryRun) return { plan, databases: [] }
  if (plan.problems.length > 0) throw refusal(plan)
  await input.confirm(plan)
  if (plan.globals !== undefined && plan.globals.created.length > 0)
    await target.applyGlobals(plan.globals)
  const done: RestoredDatabase[] = []
  const restore = async (planned: PlannedDatabase): Promise<RestoredDatabase> => {
    const each = await restoreOne(target, planned, input, readDump)
    const { failure } = each
    if (failure !== null && isFailure(failure, 'INTERRUPTED'))
      throw interruptedAfter(failure, done, plan)
    if (failure !== null && plan.databases.length === 1) throw failure
    done.push(each)
    return each
  }
  const databases = await restoreInRounds(plan.databases, restore, target)
  return { plan, databases }
}

/** The end of the tool's input comes after this, so never after something that is not whole. */
async function copyDump(
  bytes: ArchiveBytes,
  { file, dumpBytes }: DumpedDatabase,
  write: (piece: Buffer) => Promise<void>,
): Promise<void> {
  let writtenBytes = 0
  await copyMember(bytes, file, async (piece) => {
    writtenBytes += piece.length
    await write(piece)
  })
  if (writtenBytes === dumpBytes) return
  throw new SpillwayError(
    'ARCHIVE_CORRUPT',
    `${file} in the archive has ${writtenBytes} bytes, and the list of databases says ${dumpBytes}`,
  )
}

async function restoreOne(
  target: DatabaseTarget,
  planned: PlannedDatabase,
  { leavesOwners, onProgress }: IntoInput,
  readDump: DumpReader,
): Promise<RestoredDatabase> {
  const startedMs = performance.now()
  const { action, dumped, into, needs } = planned
  const beside = action === 'overwrite' ? target.nameBeside() : undefined
  const filled = beside ?? into
  const notes: string[] = []
  let tables: number | null = null
  let failure: SpillwayError | null = null
  let created: string | undefined
  try {
    if (action === 'create' || beside !== undefined) {
      await target.create(filled, dumped, leavesOwners)
      created = filled
    }
    const read = watched(readDump(dumped), (writtenBytes) =>
      onProgress?.({ database: into, writtenBytes, totalBytes: dumped.dumpBytes }),
    )
    const said = await target.fill(filled, read, { leavesOwners, needs })
    if (said !== '') notes.push(`the tool said: ${said}`)
    tables = await provenTables(target, planned, filled)
    if (created !== undefined && !leavesOwners)
      notes.push(...(await target.applySettings(filled, dumped, needs)))
    notes.push(...((await target.notesOn?.(filled)) ?? []))
    if (beside !== undefined) await target.swap(beside, into)
  } catch (error) {
    if (!(error instanceof SpillwayError)) throw error
    failure = withFate(error, await takenBack(target, planned, { created, error }))
  }
  const seconds = (performance.now() - startedMs) / 1_000
  const { name, dumpBytes } = dumped
  return { name, into, action, dumpBytes, seconds, tables, notes, failure }
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
  { dumped, into, needs }: PlannedDatabase,
  filled: string,
): Promise<number> {
  const { tables } = await target.contents(filled)
  if (needs.tables === undefined || tables >= needs.tables) return tables
  throw restoreFailed(
    `database ${printable(into)}: the restore ended well, but it has ${tables} tables, and the dump of ${printable(dumped.name)} has ${needs.tables}`,
  )
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

function withFate(error: SpillwayError, fate: string): SpillwayError {
  const { code, facts, hint } = error
  return new SpillwayError(code, `${messageOf(error)}; ${fate}`, {
    ...{ cause: error, facts },
    ...(hint === undefined ? {} : { hint }),
  })
}

function interruptedAfter(
  failure: SpillwayError,
  done: readonly RestoredDatabase[],
  { globals }: IntoPlan,
): SpillwayError {
  const names = done.filter((each) => each.failure === null).map(({ into }) => printable(into))
  const roles = globals?.created.map(printable) ?? []
  const before = [
    ...(roles.length === 0 ? [] : [`created before: roles ${roles.join(', ')}`]),
    ...(names.length === 0 ? [] : [`restored before: ${names.join(', ')}`]),
  ]
  return before.length === 0 ? failure : withFate(failure, before.join('; '))
}

function refusal({ problems }: IntoPlan): SpillwayError {
  const [first] = problems
  const messages = problems.map(({ message }) => message).join('; ')
  return restoreFailed(`nothing was changed: ${messages}`, { hint: first?.hint })
}
