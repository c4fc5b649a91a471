// A source: what is archived. Today a folder; other kinds join the union and bring their own names.

import type { KeepPolicy } from './keep-policy.ts'

export type FolderSource = {
  readonly kind: 'folder'
  /** N of SOURCE_N_*. */
  readonly number: number
  readonly name: string
  /** Absolute. */
  readonly path: string
  /** Patterns in gitignore syntax, relative to `path`. */
  readonly excludes: readonly string[]
  readonly isOneFileSystem: boolean
  readonly excludesCaches: boolean
  readonly mayBeEmpty: boolean
  readonly keep: KeepPolicy
}

export type Source = FolderSource
