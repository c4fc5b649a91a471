// What is in the way of a restore into a server, and what will be other than it was, in words for a person.

import { formatBytes } from '../domain/sizes.ts'
import { printable } from '../sources/database-dumps.ts'
import type {
  DatabaseTarget,
  DumpNeeds,
  GlobalsPlan,
  TargetContents,
} from '../sources/database-target.ts'
import type { DumpedDatabase } from '../sources/database-list.ts'
import type { DumpReader, PlannedDatabase } from './restore-into-plan.ts'

// So many names tell what is wrong.
const NAMES_SHOWN = 10

export type Problem = { readonly message: string; readonly hint: string }

export function problemsOf(
  target: DatabaseTarget,
  { action, dumped, into, there }: PlannedDatabase,
  { overwrites, keepsGoing }: { readonly overwrites: boolean; readonly keepsGoing: boolean },
): Problem[] {
  const problems = isMade(target, action)
    ? creationProblems(target, dumped)
    : fillProblems(target, into, dumped)
  problems.push(...tooLarge(target, dumped))
  if (action !== 'overwrite' || there === undefined) return problems
  if (!overwrites) return [notEmpty(into, target.label, there), ...problems]
  if (keepsGoing) problems.push(notReplacedByLess(into))
  if (there.sessions > 0 && target.nameBeside() !== undefined)
    problems.push(inUse(into, target.label, there.sessions))
  return problems
}

export function notesOf(
  target: DatabaseTarget,
  { action, dumped, into, needs }: PlannedDatabase,
  leavesOwners: boolean,
): string[] {
  const ofPlace = tablespaceNotes(target, into, needs)
  return isMade(target, action)
    ? [...ofPlace, ...placeNotes(target, into, dumped)]
    : [...differenceNotes(target, { into, dumped, leavesOwners }), ...ofPlace]
}

/** Whether it is a database of our own making, in the end. */
function isMade(target: DatabaseTarget, action: PlannedDatabase['action']): boolean {
  return action === 'create' || (action === 'overwrite' && target.nameBeside() !== undefined)
}

export async function clashesWith(
  target: DatabaseTarget,
  { action, dumped, into }: PlannedDatabase,
  { overwrites, readDump }: { readonly overwrites: boolean; readonly readDump: DumpReader },
): Promise<readonly Problem[]> {
  if (action !== 'overwrite' || !overwrites) return []
  const names = (await target.clashes?.(into, readDump(dumped))) ?? []
  if (names.length === 0) return []
  const what = `views of the database ${printable(into)} on ${target.label}`
  return [
    {
      message: `${what} are tables in the dump, which cannot take their place: ${shown(names.map(printable))}`,
      hint: 'drop those views, or restore into a database of another name',
    },
  ]
}

function tooLarge(target: DatabaseTarget, dumped: DumpedDatabase): Problem[] {
  const found = target.cannotTake?.(dumped)
  if (found === undefined) return []
  const { message, hint } = found
  return [{ message: `${target.label}, database ${printable(dumped.name)}: ${message}`, hint }]
}

function notReplacedByLess(into: string): Problem {
  return {
    message: `--keep-going replaces nothing: what the server refuses would be missing in ${printable(into)}, and the old one be gone`,
    hint: 'restore into a database of another name, and look at what is missing there',
  }
}

export function roleProblems(
  target: DatabaseTarget,
  databases: readonly PlannedDatabase[],
  {
    globals,
    leavesOwners,
  }: { readonly globals: GlobalsPlan | undefined; readonly leavesOwners: boolean },
): readonly Problem[] {
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

function notEmpty(into: string, label: string, there: TargetContents): Problem {
  return {
    message: `the database ${printable(into)} on ${label} is not empty: ${describeContents(there)}`,
    hint: 'restore into a database of another name, or replace this one: --overwrite=always',
  }
}

function inUse(into: string, label: string, sessions: number): Problem {
  const who = sessions === 1 ? 'somebody is' : `${sessions} others are`
  return {
    message: `${who} connected to the database ${printable(into)} on ${label}, which is to be replaced`,
    hint: 'stop what uses that database for a moment, and restore again',
  }
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

function placeNotes(
  target: DatabaseTarget,
  into: string,
  { properties }: DumpedDatabase,
): string[] {
  const { tablespace } = properties
  if (tablespace === undefined || target.missingTablespaces([tablespace]).length === 0) return []
  return [
    `${printable(into)} is made in the default tablespace: it lay in ${printable(tablespace)}, which is not there`,
  ]
}

function creationProblems(target: DatabaseTarget, dumped: DumpedDatabase): Problem[] {
  const why = target.cannotCreate?.(dumped)
  if (why === undefined) return []
  return [
    {
      message: `the database ${printable(dumped.name)} ${printable(why)}`,
      hint: 'restore into a newer server; or create the database yourself, with a collation that will do, and restore into it',
    },
  ]
}

function fillProblems(target: DatabaseTarget, into: string, dumped: DumpedDatabase): Problem[] {
  const why = target.cannotFill?.(into, dumped)
  if (why === undefined) return []
  return [
    {
      message: `the database ${printable(into)} ${why}`,
      hint: 'drop it, and it is created as it was; or restore into a database of another name',
    },
  ]
}

/** What is filled as it is there stays what it is; somebody must be told. */
function differenceNotes(
  target: DatabaseTarget,
  {
    into,
    dumped,
    leavesOwners,
  }: Pick<PlannedDatabase, 'into' | 'dumped'> & { readonly leavesOwners: boolean },
): string[] {
  const differences = target.differences?.(into, dumped, leavesOwners) ?? []
  return differences.map((each) => `${printable(into)}: ${printable(each)}`)
}

export function shown(names: readonly string[]): string {
  const more = names.length > NAMES_SHOWN ? `, and ${names.length - NAMES_SHOWN} more` : ''
  return names.slice(0, NAMES_SHOWN).join(', ') + more
}
