// What a Redis server answers instead of what was asked, in words of the source: what it is, and what the
// operator can do about it.

import type { SpillwayError } from '../domain/errors.ts'
import { databaseFailed } from './database-failure.ts'

const SHOWN_CHARACTERS_MAX = 160

/** `line` is its answer; '' where that is no line at all. */
export function refused(server: string, line: string): SpillwayError {
  if (!line.startsWith('-'))
    return databaseFailed(
      `${server} does not answer like a Redis server, but with ${JSON.stringify(line.slice(0, SHOWN_CHARACTERS_MAX))}`,
      'is SOURCE_N_REDIS right? A server with TLS wants rediss://',
    )
  const said = line.slice(1)
  const known = REFUSALS.find(({ says }) => says.test(said))
  return databaseFailed(`${server} refuses: ${said.slice(0, SHOWN_CHARACTERS_MAX)}`, known?.hint)
}

const REFUSALS: readonly { readonly says: RegExp; readonly hint: string }[] = [
  {
    says: /^NOAUTH/,
    hint: 'set SOURCE_N_PASSWORD or SOURCE_N_PASSWORD_FILE, and the user in the URL if it has one',
  },
  {
    says: /^WRONGPASS|invalid password|without any password|no password is set/i,
    hint: 'is SOURCE_N_PASSWORD or SOURCE_N_PASSWORD_FILE set, and is it the one of the user in the URL?',
  },
  {
    says: /^NOPERM/,
    hint: 'let that user make snapshots: ACL SETUSER name on +info +replconf +sync +psync',
  },
  { says: /^LOADING/, hint: 'it has just been started: the next run is right again' },
  {
    says: /^(?:NOMASTERLINK|MASTERDOWN)/,
    hint: 'this replica has lost its primary: repair that, or name another server',
  },
  {
    says: /unknown command/i,
    hint: 'hosted servers forbid SYNC: use the snapshots of the provider, or a replica of your own',
  },
  { says: /^DENIED/, hint: 'the server wants a password from everybody who is not local' },
]
