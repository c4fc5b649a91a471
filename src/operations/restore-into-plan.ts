// What a restore into a database server would do, and what is in its way: found out by looking at the archive
// and at the server, before anything is changed there.

import { formatBytes } from '../domain/sizes.ts'
import { copyMember } from './cat.ts'
import { DATABASE_LIST_FILE } from '../sources/database-list.ts'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import { printable } from '../sources/database-dumps.ts'
import type { ArchiveBytes } from './archive-bytes.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'
import type { DatabaseList, DumpedDatabase } from '../sources/database-list.ts'
import type {
  DatabaseTarget,
  DumpNeeds,
  GlobalsPlan,
  TargetContents,
  TargetServer,
} from '../sources/database-target.ts'
import type { ReadDump } from '../sources/child-feed.ts'
import type { ServerSource } from '../domain/source.ts'

// A hundred thousand databases with long names; more is no list.
const LIST_BYTES_MAX = 64 * 1024 * 1024
// Of roles: each a few hundred bytes.
const GLOBALS_BYTES_MAX = 256 * 1024 * 1024
// So many names tell what is wrong.
const NAMES_SHOWN = 10

export type PlannedDatabase = {
  readonly dumped: DumpedDatabase
  readonly into: string
  readonly action: 'create' | 'fill' | 'overwrite'
  /** What is in it; undefined: it is not there. */
  readonly there: TargetContents | undefined
  readonly needs: DumpNeeds
}

export type IntoPlan = {
  readonly archive: ArchiveWithCopies
  readonly list: DatabaseList
  readonly server: TargetServer
  readonly label: string
  readonly isOrigin: boolean
  /** Roles or users; undefined: they are not restored. */
  readonly globals: GlobalsPlan | undefined
  readonly databases: readonly PlannedDatabase[]
  /** Each is a reason why it is refused. */
  readonly problems: readonly { readonly message: string; readonly hint: string }[]
  readonly notes: readonly string[]
}

/** What an archive of databases says of itself. Rejects with USAGE when it is none. */
export async function readDatabaseList(
  bytes: ArchiveBytes,
  archive: ArchiveWithCopies,
): Promise<DatabaseList> {
  let text: string
  try {
    text = await textOf(bytes, DATABASE_LIST_FILE, LIST_BYTES_MAX)
  } catch (error) {
    if (!isFailure(error, 'MEMBER_MISSING')) throw error
    throw new SpillwayError('USAGE', `${archive.file} is not an archive of a database server`, {
      cause: error,
      hint: 'restore it into a folder: --to=DIR',
    })
  }
  const list = parsed(text)
  if (list?.format === 'spillway-database' && list.version === 1) return list
  throw new SpillwayError(
    'ARCHIVE_REFUSED',
    `the ${DATABASE_LIST_FILE} of ${archive.file} is not one that this version can read`,
  )
}

/** Throws USAGE where others than servers of PostgreSQL and MySQL take the dump back. */
export function requireIntoKind(
  { kind, databases }: DatabaseList,
  archive: ArchiveWithCopies,
): void {
  if (kind === 'postgres' || kind === 'mysql') return
  const [dumped] = databases
  const replay = dumped?.properties['oplog'] === 'true' ? ' --oplogReplay' : ''
  const hint =
    kind === 'mongodb' && dumped !== undefined
      ? `spillway cat ${archive.file} ${dumped.file} | mongorestore --archive --config=FILE${replay}, with uri: and password: in FILE`
      : 'restore it into a folder: --to=DIR'
  throw new SpillwayError('USAGE', `${archive.file} is of ${kind}, which --into does not go into`, {
    hint,
  })
}

/** All of them, or the one that is meant, with the database that each one goes into. */
export function chooseDumps(
  list: DatabaseList,
  archive: ArchiveWithCopies,
  wanted: { readonly database: string | undefined; readonly target: string | undefined },
): { readonly isWhole: boolean; readonly pairs: readonly (readonly [DumpedDatabase, string])[] } {
  const { database, target } = wanted
  const names = list.databases.map(({ name }) => printable(name))
  const isWhole = database === undefined && list.isWholeServer
  if (isWhole && target !== undefined)
    throw new SpillwayError(
      'USAGE',
      `${archive.file} holds ${names.length} databases, and --into names one of the server`,
      { hint: `name the one that goes in there: ${shown(names)}` },
    )
  if (isWhole) return { isWhole, pairs: list.databases.map((each) => [each, each.name] as const) }
  const found =
    database === undefined
      ? list.databases[0]
      : list.databases.find(({ name }) => name === database)
  if (found !== undefined) return { isWhole, pairs: [[found, target ?? found.name]] }
  throw new SpillwayError(
    'MEMBER_MISSING',
    `${archive.file} has no database ${JSON.stringify(printable(database ?? ''))}`,
    { hint: `it has ${shown(names)}` },
  )
}

/** A dump of the archive, from its first byte on, once more each time. */
export type DumpReader = (dumped: DumpedDatabase) => ReadDump

export async function planInto(input: {
  readonly archive: ArchiveWithCopies
  readonly bytes: ArchiveBytes
  readonly list: DatabaseList
  readonly target: DatabaseTarget
  readonly source: ServerSource
  readonly server: TargetServer
  readonly isOrigin: boolean
  readonly database: string | undefined
  readonly overwrites: boolean
  readonly leavesOwners: boolean
  readonly readDump: DumpReader
}): Promise<IntoPlan> {
  const { archive, bytes, list, target, server, isOrigin } = input
  const wanted = { database: input.database, target: input.source.database }
  const chosen = chooseDumps(list, archive, wanted)
  const { pairs, notes } = target.restorable(chosen.pairs, chosen.isWhole)
  const globalsFile = chosen.isWhole ? list.globals?.file : undefined
  const globals =
    globalsFile === undefined
      ? undefined
      : target.planGlobals(await textOf(bytes, globalsFile, GLOBALS_BYTES_MAX))
  const databases: PlannedDatabase[] = []
  const problems: { message: string; hint: string }[] = []
  for (const [dumped, into] of pairs) {
    const isThere = server.databases.includes(into)
    const there = isThere ? await target.contents(into) : undefined
    const isInUse = there !== undefined && there.tables + there.otherObjects > 0
    const needs = await target.needsOf(input.readDump(dumped))
    const action = !isThere ? 'create' : isInUse ? 'overwrite' : 'fill'
    databases.push({ dumped, into, action, there, needs })
    if (isInUse && !input.overwrites) problems.push(notEmpty(into, target.label, there))
    if (isInUse && input.overwrites && there.sessions > 0 && target.nameBeside() !== undefined)
      problems.push(inUse(into, target.label, there.sessions))
    if (isInUse && input.overwrites)
      problems.push(...(await clashesWith(target, into, input.readDump(dumped))))
    problems.push(...tooLarge(target, dumped))
    notes.push(...tablespaceNotes(target, into, needs))
  }
  problems.push(...roleProblems(target, databases, { globals, ...input }))
  notes.push(...(globals?.notes ?? []))
  const { label } = target
  return { archive, list, server, label, isOrigin, globals, databases, problems, notes }
}

function roleProblems(
  target: DatabaseTarget,
  databases: readonly PlannedDatabase[],
  {
    globals,
    leavesOwners,
  }: { readonly globals: GlobalsPlan | undefined; readonly leavesOwners: boolean },
): IntoPlan['problems'] {
  const wanted = databases.flatMap(({ action, dumped, needs }) => {
    const owner = action === 'fill' ? [] : (dumped.properties['owner'] ?? [])
    return [...needs.namedRoles, ...(leavesOwners ? [] : [...needs.roles, ...[owner].flat()])]
  })
  const missing = target
    .missingRoles([...new Set(wanted)])
    .filter((role) => globals?.created.includes(role) !== true)
  if (missing.length === 0) return []
  const what = missing.length === 1 ? 'a role' : `${missing.length} roles`
  return [
    {
      message: `${target.label} lacks ${what} that the dump names: ${shown(missing.map(printable))}`,
      hint: leavesOwners
        ? 'policies name them, and cannot do without: create them first'
        : 'create them first (a whole backup has them in globals.sql), or leave owners and grants out: --no-owner',
    },
  ]
}

function notEmpty(
  into: string,
  label: string,
  there: TargetContents,
): { readonly message: string; readonly hint: string } {
  return {
    message: `the database ${printable(into)} on ${label} is not empty: ${describeContents(there)}`,
    hint: 'restore into a database of another name, or replace this one: --overwrite=always',
  }
}

function inUse(into: string, label: string, sessions: number): IntoPlan['problems'][number] {
  const who = sessions === 1 ? 'somebody is' : `${sessions} others are`
  return {
    message: `${who} connected to the database ${printable(into)} on ${label}, which is to be replaced`,
    hint: 'stop what uses that database for a moment, and restore again',
  }
}

async function clashesWith(
  target: DatabaseTarget,
  into: string,
  read: ReadDump,
): Promise<IntoPlan['problems']> {
  const names = (await target.clashes?.(into, read)) ?? []
  if (names.length === 0) return []
  const what = `views of the database ${printable(into)} on ${target.label}`
  return [
    {
      message: `${what} are tables in the dump, which cannot take their place: ${shown(names.map(printable))}`,
      hint: 'drop those views, or restore into a database of another name',
    },
  ]
}

function tooLarge(target: DatabaseTarget, dumped: DumpedDatabase): IntoPlan['problems'] {
  const found = target.cannotTake?.(dumped)
  if (found === undefined) return []
  const { message, hint } = found
  return [{ message: `${target.label}, database ${printable(dumped.name)}: ${message}`, hint }]
}

export function describeContents({ tables, otherObjects, sizeBytes }: TargetContents): string {
  const others = otherObjects === 0 ? [] : [`${otherObjects} other objects`]
  const size = sizeBytes === undefined ? [] : [formatBytes(sizeBytes)]
  return [`${tables} ${tables === 1 ? 'table' : 'tables'}`, ...others, ...size].join(', ')
}

function tablespaceNotes(
  target: DatabaseTarget,
  into: string,
  { tablespaces }: DumpNeeds,
): readonly string[] {
  const missing = target.missingTablespaces(tablespaces)
  if (missing.length === 0) return []
  const names = shown(missing.map(printable))
  return [`${printable(into)}: everything goes into the default tablespace: ${names} is not there`]
}

async function textOf(bytes: ArchiveBytes, path: string, bytesMax: number): Promise<string> {
  const pieces: Buffer[] = []
  let sizeBytes = 0
  await copyMember(bytes, path, async (piece) => {
    sizeBytes += piece.length
    if (sizeBytes > bytesMax)
      throw new SpillwayError('ARCHIVE_REFUSED', `${path} in the archive is too large to be one`)
    pieces.push(piece)
  })
  return Buffer.concat(pieces).toString('utf8')
}

function parsed(text: string): DatabaseList | undefined {
  try {
    return JSON.parse(text) as DatabaseList
  } catch {
    // The caller says what that means.
    return undefined
  }
}

function shown(names: readonly string[]): string {
  const more = names.length > NAMES_SHOWN ? `, and ${names.length - NAMES_SHOWN} more` : ''
  return names.slice(0, NAMES_SHOWN).join(', ') + more
}
