// What a PostgreSQL server is asked before something is restored into it. Answers are JSON in UTF-8: nothing
// in a name can look like the end of one.

import { PROPERTIES_SQL } from './postgres-properties.ts'

export type TargetFacts = {
  readonly version: string
  readonly versionNumber: number
  readonly databases: readonly {
    readonly name: string
    readonly properties: Readonly<Record<string, string | null>>
  }[]
  readonly roles: readonly string[]
  readonly tablespaces: readonly string[]
}

/** From PostgreSQL 13 on a database can be dropped under those who are connected to it. */
export const DROP_WITH_FORCE_FROM = 130_000

export const targetQuery = oneLine(`select json_build_object(
  'version', current_setting('server_version'),
  'versionNumber', current_setting('server_version_num')::int,
  'databases', (select json_agg(json_build_object('name', datname, 'properties', ${PROPERTIES_SQL}))
    from pg_catalog.pg_database d),
  'roles', (select json_agg(rolname) from pg_catalog.pg_roles),
  'tablespaces', (select json_agg(spcname) from pg_catalog.pg_tablespace))`)

// Below that are the objects that initdb made (FirstNormalObjectId).
const OURS_FROM = 16_384

/** Of the user, not of an extension. */
function isOfUser(catalog: string, of: string): string {
  return `${of}.oid >= ${OURS_FROM} and not exists (select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.${catalog}'::regclass and d.objid = ${of}.oid and d.deptype = 'e')`
}

export const contentsQuery = oneLine(`select json_build_object(
  'identity', (select oid::text from pg_catalog.pg_database where datname = current_database()),
  'tableNames', (select coalesce(json_agg(nspname || '.' || relname), '[]') from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'p', 'f') and ${isOfUser('pg_class', 'c')}
      and relnamespace not in (${schemasOfSystem()})),
  'otherObjects',
    (select count(*) from pg_catalog.pg_class c
      where relkind in ('v', 'm', 'S') and ${isOfUser('pg_class', 'c')}
        and relnamespace not in (${schemasOfSystem()}))
    + (select count(*) from pg_catalog.pg_proc p where ${isOfUser('pg_proc', 'p')})
    + (select count(*) from pg_catalog.pg_type t where typtype in ('e', 'd') and ${isOfUser('pg_type', 't')})
    + (select count(*) from pg_catalog.pg_namespace n where nspname !~ '^pg_' and ${isOfUser('pg_namespace', 'n')})
    + (select count(*) from pg_catalog.pg_largeobject_metadata),
  'sizeBytes', pg_catalog.pg_database_size(pg_catalog.current_database()),
  'sessions', (select count(*) from pg_catalog.pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'))`)

// Of each kind that can be put into a database; what belongs to others of them, comes with those.
const OF_DATABASE = [
  ...['namespace', 'class', 'proc', 'type', 'extension', 'language', 'operator', 'opclass', 'cast'],
  ...['collation', 'conversion', 'foreign_data_wrapper', 'ts_config', 'ts_dict', 'ts_parser'],
  ...[
    'ts_template',
    'am',
    'transform',
    'event_trigger',
    'publication',
    'default_acl',
    'statistic_ext',
  ],
]

/** Some of these kinds are younger. */
export const CHANGED_QUERY_FROM = 100_000

/** Whether anything is in a database that initdb did not put there; rights on schemas and settings of its own count. */
export const changedQuery = oneLine(`select ${OF_DATABASE.map(
  (name) => `exists (select from pg_catalog.pg_${name} where oid >= ${OURS_FROM})`,
).join(' or ')}
  or exists (select from pg_catalog.pg_largeobject_metadata)
  or exists (select from pg_catalog.pg_namespace n left join pg_catalog.pg_init_privs i
    on i.objoid = n.oid and i.classoid = 'pg_catalog.pg_namespace'::regclass
    where nspname = 'public' and nspacl is distinct from i.initprivs)`)

export const unloggedQuery = oneLine(`select coalesce(json_agg(nspname || '.' || relname), '[]')
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
  where relpersistence = 'u' and relkind = 'r' and ${isOfUser('pg_class', 'c')}`)

/** Temporary tables of others, and what holds long values. */
function schemasOfSystem(): string {
  return `select oid from pg_catalog.pg_namespace where nspname ~ '^pg_(toast|temp)'`
}

function oneLine(sql: string): string {
  return sql.replace(/\s+/g, ' ')
}
