// A source: what is archived: a folder, or what a command writes. Other kinds join the union.

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

/** A program whose standard output is archived as one file. */
export type CommandSource = {
  readonly kind: 'command'
  /** N of SOURCE_N_*. */
  readonly number: number
  readonly name: string
  /** The program and its arguments: no shell sees them. */
  readonly argv: readonly [program: string, ...args: string[]]
  /** As it stands in the settings. */
  readonly text: string
  /** Of the member; without a slash. */
  readonly fileName: string
  /** Absolute. */
  readonly workingFolder: string
  /** All that the program gets; nothing else of ours. */
  readonly environment: Readonly<Record<string, string>>
  /** Values among these that must not be shown. */
  readonly secrets: readonly string[]
  /** Without a byte and without an end for so long, it is ended. */
  readonly silenceMs: number
  readonly outputBytesMin: number
  readonly mayBeEmpty: boolean
  readonly keep: KeepPolicy
}

export type Source = FolderSource | CommandSource

/** What is archived, for a person. */
export function describeSource(source: Source): string {
  return source.kind === 'folder' ? source.path : source.text
}
