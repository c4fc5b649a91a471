// A source: what is archived: a folder, what a command writes, or databases. Other kinds join the union.

import type { KeepPolicy } from './keep-policy.ts'

type Named = {
  /** N of SOURCE_N_*. */
  readonly number: number
  readonly name: string
  readonly mayBeEmpty: boolean
  readonly keep: KeepPolicy
  readonly hooks?: SourceHooks
  /** Its own; without one it follows that of the host. */
  readonly schedule?: string
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
  /** A line on its standard error that says no more than that it goes on. */
  readonly chatter?: RegExp
}

/** What is run around the reading of a source: to make what is read stand still, and to let it go again. */
export type SourceHooks = {
  readonly before: Hook | undefined
  readonly after: Hook | undefined
  readonly onError: Hook | undefined
  /** For each of them. */
  readonly timeoutMs: number
}

export type Hook = Program & {
  /** As it stands in the settings. */
  readonly text: string
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

export type MongodbSource = DatabaseServer & {
  readonly kind: 'mongodb'
  /** How to connect, for its tools; without a password. */
  readonly uri: string
  /** Whether what changes while it is dumped comes along. */
  readonly withOplog: boolean
}

export type SqliteSource = Named &
  WritesOutputs &
  ProgramSurroundings & {
    readonly kind: 'sqlite'
    /** Absolute; the last part may have * and ?. */
    readonly paths: readonly string[]
  }

export type RedisAddress = {
  /** Of the server; or the path of its socket. */
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string }
  /** undefined: not encrypted. The files are PEM, and absolute. */
  readonly tls:
    { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string } | undefined
  readonly user: string | undefined
}

export type RedisSource = Named &
  WritesOutputs &
  ProgramSurroundings & {
    readonly kind: 'redis'
    readonly address: RedisAddress
    /** undefined: none is asked for. */
    readonly password: string | undefined
  }

/** Servers that have several databases, and take them back. */
export type ServerSource = PostgresSource | MysqlSource

export type DatabaseSource = ServerSource | MongodbSource | SqliteSource | RedisSource

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
