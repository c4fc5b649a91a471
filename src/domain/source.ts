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
  readonly hooks?: SourceHooks
}

/** A program to be run, and all that it gets. */
export type Program = {
  /** The program and its arguments: no shell sees them. */
  readonly argv: readonly [program: string, ...args: string[]]
  /** As it stands in the settings. */
  readonly text: string
  /** Absolute. */
  readonly workingFolder: string
  /** All that the program gets; nothing else of ours. */
  readonly environment: Readonly<Record<string, string>>
  /** Values among these that must not be shown. */
  readonly secrets: readonly string[]
}

/** What is run around the reading of a source: to make what is read stand still, and to let it go again. */
export type SourceHooks = {
  readonly before: Program | undefined
  readonly after: Program | undefined
  readonly onError: Program | undefined
  /** For each of them. */
  readonly timeoutMs: number
}

/** A program whose standard output is archived as one file. */
export type CommandSource = Program & {
  readonly kind: 'command'
  /** N of SOURCE_N_*. */
  readonly number: number
  readonly name: string
  /** Of the member; without a slash. */
  readonly fileName: string
  /** Without a byte and without an end for so long, it is ended. */
  readonly silenceMs: number
  readonly outputBytesMin: number
  readonly mayBeEmpty: boolean
  readonly keep: KeepPolicy
  readonly hooks?: SourceHooks
}

export type Source = FolderSource | CommandSource

/** What is archived, for a person. */
export function describeSource(source: Source): string {
  return source.kind === 'folder' ? source.path : source.text
}

/** Everything that is run for a source, by the names of the settings. */
export function programsOf(source: Source): readonly {
  readonly variable: string
  readonly program: Program
}[] {
  const { number, hooks } = source
  const named = [
    ['COMMAND', source.kind === 'command' ? source : undefined],
    ['BEFORE', hooks?.before],
    ['AFTER', hooks?.after],
    ['ON_ERROR', hooks?.onError],
  ] as const
  return named.flatMap(([name, program]) =>
    program === undefined ? [] : [{ variable: `SOURCE_${number}_${name}`, program }],
  )
}
