// What a PostgreSQL server is asked before something is restored into it. Answers are JSON in UTF-8: nothing
// in a name can look like the end of one.

export type TargetFacts = {
  readonly version: string
  readonly versionNumber: number
  readonly databases: readonly string[]
  readonly roles: readonly string[]
  readonly tablespaces: readonly string[]
}

/** From PostgreSQL 13 on a database can be dropped under those who are connected to it. */
export const DROP_WITH_FORCE_FROM = 130_000

export const targetQuery = oneLine(`select json_build_object(
  'version', current_setting('server_version'),
  'versionNumber', current_setting('server_version_num')::int,
  'databases', (select json_agg(datname) from pg_catalog.pg_database),
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
  'tables', (select count(*) from pg_catalog.pg_class c
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

/** Temporary tables of others, and what holds long values. */
function schemasOfSystem(): string {
  return `select oid from pg_catalog.pg_namespace where nspname ~ '^pg_(toast|temp)'`
}

function oneLine(sql: string): string {
  return sql.replace(/\s+/g, ' ')
}
