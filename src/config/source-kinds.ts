// The kinds of sources: which setting makes an entry one of them, and which others mean something to it.

import type { Source } from '../domain/source.ts'

type SourceKind = {
  /** The setting that makes an entry a source of this kind. */
  readonly mark: string
  /** In a sentence: "means nothing to ...". */
  readonly called: string
  /** Settings that only some kinds have; NAME, ALLOW_EMPTY, KEEP_* and the hooks are everybody's. */
  readonly also: readonly string[]
}

const PROGRAM = ['MIN_BYTES', 'SILENCE_MINUTES']
const SERVER = [...PROGRAM, 'PASSWORD', 'PASSWORD_FILE']
const DATABASE = [...SERVER, 'EXCLUDE']

export const SOURCE_KINDS: Readonly<Record<Source['kind'], SourceKind>> = {
  folder: {
    mark: 'PATH',
    called: 'a folder',
    also: ['EXCLUDE', 'ONE_FILE_SYSTEM', 'EXCLUDE_CACHES'],
  },
  command: { mark: 'COMMAND', called: 'a command', also: [...PROGRAM, 'FILE'] },
  postgres: { mark: 'POSTGRES', called: 'a PostgreSQL server', also: DATABASE },
  mysql: { mark: 'MYSQL', called: 'a MySQL server', also: DATABASE },
  mongodb: { mark: 'MONGODB', called: 'a MongoDB server', also: [...SERVER, 'OPLOG'] },
  sqlite: { mark: 'SQLITE', called: 'a SQLite database', also: PROGRAM },
  redis: { mark: 'REDIS', called: 'a Redis server', also: SERVER },
}

const KINDS = Object.entries(SOURCE_KINDS) as [Source['kind'], SourceKind][]

/** Those whose mark is set: one, if all is well. */
export function sourceKindsOf(isSet: (setting: string) => boolean): readonly Source['kind'][] {
  return KINDS.filter(([, { mark }]) => isSet(mark)).map(([kind]) => kind)
}

/** Settings that mean nothing to a source of this kind: other marks, and what only others have. */
export function foreignSettings(kind: Source['kind']): readonly string[] {
  const own = SOURCE_KINDS[kind]
  const all = KINDS.flatMap(([, { mark, also }]) => [mark, ...also])
  return [...new Set(all)].filter((name) => name !== own.mark && !own.also.includes(name))
}
