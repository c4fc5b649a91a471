// A failure of a database's tool in words of the source: which database, and what the operator can do about
// what the tool says.

import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import type { DatabaseSource } from '../domain/source.ts'

export function databaseFailed(message: string, hint?: string, cause?: unknown): SpillwayError {
  return new SpillwayError('SOURCE_DATABASE_FAILED', message, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** What a program did becomes a failure of the database; everything else stays as it is. */
export function explained(
  source: DatabaseSource,
  database: string | undefined,
  failure: SpillwayError,
): SpillwayError {
  if (!isFailure(failure, 'SOURCE_COMMAND_FAILED')) return failure
  const message = messageOf(failure)
  const subject = database === undefined ? '' : `database ${database}: `
  return databaseFailed(subject + message, hintFor(source, message), failure)
}

function hintFor({ kind, number }: DatabaseSource, message: string): string | undefined {
  const hints = HINTS[kind] ?? []
  const found = hints.find(({ says }) => says.test(message))
  return found?.hint.replaceAll('SOURCE_N', `SOURCE_${number}`)
}

type Hint = { readonly says: RegExp; readonly hint: string }

const HINTS: Readonly<Partial<Record<DatabaseSource['kind'], readonly Hint[]>>> = {
  postgres: [
    {
      says: /there is no program/,
      hint: "install PostgreSQL's client programs (Debian: postgresql-client), or put their folder into PATH",
    },
    {
      says: /server version mismatch/,
      hint: "install the client programs of the server's version or a newer one, and put their folder first into PATH",
    },
    {
      says: /no password supplied|password authentication failed/,
      hint: 'set SOURCE_N_PASSWORD or SOURCE_N_PASSWORD_FILE to the password of that user',
    },
    {
      says: /Peer authentication failed/,
      hint: 'run as the system user of that name, or name a user with a password and a host in SOURCE_N_POSTGRES',
    },
    {
      says: /database ".*" does not exist/,
      hint: 'correct its name in SOURCE_N_POSTGRES; of a whole server: was it dropped or renamed a moment ago? Then the next run is right again',
    },
    {
      says: /permission denied/,
      hint: 'the user of SOURCE_N_POSTGRES must be able to read everything: grant it pg_read_all_data, or leave that database out by SOURCE_N_EXCLUDE',
    },
    {
      says: /Connection refused|could not connect|connection to server/,
      hint: 'is the server up, and is SOURCE_N_POSTGRES right? A socket in another folder is named by ?host=/folder',
    },
    {
      says: /did not end|did not answer/,
      hint: 'does it wait for a lock? If it needs that long, raise SOURCE_N_SILENCE_MINUTES',
    },
  ],
  mysql: [
    {
      says: /there is no program/,
      hint: "install the server's client programs (Debian: mariadb-client), or put their folder into PATH",
    },
    {
      says: /insufficient privileges to SHOW CREATE/,
      hint: 'the text of routines that are of other users: GRANT SELECT ON mysql.proc TO the user of SOURCE_N_MYSQL (since MySQL 8: GRANT SHOW_ROUTINE ON *.*)',
    },
    {
      // 1356: a view on what is not there; 1449: whose user is not there; 1146: a table that is not there.
      says: /\((?:1356|1449|1146)\)/,
      hint: 'mend or drop that view (1449: create the user that it names), or leave the database out by SOURCE_N_EXCLUDE',
    },
    {
      // 1018: a folder that it may not read.
      says: /\(1018\)|Can't read dir/,
      hint: 'the server may not read that folder in the data directory: let it, or move it away where it is no database, or leave it out by SOURCE_N_EXCLUDE',
    },
    {
      says: /Access denied for user .* to database|command denied/,
      hint: 'the user of SOURCE_N_MYSQL needs SELECT, SHOW VIEW, TRIGGER and EVENT on what it dumps',
    },
    {
      says: /Access denied/,
      hint: 'set SOURCE_N_PASSWORD or SOURCE_N_PASSWORD_FILE to the password of that user; without one the option files of the tools count',
    },
    {
      says: /Unknown database/,
      hint: 'correct its name in SOURCE_N_MYSQL; of a whole server: was it dropped or renamed a moment ago? Then the next run is right again',
    },
    {
      says: /Can't connect|Can't create TCP|Unknown (?:MySQL |MariaDB )?server host/i,
      hint: 'is the server up, and is SOURCE_N_MYSQL right? A socket in another place is named by ?socket=/path',
    },
    {
      says: /did not end|did not answer/,
      hint: 'does it wait for a lock? If it needs that long, raise SOURCE_N_SILENCE_MINUTES',
    },
  ],
  mongodb: [
    {
      says: /error reading password|AuthenticationFailed|auth error|unable to authenticate/i,
      hint: 'set SOURCE_N_PASSWORD or SOURCE_N_PASSWORD_FILE to the password of that user; ?authSource=admin in SOURCE_N_MONGODB names the database that knows the user',
    },
    {
      says: /not authorized|Unauthorized|requires authentication/,
      hint: 'the user of SOURCE_N_MONGODB needs the role backup in admin; for one database, read is enough',
    },
    {
      says: /oplog overflow/,
      hint: 'more was written meanwhile than the oplog of the server holds: make it larger, or dump at a quieter hour',
    },
    {
      says: /with oplog while|can't .*oplog|error finding oplog|oplog mode only/,
      hint: 'with SOURCE_N_OPLOG=false it is dumped without the oplog, and each collection is of a moment of its own',
    },
    {
      says: /server selection|could not connect|error connecting|no reachable servers|lookup .*: no such host/,
      hint: 'is the server up, and is SOURCE_N_MONGODB right? A server with TLS needs ?tls=true',
    },
    {
      says: /did not end|did not answer/,
      hint: 'does it wait for somebody? If it needs that long, raise SOURCE_N_SILENCE_MINUTES',
    },
  ],
}
