// What a user must be allowed to do before a dump by it can be believed. Tables, triggers and routines that it
// may not see are left out by the dump tools and by the server without a word, and so are whole databases:
// only what it may do tells that there could be some.

import type { MysqlSource } from '../domain/source.ts'
import { printable } from './database-dumps.ts'
import { databaseFailed } from './database-failure.ts'
import type { Grants } from './mysql-grants.ts'
import { SERVERS_OWN } from './mysql-server.ts'
import type { MysqlServer } from './mysql-server.ts'

export type MysqlRights = {
  /** As a grant names it: quoted. */
  readonly user: string
  readonly grants: Grants
  readonly hasPatterns: boolean
}

const ON_TABLES = ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT']
// Who may do one of these sees that a routine exists; a body that it may not read fails the dump.
const ON_ROUTINES = ['EXECUTE', 'ALTER ROUTINE', 'CREATE ROUTINE']

type Server = Pick<MysqlServer, 'isMariaDb' | 'version'>
type Missing = {
  readonly what: string
  /** What gives it. */
  readonly grant: string
  /** What of everything gives it, too. */
  readonly privileges: readonly string[]
}

/** Throws SOURCE_DATABASE_FAILED: what may be missing in the dumps, and what would have to be granted. */
export function requireRights(
  source: MysqlSource,
  server: Server,
  rights: MysqlRights,
  chosen: readonly string[],
): void {
  const isWholeServer = source.database === undefined
  const databases = isWholeServer ? withHidden(source, rights, chosen) : chosen
  const missing = [
    ...(isWholeServer ? missingEverywhere(rights) : []),
    ...databases.flatMap((database) => missingIn(database, server, rights)),
  ]
  if (missing.length === 0) return
  const lacks = shown(unique(missing.map(({ what }) => what)))
  const instead = `name one database in SOURCE_${source.number}_MYSQL, or leave some out by SOURCE_${source.number}_EXCLUDE`
  throw databaseFailed(
    `what the user ${rights.user} may not see would be left out without a word: it lacks ${lacks}`,
    isWholeServer ? `${grantsOnAll(missing, rights)}; or ${instead}` : grantsOf(missing),
  )
}

/** One for everything, unless that would not bring back what was taken from it. */
function grantsOnAll(missing: readonly Missing[], rights: MysqlRights): string {
  const privileges = unique(missing.flatMap((each) => each.privileges))
  const isHeld = privileges.some((privilege) => rights.grants.hasEverywhere(privilege))
  return isHeld ? grantsOf(missing) : grantOf(privileges, '*.*', rights)
}

function grantsOf(missing: readonly Missing[]): string {
  return unique(missing.map(({ grant }) => grant)).join('; ')
}

/** A right on everything may have been taken back for databases that are not even listed then. */
function withHidden(
  { excludes }: MysqlSource,
  { grants }: MysqlRights,
  chosen: readonly string[],
): readonly string[] {
  const hidden = grants
    .revokedDatabases()
    .filter((name) => !excludes.includes(name) && !SERVERS_OWN.includes(name))
  return unique([...chosen, ...hidden])
}

function missingEverywhere(rights: MysqlRights): Missing[] {
  const { grants } = rights
  // Either shows every database.
  if (['SELECT', 'SHOW DATABASES'].some((each) => grants.hasEverywhere(each))) return []
  // Whatever is hidden needs all of them.
  const privileges = ON_TABLES.filter((each) => !grants.hasEverywhere(each))
  const grant = grantOf(privileges, '*.*', rights)
  return [{ what: 'SHOW DATABASES or SELECT on *.*', grant, privileges }]
}

function missingIn(database: string, server: Server, rights: MysqlRights): Missing[] {
  const privileges = ON_TABLES.filter((each) => !rights.grants.has(each, database))
  const onTables = {
    ...{ what: `${privileges.join(', ')} on ${printable(database)}`, privileges },
    grant: grantOf(privileges, `${patternOf(database, server, rights)}.*`, rights),
  }
  return [
    ...(privileges.length === 0 ? [] : [onTables]),
    ...(seesRoutines(database, server, rights.grants) ? [] : [routineRight(server, rights)]),
  ]
}

function seesRoutines(database: string, server: Server, grants: Grants): boolean {
  if (ON_ROUTINES.some((privilege) => grants.has(privilege, database))) return true
  if (hasProcTable(server)) return grants.has('SELECT', 'mysql', 'proc')
  return grants.hasEverywhere('SELECT') || grants.hasEverywhere('SHOW_ROUTINE')
}

function routineRight(server: Server, rights: MysqlRights): Missing {
  const privileges = ['SELECT']
  return hasProcTable(server)
    ? {
        what: 'SELECT on mysql.proc',
        grant: grantOf(privileges, '`mysql`.`proc`', rights),
        privileges,
      }
    : { what: 'SHOW_ROUTINE', grant: grantOf(['SHOW_ROUTINE'], '*.*', rights), privileges }
}

/** Where routines are rows of a table. */
function hasProcTable({ isMariaDb, version }: Server): boolean {
  return isMariaDb || Number.parseInt(version, 10) < 8
}

function grantOf(privileges: readonly string[], on: string, { user }: MysqlRights): string {
  return `GRANT ${privileges.join(', ')} ON ${on} TO ${user}`
}

function patternOf(database: string, { isMariaDb }: Server, { hasPatterns }: MysqlRights): string {
  const quoted = `\`${database.replaceAll('`', '``')}\``
  // In a pattern these would fit others, too.
  return isMariaDb && hasPatterns ? quoted.replace(/[_%\\]/g, '\\$&') : quoted
}

function unique<Item>(items: readonly Item[]): Item[] {
  return [...new Set(items)]
}

const NAMES_SHOWN = 5

function shown(items: readonly string[]): string {
  const more = items.length > NAMES_SHOWN ? `; and ${items.length - NAMES_SHOWN} more` : ''
  return items.slice(0, NAMES_SHOWN).join('; ') + more
}
