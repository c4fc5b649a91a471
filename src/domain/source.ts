// A source: what is archived: a folder, what a command writes, or databases. Other kinds join the union.

import type { KeepPolicy } from './keep-policy.ts'

type Named = {
  /** N of SOURCE_N_*. */
  readonly number: number
  readonly name: string
  readonly mayBeEmpty: boolean
  readonly keep: KeepPolicy
}

export type FolderSource = Named & {
  readonly kind: 'folder'
  /** Absolute. */
  readonly path: string
  /** Patterns in gitignore syntax, relative to `path`. */
  readonly excludes: readonly string[]
  readonly isOneFileSystem: boolean
  readonly excludesCaches: boolean
}

/** What a program gets, and all of it. */
export type ProgramSurroundings = {
  /** Absolute. */
  readonly workingFolder: string
  /** Nothing else of ours. */
  readonly environment: Readonly<Record<string, string>>
  /** What must not be shown, wherever it turns up. */
  readonly secrets: readonly string[]
}

export type Program = ProgramSurroundings & {
  /** The program and its arguments: no shell sees them. */
  readonly argv: readonly [program: string, ...args: string[]]
}

/** Of every source whose archive is what programs write. */
type WritesOutputs = {
  /** As it stands in the settings, without secrets. */
  readonly text: string
  /** Without a byte and without an end for so long, a program is ended. */
  readonly silenceMs: number
  /** Of all outputs together. */
  readonly outputBytesMin: number
}

/** A program whose standard output is archived as one file. */
export type CommandSource = Named &
  Program &
  WritesOutputs & {
    readonly kind: 'command'
    /** Of the member; without a slash. */
    readonly fileName: string
  }

/** Of every server of databases. */
type DatabaseServer = Named &
  WritesOutputs &
  ProgramSurroundings & {
    /** undefined: all. */
    readonly database: string | undefined
    /** Databases that are left out of all. */
    readonly excludes: readonly string[]
    /** undefined: what the tools find by themselves. */
    readonly password: string | undefined
  }

export type PostgresSource = DatabaseServer & {
  readonly kind: 'postgres'
  /** How to connect, in the words of libpq; no password and no database. */
  readonly parameters: Readonly<Record<string, string>>
}

/** MySQL or MariaDB. */
export type MysqlSource = DatabaseServer & {
  readonly kind: 'mysql'
  /** How to connect, as options of its programs: host, port, user, socket, ssl-... */
  readonly options: Readonly<Record<string, string>>
}

export type DatabaseSource = PostgresSource | MysqlSource

/** A server that databases can be restored into. */
export type ServerSource = PostgresSource | MysqlSource

export function isServerSource(source: Source | undefined): source is ServerSource {
  return source?.kind === 'postgres' || source?.kind === 'mysql'
}

export function withPassword(target: ServerSource, password: string): ServerSource {
  return { ...target, password, secrets: [password] }
}

export type OutputSource = CommandSource | DatabaseSource

export type Source = FolderSource | OutputSource

/** What is archived, for a person. */
export function describeSource(source: Source): string {
  return source.kind === 'folder' ? source.path : source.text
}
