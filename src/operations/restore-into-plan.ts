// What a restore into a database server would do, and what is in its way: found out by looking at the archive
// and at the server, before anything is changed there.

import { copyMember } from './cat.ts'
import { DATABASE_LIST_FILE } from '../sources/database-list.ts'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import { printable } from '../sources/database-dumps.ts'
import {
  clashesWith,
  describeContents,
  notesOf,
  problemsOf,
  roleProblems,
  shown,
} from './restore-into-problems.ts'
import type { Problem } from './restore-into-problems.ts'
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

export type PlannedDatabase = {
  readonly dumped: DumpedDatabase
  readonly into: string
  readonly action: 'create' | 'fill' | 'overwrite'
  /** What is in it; undefined: it is not there. */
  readonly there: TargetContents | undefined
  readonly needs: DumpNeeds
  /** Tables that go with the database that is dropped; undefined: none is dropped. */
  readonly lost: readonly string[] | undefined
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
  readonly problems: readonly Problem[]
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
  readonly keepsGoing: boolean
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
  const problems: Problem[] = []
  for (const [listed, into] of pairs) {
    const there = server.databases.includes(into) ? await target.contents(into) : undefined
    if (chosen.isWhole && isNotEmpty(there) && target.staysAsItIs?.(into) === true) {
      notes.push(`${printable(into)} stays as it is: it holds ${describeContents(there)}`)
      continue
    }
    const needs = await target.needsOf(input.readDump(listed))
    const dumped = { ...listed, properties: { ...needs.properties, ...listed.properties } }
    const planned = planOne(target, { dumped, into, there, needs })
    databases.push(planned)
    problems.push(...problemsOf(target, planned, input))
    notes.push(...notesOf(target, planned, input.leavesOwners))
    problems.push(...(await clashesWith(target, planned, input)))
  }
  problems.push(...roleProblems(target, databases, { globals, ...input }))
  notes.push(...(globals?.notes ?? []), ...(target.leftovers?.() ?? []))
  const { label } = target
  return { archive, list, server, label, isOrigin, globals, databases, problems, notes }
}

function isNotEmpty(there: TargetContents | undefined): there is TargetContents {
  return there !== undefined && there.tables + there.otherObjects > 0
}

function planOne(
  target: DatabaseTarget,
  found: Pick<PlannedDatabase, 'dumped' | 'into' | 'there' | 'needs'>,
): PlannedDatabase {
  const { there, needs } = found
  if (there === undefined) return { ...found, action: 'create', lost: undefined }
  if (!isNotEmpty(there)) return { ...found, action: 'fill', lost: undefined }
  const kept = new Set(needs.tableNames)
  const isDropped = target.nameBeside() !== undefined
  const lost = isDropped ? there.tableNames?.filter((name) => !kept.has(name)) : undefined
  return { ...found, action: 'overwrite', lost }
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
