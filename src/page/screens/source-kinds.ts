// The kinds of sources as the page speaks of them: each is known by the one setting that makes it so.

import type { Entry } from '../settings-types.ts'

export type SourceKind = {
  readonly id: string
  readonly mark: string
  readonly title: string
  /** What stands first in its form. */
  readonly first: readonly string[]
}

export const SOURCE_KINDS: readonly SourceKind[] = [
  { id: 'folder', mark: 'PATH', title: 'A folder', first: ['PATH', 'NAME', 'EXCLUDE'] },
  {
    id: 'postgres',
    mark: 'POSTGRES',
    title: 'PostgreSQL',
    first: ['NAME', 'POSTGRES', 'PASSWORD', 'EXCLUDE'],
  },
  {
    id: 'mysql',
    mark: 'MYSQL',
    title: 'MySQL or MariaDB',
    first: ['NAME', 'MYSQL', 'PASSWORD', 'EXCLUDE'],
  },
  {
    id: 'mongodb',
    mark: 'MONGODB',
    title: 'MongoDB',
    first: ['NAME', 'MONGODB', 'PASSWORD', 'EXCLUDE'],
  },
  { id: 'sqlite', mark: 'SQLITE', title: 'SQLite files', first: ['NAME', 'SQLITE'] },
  { id: 'redis', mark: 'REDIS', title: 'Redis or Valkey', first: ['NAME', 'REDIS', 'PASSWORD'] },
  { id: 'command', mark: 'COMMAND', title: 'A command', first: ['NAME', 'COMMAND', 'FILE'] },
]

export function kindOfSource({ settings, fromEnvironment }: Entry): SourceKind {
  const found = SOURCE_KINDS.findLast(
    ({ mark }) => settings[mark] !== undefined || fromEnvironment.includes(mark),
  )
  return found ?? SOURCE_KINDS[0]!
}

const DATABASES = new Set(['postgres', 'mysql', 'mongodb', 'redis'])

/** undefined: nothing that an archive could be restored into. */
export function databaseKindOf(entry: Entry): SourceKind | undefined {
  const kind = kindOfSource(entry)
  return DATABASES.has(kind.id) ? kind : undefined
}

export function nameOfSource(entry: Entry): string {
  const { NAME, PATH } = entry.settings
  return (
    NAME ??
    entry.label ??
    PATH?.split('/').findLast((part) => part !== '') ??
    `source ${entry.number}`
  )
}
