// What a PostgreSQL dump wants to find where it is restored, read from its table of contents: roles and
// tablespaces, which are no part of it; how many tables it has; and what it says of the database itself
// (ALTER DATABASE ... SET, grants), which pg_restore leaves out when it restores into one that is there.

import type { ReadDump } from './child-feed.ts'
import type { DumpNeeds } from './database-target.ts'
import { restoreFailed } from './restore-failed.ts'
import { CustomDumpReader } from './postgres-custom-dump.ts'
import type { DumpEntry } from './postgres-custom-dump.ts'
import { propertiesInDump } from './postgres-properties.ts'
import type { PostgresProperties } from './postgres-properties.ts'
import { plainSqlName, quotedSqlName, SQL_NAME, sqlStatements } from './sql-statements.ts'

const GRANTEE = new RegExp(`\\s(?:TO|FROM) (${SQL_NAME})(?: WITH GRANT OPTION)?$`)
const ROLES_OF_POLICY = new RegExp(
  `^CREATE POLICY ${SQL_NAME} ON (?:${SQL_NAME}\\.)?${SQL_NAME} (?:AS [A-Z]+ )?(?:FOR [A-Z]+ )?TO ` +
    `(${SQL_NAME}(?:, ${SQL_NAME})*)`,
)
const ROLE_OF_MAPPING = new RegExp(`^CREATE USER MAPPING FOR (${SQL_NAME})`)
const TABLES = ['TABLE', 'FOREIGN TABLE']

class Enough extends Error {}

export async function postgresDumpNeeds(read: ReadDump): Promise<DumpNeeds> {
  const entries: DumpEntry[] = []
  const reader = new CustomDumpReader(entries)
  try {
    await read(async (bytes) => {
      reader.see(bytes)
      if (reader.isListed) throw new Enough()
    })
  } catch (error) {
    if (!(error instanceof Enough)) throw error
  }
  if (!reader.isListed) {
    const { problem, unchecked } = reader.end()
    throw restoreFailed(`the dump ${problem ?? unchecked ?? 'has no table of contents'}`)
  }
  return needsOf(entries)
}

function needsOf(entries: readonly DumpEntry[]): DumpNeeds {
  const roles = new Set<string>()
  const namedRoles = new Set<string>()
  const tablespaces = new Set<string>()
  const settings: string[] = []
  let properties: PostgresProperties = {}
  for (const entry of entries) {
    // Whom the database itself belongs to, the list in the archive says.
    if (entry.kind === 'DATABASE') {
      properties = propertiesInDump(entry.text)
      continue
    }
    if (isOfDatabase(entry)) {
      settings.push(...(sqlStatements(entry.text) ?? [entry.text]))
      continue
    }
    if (entry.owner !== '') roles.add(entry.owner)
    if (entry.tablespace !== '') tablespaces.add(entry.tablespace)
    if (entry.kind === 'ACL' || entry.kind === 'DEFAULT ACL')
      for (const role of granteesOf(entry.text)) roles.add(role)
    for (const role of namedIn(entry.text)) namedRoles.add(role)
  }
  const tables = entries.filter(({ kind }) => TABLES.includes(kind))
  return {
    tables: tables.length,
    tableNames: tables.map(({ schema, tag }) => `${schema}.${tag}`),
    roles: [...roles],
    namedRoles: [...namedRoles],
    tablespaces: [...tablespaces],
    settings,
    properties,
  }
}

/** By definitions that nothing can leave out. */
function namedIn(text: string): string[] {
  const [, list = ''] = ROLES_OF_POLICY.exec(text) ?? ROLE_OF_MAPPING.exec(text) ?? []
  // `public` is everybody, and is no role.
  return [...list.matchAll(new RegExp(SQL_NAME, 'g'))]
    .map(([name]) => plainSqlName(name))
    .filter((name) => name !== 'public')
}

function isOfDatabase({ kind, tag }: DumpEntry): boolean {
  if (kind === 'DATABASE PROPERTIES') return true
  return ['ACL', 'COMMENT', 'SECURITY LABEL'].includes(kind) && /^DATABASE /.test(tag)
}

function granteesOf(text: string): string[] {
  return (sqlStatements(text) ?? []).flatMap((statement) => {
    const [, name] = GRANTEE.exec(statement) ?? []
    return name === undefined ? [] : [plainSqlName(name)]
  })
}

const OF_DATABASE = new RegExp(
  `^((?:ALTER|COMMENT ON|(?:GRANT|REVOKE) [A-Z, ]+ ON|ALTER ROLE ${SQL_NAME} IN) DATABASE )(${SQL_NAME})`,
)

/** The statements about the database, for one of another name; undefined: nobody knows how. */
export function settingFor(database: string, statement: string): string | undefined {
  if (sqlStatements(`${statement};`)?.length !== 1) return undefined
  if (!OF_DATABASE.test(statement)) return undefined
  return statement.replace(OF_DATABASE, (_all, before: string) => before + quotedSqlName(database))
}
