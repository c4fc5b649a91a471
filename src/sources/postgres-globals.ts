// What of a dump of `pg_dumpall --globals-only` is run on a server that has roles of its own: roles that are
// not there are created with all that is theirs; one that is there stays as it is, password and all.
// Tablespaces are folders of the other machine, and are told of instead.

import { GLOBALS_FILE } from './database-dumps.ts'
import type { GlobalsPlan } from './database-target.ts'
import { restoreFailed } from './restore-failed.ts'
import { plainSqlName, SQL_NAME, sqlStatements } from './sql-statements.ts'

const CREATE_ROLE = new RegExp(`^CREATE ROLE (${SQL_NAME})$`)
const OF_ROLE = new RegExp(
  `^(?:ALTER|COMMENT ON|SECURITY LABEL (?:FOR \\S+ )?ON) ROLE (${SQL_NAME})\\s`,
)
const MEMBERSHIP = new RegExp(`^GRANT (${SQL_NAME}) TO (${SQL_NAME})(?=\\s|$)`)
const GRANTED_BY = new RegExp(`\\s+GRANTED BY (${SQL_NAME})$`)
const OF_PARAMETER = new RegExp(`^GRANT .* ON PARAMETER .* TO (${SQL_NAME})(?=\\s|$)`)
const CREATE_TABLESPACE = new RegExp(`^CREATE TABLESPACE (${SQL_NAME})\\s`)

export type TargetGlobals = {
  readonly roles: ReadonlySet<string>
  readonly tablespaces: ReadonlySet<string>
}

export function planPostgresGlobals(dump: string, there: TargetGlobals): GlobalsPlan {
  const statements = statementsOf(dump)
  const dumped = statements.flatMap((each) => nameIn(CREATE_ROLE, each) ?? [])
  const created = dumped.filter((role) => !there.roles.has(role))
  const plan = { created: new Set(created), roles: new Set([...there.roles, ...dumped]) }
  const lines: string[] = []
  const notes: string[] = []
  for (const statement of statements) {
    if (isOurs(statement, plan.created)) lines.push(withGrantor(statement, plan.roles))
    const tablespace = nameIn(CREATE_TABLESPACE, statement)
    if (tablespace !== undefined && !there.tablespaces.has(tablespace))
      notes.push(`tablespace ${tablespace} is not created: its folder is of the other machine`)
  }
  return {
    created,
    existing: dumped.filter((role) => there.roles.has(role)),
    notes,
    script: created.length === 0 ? '' : lines.map((line) => `${line};\n`).join(''),
  }
}

function statementsOf(dump: string): readonly string[] {
  const statements = sqlStatements(dump)
  // What is not UTF-8 has become this sign, and no role is meant by it.
  if (statements !== undefined && !dump.includes('\ufffd')) return statements
  const what =
    statements === undefined ? 'what pg_dumpall does not write' : 'names that are not UTF-8'
  throw restoreFailed(`${GLOBALS_FILE} of the archive holds ${what}, and is not run`, {
    hint: `was somebody else at the archive? Look at it with spillway cat ARCHIVE ${GLOBALS_FILE}; databases are restored without it one by one: spillway restore ARCHIVE DATABASE --into=URL`,
  })
}

/** Only what makes a new role what it was. A role that was there gains and loses nothing. */
function isOurs(statement: string, created: ReadonlySet<string>): boolean {
  const role =
    nameIn(CREATE_ROLE, statement) ??
    nameIn(OF_ROLE, statement) ??
    nameIn(OF_PARAMETER, statement) ??
    memberOf(statement)
  return role !== undefined && created.has(role)
}

function memberOf(statement: string): string | undefined {
  const member = MEMBERSHIP.exec(statement)?.[2]
  return member === undefined ? undefined : plainSqlName(member)
}

/** Who granted a membership may be unknown here. */
function withGrantor(statement: string, roles: ReadonlySet<string>): string {
  const grantor = nameIn(GRANTED_BY, statement)
  const isKnown = grantor === undefined || roles.has(grantor)
  return isKnown ? statement : statement.replace(GRANTED_BY, '')
}

function nameIn(pattern: RegExp, statement: string): string | undefined {
  const [, name] = pattern.exec(statement) ?? []
  return name === undefined ? undefined : plainSqlName(name)
}
