// What all servers of databases have in common: the databases are chosen, dumped one after another, and
// listed. Each dump is consistent in itself; two of them are of two moments.

import type { Warning } from '../domain/archive.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { ServerSource } from '../domain/source.ts'
import { printablePath } from '../lib/printable-path.ts'
import { databaseFailed } from './database-failure.ts'
import { databaseListOutput, timesOf } from './database-list.ts'
import type { DatabaseList, DumpedDatabase } from './database-list.ts'
import type { OutputFacts, OutputSeries, OutputSurvey, ProgramOutput } from './output.ts'

export const GLOBALS_FILE = 'globals.sql'

export type Database = {
  readonly name: string
  /** As the server counts it; undefined: this user may not know. */
  readonly sizeBytes: number | undefined
  /** What creates it again. */
  readonly properties: Readonly<Record<string, string>>
  /** Why all databases are meant to be without it. */
  readonly leftOutBecause: string | undefined
  /** Whether a person expects that. */
  readonly isOurs?: boolean
}

export type Chosen = {
  readonly chosen: readonly Database[]
  readonly leftOut: DatabaseList['leftOut']
  readonly notes: readonly Warning[]
}

/** Throws SOURCE_DATABASE_FAILED, SOURCE_EMPTY. */
export function chooseDatabases(source: ServerSource, databases: readonly Database[]): Chosen {
  if (source.database !== undefined) {
    const chosen = databases.filter(({ name }) => name === source.database)
    if (chosen.length > 0) return { chosen, leftOut: [], notes: [] }
    throw databaseFailed(`there is no database ${printable(source.database)} on the server`)
  }
  const judged = databases.map((database) => ({
    database,
    reason: source.excludes.includes(database.name) ? 'excluded' : database.leftOutBecause,
  }))
  const chosen = judged.filter(({ reason }) => reason === undefined).map((each) => each.database)
  if (chosen.length === 0 && !source.mayBeEmpty)
    throw new SpillwayError('SOURCE_EMPTY', `${source.text} has no database to dump`, {
      hint: `if that is meant, set SOURCE_${source.number}_ALLOW_EMPTY=true`,
    })
  const leftOut = judged.flatMap(({ database: { name }, reason }) =>
    reason === undefined ? [] : [{ name, reason }],
  )
  // That the server's own databases stay away nobody need be told every night.
  const notes = judged
    .filter(({ database, reason }) => database.isOurs === true && reason !== undefined)
    .filter(({ database, reason }) => reason === database.leftOutBecause)
    .map(({ database, reason }) => ({ path: printable(database.name), reason: reason! }))
  return { chosen, leftOut, notes }
}

export function surveyOf({ chosen }: Chosen, otherMembers: number): OutputSurvey {
  const sizes = chosen.map(({ sizeBytes }) => sizeBytes)
  const isKnown = sizes.every((size) => size !== undefined)
  return {
    sourceBytes: isKnown ? sizes.reduce((sum, size) => sum + size, 0) : undefined,
    // With the folder that they lie in.
    memberCount: chosen.length + (chosen.length > 0 ? 1 : 0) + otherMembers,
    parts: chosen.map(({ name, sizeBytes }) => ({ name, sizeBytes })),
  }
}

export type DumpPlan = Chosen & {
  readonly about: Pick<DatabaseList, 'kind' | 'server' | 'tool' | 'isWholeServer'>
  /** Of roles or users. */
  readonly globals: { readonly output: ProgramOutput; readonly hasPasswords: boolean } | undefined
  readonly dumpOf: (database: Database) => ProgramOutput
  /** What only the finished dump shows. */
  readonly warningsAbout?: (dumped: DumpedDatabase) => readonly string[]
  /** What is known to be wrong beforehand. */
  readonly warnings: readonly Warning[]
}

/** In the order of their paths, as all members of an archive come: see `OutputSeries`. */
export async function* dumpDatabases(plan: DumpPlan): OutputSeries {
  const { about, chosen, dumpOf, leftOut, notes } = plan
  const warnings = [...plan.warnings]
  const dumps = chosen
    .map((database) => ({ database, output: dumpOf(database) }))
    .sort((a, b) => comparePaths(a.output.fileName, b.output.fileName))
  const databases: DumpedDatabase[] = []
  for (const { database, output } of dumps) {
    const facts = yield output
    warnings.push(...warningsOf(output, facts))
    const dumped = dumpedDatabase(database, output, facts)
    const reasons = plan.warningsAbout?.(dumped) ?? []
    warnings.push(...reasons.map((reason) => ({ path: output.fileName, reason })))
    databases.push(dumped)
  }
  let globals: DatabaseList['globals'] = null
  if (plan.globals !== undefined) {
    const { hasPasswords, output } = plan.globals
    const facts = yield output
    warnings.push(...warningsOf(output, facts))
    globals = { file: output.fileName, dumpBytes: facts.sizeBytes, hasPasswords }
  }
  yield databaseListOutput({ ...about, globals, databases, leftOut })
  return { warnings, notes }
}

function dumpedDatabase(
  { name, properties, sizeBytes }: Database,
  { fileName: file }: ProgramOutput,
  facts: OutputFacts,
): DumpedDatabase {
  const { longestLineBytes } = facts.found
  return {
    ...{ name, file, dumpBytes: facts.sizeBytes },
    ...(longestLineBytes === undefined ? {} : { longestLineBytes }),
    ...{ databaseBytes: sizeBytes ?? null, ...timesOf(facts), properties },
  }
}

/** As members of an archive are ordered: by bytes. */
export function comparePaths(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

/** What a tool said although it did well, and what could not be checked. */
export function warningsOf(
  { fileName, program }: ProgramOutput,
  { found, said }: OutputFacts,
): Warning[] {
  const { unchecked } = found
  return [
    ...(said === '' ? [] : [`${program.argv[0]} said: ${said}`]),
    ...(unchecked === undefined
      ? []
      : [`only the beginning of the dump was checked: ${unchecked}`]),
  ].map((reason) => ({ path: fileName, reason }))
}

/** For a dump whose program ended well although the dump did not. */
export function notWhole(
  { argv: [program] }: ProgramOutput['program'],
  subject: string,
  problem: string,
  said: string,
): SpillwayError {
  const words = said === '' ? '' : `; it said: ${said}`
  return databaseFailed(
    `${subject}: ${program} ended with exit code 0, but its dump ${problem}${words}`,
    `is the ${program} in PATH what it should be?`,
  )
}

/** A name of a database for a person. */
export function printable(name: string): string {
  return printablePath(Buffer.from(name).toString('latin1'))
}
