// What a user of MySQL or MariaDB may do, read from SHOW GRANTS: its own rights and those of the roles that are
// on, each with the pattern of databases that it holds for.
//
// Where it is not sure what the server would do, it takes the smaller right.

/** `*` as a database or a table: all. */
export type Grant = {
  readonly grantee: string
  readonly isRevoked: boolean
  readonly privileges: ReadonlySet<string>
  readonly database: string
  readonly table: string
}

export type GrantRules = {
  /** MySQL's partial revokes: then names of databases are no patterns. */
  readonly hasPatterns: boolean
  readonly ignoresCase: boolean
}

/** A grant on databases, compiled: there may be thousands of both. */
type Pattern = {
  readonly grant: Grant
  readonly exactness: number
  readonly fits: (database: string) => boolean
}

const NAME = '(?:`(?:[^`]|``)*`|\\*)'
const ACCOUNT = /^(?:`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?|'(?:[^']|'')*'(?:@'(?:[^']|'')*')?|\w+)/
const LINE = new RegExp(`^(GRANT|REVOKE) ([A-Z_ ,]+) ON (${NAME})\\.(${NAME}) (?:TO|FROM) `)

/** Lines about anything else (columns, routines, roles, proxies) give nothing that is asked for here. */
export function parseGrant(line: string): Grant | undefined {
  const match = LINE.exec(line)
  if (match === null) return undefined
  const [head, verb, privileges = '', database = '', table = ''] = match
  return {
    grantee: ACCOUNT.exec(line.slice(head.length))?.[0] ?? '',
    isRevoked: verb === 'REVOKE',
    privileges: new Set(privileges.split(',').map((each) => each.trim())),
    ...{ database: plain(database), table: plain(table) },
  }
}

export class Grants {
  readonly #grants: readonly Grant[]
  readonly #rules: GrantRules
  readonly #patterns: readonly Pattern[]
  readonly #byDatabase = new Map<string, readonly Grant[]>()

  constructor(grants: readonly Grant[], rules: GrantRules) {
    this.#grants = grants
    this.#rules = rules
    this.#patterns = grants
      .filter((grant) => grant.table === '*' && !isGlobal(grant) && !grant.isRevoked)
      .map((grant) => this.#patternOf(grant))
  }

  /** On everything, whatever is taken back for single databases. */
  hasEverywhere(privilege: string): boolean {
    return this.#grants.some((grant) => isGlobal(grant) && gives(grant, privilege))
  }

  /** On all tables of a database, or on one of them. */
  has(privilege: string, database: string, table?: string): boolean {
    const mayEverywhere = this.hasEverywhere(privilege) && !this.#isRevoked(privilege, database)
    return (
      mayEverywhere ||
      this.#ofDatabase(database).some((grant) => gives(grant, privilege)) ||
      (table !== undefined && this.#hasTable(privilege, database, table))
    )
  }

  /** Databases that a right on everything does not hold for. */
  revokedDatabases(): readonly string[] {
    return this.#grants.flatMap(({ isRevoked, database }) => (isRevoked ? [database] : []))
  }

  /** More than what mariadb-install-db gives to it on every server. */
  isPublicGranted(): boolean {
    return this.#grants.some(
      ({ database, grantee, privileges, table }) =>
        /^`?PUBLIC`?$/.test(grantee) &&
        !privileges.has('USAGE') &&
        !(table === '*' && /^test(?:\\+_%)?$/.test(database)),
    )
  }

  #isRevoked(privilege: string, database: string): boolean {
    return this.#grants.some(
      (grant) =>
        grant.isRevoked && this.#isSame(grant.database, database) && names(grant, privilege),
    )
  }

  #hasTable(privilege: string, database: string, table: string): boolean {
    return this.#grants.some(
      (grant) =>
        this.#isSame(grant.database, database) &&
        this.#isSame(grant.table, table) &&
        gives(grant, privilege),
    )
  }

  /** What holds on all of a database, and not on everything. */
  #ofDatabase(database: string): readonly Grant[] {
    const known = this.#byDatabase.get(database)
    if (known !== undefined) return known
    const fitting = this.#patterns.filter(({ fits }) => fits(database))
    const found = fitting.filter((each) => this.#isTaken(each, fitting)).map(({ grant }) => grant)
    this.#byDatabase.set(database, found)
    return found
  }

  /** Of the patterns of a user that fit, the server takes one alone, the most exact. */
  #isTaken({ grant, exactness }: Pattern, fitting: readonly Pattern[]): boolean {
    const rivals = fitting.filter(
      (each) => each.grant !== grant && each.grant.grantee === grant.grantee,
    )
    // Which of two that are alike it would take nobody knows: neither.
    return rivals.every((each) => each.exactness < exactness)
  }

  #patternOf(grant: Grant): Pattern {
    const { database: pattern } = grant
    const { hasPatterns, ignoresCase } = this.#rules
    if (!hasPatterns)
      return { grant, exactness: Infinity, fits: (name) => this.#isSame(pattern, name) }
    const source = pattern.replace(/\\([%_\\])|([%_])|[\s\S]/gu, (char, escaped, wild) => {
      if (wild !== undefined) return wild === '%' ? '[^]*' : '[^]'
      return ((escaped as string | undefined) ?? char).replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
    })
    const expression = new RegExp(`^${source}$`, ignoresCase ? 'iu' : 'u')
    return { grant, exactness: exactLength(pattern), fits: (name) => expression.test(name) }
  }

  #isSame(one: string, other: string): boolean {
    return this.#rules.ignoresCase ? one.toLowerCase() === other.toLowerCase() : one === other
  }
}

function isGlobal({ database, table }: Grant): boolean {
  return database === '*' && table === '*'
}

function gives(grant: Grant, privilege: string): boolean {
  return !grant.isRevoked && names(grant, privilege)
}

function names({ privileges }: Grant, privilege: string): boolean {
  return privileges.has(privilege) || privileges.has('ALL') || privileges.has('ALL PRIVILEGES')
}

/** How much of a pattern stands before its first wildcard. */
function exactLength(pattern: string): number {
  const wild = /^(?:\\[^]|[^%_\\])*[%_]/.exec(pattern)
  return wild === null ? Infinity : wild[0].length
}

/** Without quotes. */
function plain(name: string): string {
  return name === '*' ? name : name.slice(1, -1).replaceAll('``', '`')
}
