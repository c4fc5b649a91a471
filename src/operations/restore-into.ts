// Restores databases of an archive into a server, straight from the archive: frames are read by position from
// whichever copy answers and flow through a pipe into the server's own tool; no copy lies on any disk.
//
// Nothing is changed before everything that can be known is known: what is in the way, which roles
// are missing. What fails half way is taken back, or said.

import { copyMember } from './cat.ts'
import { planInto, readDatabaseList, requireIntoKind } from './restore-into-plan.ts'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import { isServerSource, withPassword } from '../domain/source.ts'
import { openArchiveBytes } from './archive-bytes.ts'
import { restoreOne, withFate } from './restore-into-one.ts'
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
import type { IntoProgress, RestoredDatabase } from './restore-into-one.ts'
import type { LookServices } from './restore.ts'
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
  /** Past what the server refuses, where a database is created for it. */
  readonly keepsGoing: boolean
  /** Instead of the one that the settings have. */
  readonly password: string | undefined
  /** Asked for when the server refuses what there is; undefined: nobody is there. */
  readonly askPassword: ((label: string) => Promise<string>) | undefined
  /** Looks at what would be done, and throws to end it there. */
  readonly confirm: (plan: IntoPlan) => Promise<void>
  readonly isDryRun: boolean
  readonly onProgress?: (progress: IntoProgress) => void
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
      if (input.keepsGoing && source.kind !== 'postgres')
        throw new SpillwayError(
          'USAGE',
          `--keep-going is for PostgreSQL, and not for ${source.kind}`,
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
  // Not in a folder for everybody, where others sweep, and processes of other containers have our number.
  const folder = services.config.dataDir
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
