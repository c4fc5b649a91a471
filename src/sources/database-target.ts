// A server that databases are restored into: what a restore asks of it, whatever kind it is. Each kind has an
// implementation beside it; `openDatabaseTarget` is the one list of them.

import type { ServerSource } from '../domain/source.ts'
import type { ReadDump } from './child-feed.ts'
import type { DumpedDatabase } from './database-list.ts'
import { MysqlTarget } from './mysql-target.ts'
import type { OutputContext } from './output.ts'
import { PostgresTarget } from './postgres-target.ts'

/** A dump, and the database that it goes into. */
export type DumpPair = readonly [dumped: DumpedDatabase, into: string]

export type Restorable = { readonly pairs: readonly DumpPair[]; readonly notes: string[] }

export type TargetServer = {
  /** For people: `PostgreSQL 15.7`. */
  readonly version: string
  readonly databases: readonly string[]
}

/** What is in a database, apart from what the system put there. */
export type TargetContents = {
  readonly tables: number
  /** Views, functions, types, ... */
  readonly otherObjects: number
  readonly sizeBytes: number | undefined
  /** Others who are connected to it. */
  readonly sessions: number
  /** Of its tables, as `tableNames` of a dump has them. */
  readonly tableNames?: readonly string[]
  /** Another database of the same name has another one. */
  readonly identity?: string
}

/** Of a dump, read from its beginning. */
export type DumpNeeds = {
  /** undefined: nobody knows before it is restored. */
  readonly tables: number | undefined
  /** Their names, with that of the schema, as `contents` of a database would have them. */
  readonly tableNames?: readonly string[]
  /** Owners, and who is granted something. */
  readonly roles: readonly string[]
  /** Named by definitions: needed also where owners and grants are left out. */
  readonly namedRoles: readonly string[]
  readonly tablespaces: readonly string[]
  /** Statements about the database itself, as the dump has them. */
  readonly settings: readonly string[]
  /** What creates it again, as far as the dump knows: the list of the archive knows it better. */
  readonly properties?: Readonly<Record<string, string>>
}

/** What the dump of roles would do here. */
export type GlobalsPlan = {
  readonly created: readonly string[]
  /** Left as they are. */
  readonly existing: readonly string[]
  /** What is not restored, for a person. */
  readonly notes: readonly string[]
  /** In the words of the server's own client. */
  readonly script: string
}

export type FillOptions = {
  /** Everything belongs to the user who restores, and nothing is granted. */
  readonly leavesOwners: boolean
  readonly needs: DumpNeeds
  /** It goes on behind what the server refuses, and tells of it at the end. Left out: all or nothing. */
  readonly onRefused?: (refused: Refused) => void
}

/** Of the statements of a dump: they are missing now. */
export type Refused = {
  readonly count: number
  /** The first of them, without rows. */
  readonly messages: readonly string[]
}

/**
 * Every failure is RESTORE_FAILED, or INTERRUPTED; nothing that was started is left then. `close` takes away
 * the file with the password.
 */
export interface DatabaseTarget {
  /** `127.0.0.1:5432`. */
  readonly label: string
  /** Connects; `isPassword` is among the facts of a failure where another password may help. */
  open(): Promise<TargetServer>
  contents(database: string): Promise<TargetContents>
  /** What of that can go where it is meant to go, and why the rest does not. */
  restorable(pairs: readonly DumpPair[], isWhole: boolean): Restorable
  needsOf(read: ReadDump): Promise<DumpNeeds>
  /** undefined: it is not restored here. */
  planGlobals(dump: string): GlobalsPlan | undefined
  applyGlobals(plan: GlobalsPlan): Promise<void>
  /** Of these, the ones that are not on the server. */
  missingRoles(roles: readonly string[]): readonly string[]
  missingTablespaces(tablespaces: readonly string[]): readonly string[]
  /** Why such a database cannot be created here; follows on its name. Left out: any can. */
  cannotCreate?(like: DumpedDatabase): string | undefined
  /** Why a database that is there cannot take it; follows on its name. */
  cannotFill?(database: string, like: DumpedDatabase): string | undefined
  /** In what a database that is there is another one, whatever is filled into it. */
  differences?(database: string, like: DumpedDatabase, leavesOwners: boolean): readonly string[]
  /** Words about databases that restores have left behind. */
  leftovers?(): readonly string[]
  create(database: string, like: DumpedDatabase, leavesOwners: boolean): Promise<void>
  /**
   * The name of a database that is filled in place of one that is not empty, and then takes its place by
   * `swap`. undefined: the dump itself drops what it replaces.
   */
  nameBeside(): string | undefined
  /** From one moment to the next. When it rejects, the server has said that nothing was changed, or not answered. */
  swap(beside: string, into: string): Promise<void>
  /** Drops what `swap` has replaced. Never rejects: resolves with a word about what is left of it. */
  dropReplaced?(beside: string): Promise<string | undefined>
  /** Whether a restore of a whole server leaves it alone where it is not empty. */
  staysAsItIs?(database: string): boolean
  /** Also while something is connected to it, and after an interruption. */
  drop(database: string): Promise<void>
  /**
   * All of it or nothing where `isAtomic`. Resolves with what the tool said. Rejects also with whatever
   * `read` rejects with.
   */
  fill(database: string, read: ReadDump, options: FillOptions): Promise<string>
  /** After it was filled: what the dump says of the database itself. Returns what could not be set. */
  applySettings(database: string, like: DumpedDatabase, options: FillOptions): Promise<string[]>
  /** Why no database here takes that dump, and what helps. Left out: any does. */
  cannotTake?(
    dumped: DumpedDatabase,
  ): { readonly message: string; readonly hint: string } | undefined
  /** What of a database that is not empty the dump cannot replace. */
  clashes?(database: string, read: ReadDump): Promise<readonly string[]>
  /** Of a database that was filled just now: what stays of before, and what will not work on this server. */
  notesOn?(database: string): Promise<readonly string[]>
  /**
   * Of a database that could not be created and filled: whether it may go better when others are there, and
   * nothing of it is left. Never rejects. Left out: databases have nothing to do with one another.
   */
  mayTryAgain?(database: string): Promise<boolean>
  /** As `contents`, also after an interruption, when nobody waits for it any more. */
  contentsAfterwards(database: string): Promise<TargetContents>
  readonly isAtomic: boolean
  close(): void
}

export function openDatabaseTarget(source: ServerSource, context: OutputContext): DatabaseTarget {
  switch (source.kind) {
    case 'postgres':
      return new PostgresTarget(source, context)
    case 'mysql':
      return new MysqlTarget(source, context)
  }
}
