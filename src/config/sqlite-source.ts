// SOURCE_N_SQLITE: its row of the table of settings, and the source that it becomes.

import { basename, dirname } from 'node:path'
import type { SqliteSource } from '../domain/source.ts'
import { commonEnvironment } from './program-surroundings.ts'
import { patterns } from './setting-values.ts'
import type { Settings } from './settings.ts'
import { no, path } from './values.ts'
import type { ValueContext } from './values.ts'
import type { SourceInput } from './source-input.ts'

export const SQLITE_SETTINGS = {
  SQLITE: {
    help: 'instead of PATH: SQLite database, or several with commas between; the file name may have * and ?',
    otherwise: 'none',
    example: '/var/lib/app/app.db',
    parse: sqlitePaths,
  },
} as const satisfies Settings

type SqlitePaths = { readonly paths: readonly string[]; readonly text: string }

function sqlitePaths(text: string, context: ValueContext): SqlitePaths {
  const paths = patterns(text).map((each) => {
    const absolute = path(each, context)
    if (/[*?]/.test(dirname(absolute))) no('may have * and ? in the name of the file only')
    if (/-(?:wal|shm|journal)$/.test(basename(absolute)))
      no('names a part of a database', 'name the database itself: what lies beside it comes along')
    return absolute
  })
  return paths.length === 0 ? no('names no file') : { paths, text: paths.join(', ') }
}

/** undefined: something is wrong with it, which was told. */
export function readSqliteSource(input: SourceInput): SqliteSource | undefined {
  const { number, values, keep, env, context } = input
  if (values.SQLITE === undefined || values.NAME === undefined) return undefined
  return {
    ...{ kind: 'sqlite', number, name: values.NAME, keep, ...values.SQLITE },
    workingFolder: context.envFileDir,
    environment: commonEnvironment(env),
    secrets: [],
    silenceMs: values.SILENCE_MINUTES * 60_000,
    outputBytesMin: values.MIN_BYTES,
    mayBeEmpty: values.ALLOW_EMPTY,
  }
}
