// What a restore asks a MySQL or MariaDB server about a database that it fills.

import type { TargetContents } from './database-target.ts'

export function contentsQuery(database: string): string {
  const schema = named(database)
  const count = (from: string, column: string): string =>
    `(select count(*) from information_schema.${from} where ${column} = ${schema})`
  return `select
    (select count(*) from information_schema.tables where table_schema = ${schema} and table_type <> 'VIEW'),
    ${count('views', 'table_schema')} + ${count('routines', 'routine_schema')}
      + ${count('events', 'event_schema')},
    (select coalesce(sum(data_length + index_length), 0) from information_schema.tables
      where table_schema = ${schema}),
    (select count(*) from information_schema.processlist where db = ${schema} and id <> connection_id())`
    .replace(/\s+/g, ' ')
    .trim()
}

export function contentsFrom([row = []]: string[][]): TargetContents {
  const [tables = 0, otherObjects = 0, sizeBytes = 0, sessions = 0] = row.map(Number)
  return { tables, otherObjects, sizeBytes, sessions }
}

/** As hexadecimal digits; sequences are tables here. */
export function namesQuery(database: string, of: 'tables' | 'views'): string {
  const isView = of === 'views' ? '=' : '<>'
  return `select hex(table_name) from information_schema.tables where table_schema = ${named(database)} and table_type ${isView} 'VIEW' order by 1`
}

/**
 * Users that definitions of a database run as: who it is, one of its objects, how many: those that the server
 * does not have, or all but whoever asks. What runs as whoever uses it does without.
 */
export function definersQuery(database: string, which: 'missing' | 'others'): string {
  const schema = named(database)
  const of = (kind: string, from: string, name: string, schemaOf: string, more = ''): string =>
    `select definer, concat('${kind} ', ${name}) as object from information_schema.${from} where ${schemaOf} = ${schema}${more}`
  const runsAsDefiner = ` and security_type = 'DEFINER'`
  const isMissing = `not exists (select 1 from mysql.user u
    where binary concat(u.user, '@', u.host) = binary d.definer)`
  return `select hex(d.definer), hex(min(d.object)), count(*) from (
    ${of('view', 'views', 'table_name', 'table_schema', runsAsDefiner)} union all
    ${of('trigger', 'triggers', 'trigger_name', 'trigger_schema')} union all
    ${of('event', 'events', 'event_name', 'event_schema')} union all
    ${of('routine', 'routines', 'routine_name', 'routine_schema', runsAsDefiner)}) d
    where ${which === 'missing' ? isMissing : 'd.definer <> current_user()'}
    group by d.definer order by 1`
    .replace(/\s+/g, ' ')
    .trim()
}

/** As digits: nothing in a name can look like the end of one. */
export function named(database: string): string {
  return `convert(0x${Buffer.from(database).toString('hex')} using utf8mb4)`
}
