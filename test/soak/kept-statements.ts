// SQLite statements are compiled once for each handle: a simulated night asks some three hundred times, and compiling
// would be a fifth of what it takes. What is asked, and what it answers, is the same.

import Database from 'better-sqlite3'

// More than one process of the product ever asks.
const STATEMENTS_MAX = 400

type Prepare = (sql: string) => Database.Statement

/** From now on, for all handles; the function it returns ends that. */
export function keepStatements(): () => void {
  const real = Object.getOwnPropertyDescriptor(Database.prototype, 'prepare')!
  const prepare = real.value as Prepare
  const kept = new WeakMap<object, Map<string, Database.Statement>>()
  const value = function (this: object, sql: string): Database.Statement {
    const mine = kept.get(this) ?? new Map<string, Database.Statement>()
    kept.set(this, mine)
    const known = mine.get(sql)
    if (known !== undefined && !known.busy) return known
    const statement = Reflect.apply(prepare, this, [sql])
    if (mine.size < STATEMENTS_MAX) mine.set(sql, statement)
    return statement
  }
  Object.defineProperty(Database.prototype, 'prepare', { ...real, value })
  return () => void Object.defineProperty(Database.prototype, 'prepare', real)
}
