// A failure on the way into a database, in words of the restore: which database, and what the operator can do
// about what the tool says.

import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import type { ServerSource } from '../domain/source.ts'

export function restoreFailed(
  message: string,
  more: {
    readonly hint?: string | undefined
    readonly cause?: unknown
    readonly isPassword?: boolean
  } = {},
): SpillwayError {
  const { hint, cause, isPassword } = more
  return new SpillwayError('RESTORE_FAILED', message, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
    ...(isPassword === true ? { facts: { isPassword } } : {}),
  })
}

/** What a program did becomes a failure of the restore; everything else stays as it is. */
export function restoreExplained(
  kind: ServerSource['kind'],
  subject: string,
  failure: unknown,
): unknown {
  if (!(failure instanceof SpillwayError)) return failure
  if (!isFailure(failure, 'SOURCE_COMMAND_FAILED', 'SOURCE_DATABASE_FAILED')) return failure
  const whole = messageOf(failure)
  const message = withoutRows(kind, whole)
  const found = HINTS[kind].find(({ says }) => says.test(message))
  const hints = [found?.hint, REFUSED[kind]?.test(message) === true ? GO_ON : undefined]
  const hint = hints.filter((each) => each !== undefined).join('; or ')
  return restoreFailed(`${subject}: ${message}`, {
    hint: hint === '' ? undefined : hint,
    // It would show what was taken out.
    ...(message === whole ? { cause: failure } : {}),
    isPassword: found?.isPassword === true,
  })
}

/** One statement of a dump, and not the connection. */
const REFUSED: Readonly<Partial<Record<ServerSource['kind'], RegExp>>> = {
  postgres: /could not execute query: ERROR|COPY failed for table/,
}
const GO_ON = 'have a new database made with everything but what is refused: --keep-going'

/** MySQL quotes values of rows, and what stands in a statement where it stopped. */
function withoutRows(kind: ServerSource['kind'], message: string): string {
  if (kind !== 'mysql') return message
  return message
    .replace(/(Duplicate entry|value:) '[^]*?' for (key|column|function) /g, "$1 '...' for $2 ")
    .replace(/(value:) '[^]*?'(?= at row|;|$)/g, "$1 '...'")
    .replace(/ near '[^]*' at line /g, " near '...' at line ")
}

type Hint = { readonly says: RegExp; readonly hint: string; readonly isPassword?: boolean }

const HINTS: Readonly<Record<ServerSource['kind'], readonly Hint[]>> = {
  postgres: [
    {
      says: /there is no program/,
      hint: "install PostgreSQL's client programs (Debian: postgresql-client), or put their folder into PATH",
    },
    {
      says: /unsupported version \(/,
      hint: 'the dump is of a newer pg_dump: install client programs of that version or a newer one, and put their folder first into PATH',
    },
    {
      says: /no password supplied|password authentication failed/,
      hint: 'the password comes from the source of that server, from --password-file=FILE, or from a question on a terminal',
      isPassword: true,
    },
    {
      says: /Peer authentication failed/,
      hint: 'run as the system user of that name, or name a user with a password and a host in the URL',
    },
    {
      says: /permission denied to create (?:database|role)|must be superuser|must be owner|permission denied/,
      hint: 'restore as a user who may do that, best the superuser; with --no-owner owners and grants are left out',
    },
    {
      says: /role ".*" does not exist/,
      hint: 'create that role first, or restore with --no-owner',
    },
    {
      says: /invalid locale name|invalid LC_COLLATE|locale/i,
      hint: 'install that locale on the server, or create the database yourself and restore into it',
    },
    {
      says: /extension ".*" is not available|could not open extension control file/,
      hint: 'install that extension on the server first',
    },
    {
      says: /is being accessed by other users/,
      hint: 'stop what uses that database for a moment, and restore again',
    },
    {
      says: /max_locks_per_transaction|out of shared memory/,
      hint: 'the dump is restored in one transaction: raise max_locks_per_transaction on the server for it',
    },
    {
      says: /unrecognized configuration parameter/,
      hint: 'the server is older than the pg_dump that made the dump: restore into a newer one',
    },
    {
      says: /No space left on device|could not extend file/,
      hint: 'make room on the disk of the server',
    },
    {
      says: /Connection refused|could not connect|connection to server|could not translate host/,
      hint: 'is the server up, and is the URL right? A socket in another folder is named by ?host=/folder',
    },
  ],
  mysql: [
    {
      says: /there is no program/,
      hint: "install MariaDB's or MySQL's client programs (Debian: mariadb-client), or put their folder into PATH",
    },
    {
      says: /option files/,
      hint: 'leave only how to log in in those files; or give a password by --password-file=FILE: with it none of them is read',
    },
    {
      says: /ERROR 1045|Access denied for user .*using password/,
      hint: 'the password comes from the source of that server, from --password-file=FILE, or from a question on a terminal',
      isPassword: true,
    },
    {
      says: /--secure-timestamp/,
      hint: 'the dump has the history of system-versioned tables, which this server takes from nobody: restore with secure_timestamp=NO there',
    },
    {
      says: /ERROR 1050/,
      hint: 'a view there has the name of a table in the dump: drop it, or restore into a database of another name',
    },
    {
      // No such table, no such database, a view on what is not there, no such routine.
      says: /ERROR (?:1146|1049|1356|1305) /,
      hint: 'a view, trigger or routine needs something of another database: restore that one first',
    },
    {
      says: /ERROR at line \d+: Unknown command/,
      hint: 'the dump has a command for the client in it, which is never run: who made that archive?',
    },
    {
      says: /ERROR 1044|ERROR 1142|ERROR 1227|denied/,
      hint: 'restore as a user who may create databases, tables, triggers and routines',
    },
    {
      says: /ERROR 1153|max_allowed_packet|gone away|Lost connection/,
      hint: 'a row is larger than the server takes: raise max_allowed_packet there',
    },
    {
      says: /ERROR 1273|Unknown collation|Unknown character set/,
      hint: 'the server is older than, or not of the kind of, the one that the dump is of',
    },
    {
      says: /ERROR 200[0-9]|Can't connect/,
      hint: 'is the server up, and is the URL right? A socket is named by ?socket=/path',
    },
  ],
}
