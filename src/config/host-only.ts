// Settings that are changed on the host and never over HTTP, each with the reason that is told. Whoever holds a
// token of the API could otherwise run programs, read any file, lead the daemon anywhere, or give
// the token more than it was made for.
//
// A new setting is decided here: test/daemon/settings-attacks.test.ts knows all those that may be changed.

import type { EntryKind } from './names.ts'

const PROGRAM = 'names a program that is run'
const PLACE = 'says where Spillway keeps its own files'
const FILE = 'names a file that is read'
const ROOTS = 'names what is on this machine, and SOURCE_ROOTS allows nothing'

const GENERAL: Readonly<Record<string, string>> = {
  // Object keys begin with it: another one would write among the archives of another host.
  SERVER_ID: 'says which host this is',
  DATA_DIR: PLACE,
  SPOOL_DIR: PLACE,
  CATALOG_URL: PLACE,
  // Every request of this machine would go to whom they name, and be told how that ended.
  HTTPS_PROXY: 'leads all traffic through another machine',
  NO_PROXY: 'leads traffic around the proxy',
  LISTEN: 'says who can reach the API',
  LISTEN_NAMES: 'says who can reach the API',
  RESTORE_ROOTS: 'says what a token may do',
  SOURCE_ROOTS: 'says what a token may do',
  METRICS_FILE: 'names a file that is written',
}

const OF_ENTRY: Readonly<Record<EntryKind, Readonly<Record<string, string>>>> = {
  S3_SERVER: {},
  SOURCE: {
    COMMAND: PROGRAM,
    BEFORE: PROGRAM,
    AFTER: PROGRAM,
    ON_ERROR: PROGRAM,
    ENV: 'says what a program gets to see',
  },
  NOTIFY: {},
}

/** Those that may be changed below SOURCE_ROOTS, and only there. */
const BELOW_ROOTS = ['PATH', 'SQLITE']

/** undefined: it may be changed. `name` is without the entry's prefix; `kind` undefined: it stands alone. */
export function hostOnlyReason(
  kind: EntryKind | undefined,
  name: string,
  sourceRoots: readonly string[],
): string | undefined {
  if (kind === 'SOURCE' && BELOW_ROOTS.includes(name) && sourceRoots.length === 0) return ROOTS
  const reasons = kind === undefined ? GENERAL : OF_ENTRY[kind]
  if (Object.hasOwn(reasons, name)) return reasons[name]
  // SECRET_KEY_FILE, CA_FILE and whatever comes: the same for all.
  return name.endsWith('_FILE') ? FILE : undefined
}

/** Whether it names what lies on this machine, so that it has to lie below SOURCE_ROOTS. */
export function isBelowRoots(kind: EntryKind | undefined, name: string): boolean {
  return kind === 'SOURCE' && BELOW_ROOTS.includes(name)
}
