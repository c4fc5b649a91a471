// spillway-database.json, the last member of an archive of databases: what was dumped, from what, by what, and
// which file is which database. A restore reads it, and so can people.

import type { BytesOutput, OutputFacts } from './output.ts'

export const DATABASE_LIST_FILE = 'spillway-database.json'

export type DumpedDatabase = {
  readonly name: string
  readonly file: string
  /** Of the dump. */
  readonly dumpBytes: number
  /** Of a dump in statements: its largest row. Left out: all are small, or nobody has looked. */
  readonly longestLineBytes?: number
  /** As the server counts it. */
  readonly databaseBytes: number | null
  readonly startedAt: string
  readonly endedAt: string
  /** What creates it again: owner, encoding, collation and who provides it, tablespace. */
  readonly properties: Readonly<Record<string, string>>
}

export type DatabaseList = {
  readonly format: 'spillway-database'
  readonly version: 1
  readonly kind: string
  readonly server: { readonly version: string }
  readonly tool: { readonly name: string; readonly version: string }
  /** Whether all databases of the server were meant. */
  readonly isWholeServer: boolean
  /** Roles and the like; null: none were dumped. */
  readonly globals: {
    readonly file: string
    readonly dumpBytes: number
    readonly hasPasswords: boolean
  } | null
  readonly databases: readonly DumpedDatabase[]
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[]
}

export function databaseListOutput(list: Omit<DatabaseList, 'format' | 'version'>): BytesOutput {
  const whole: DatabaseList = { format: 'spillway-database', version: 1, ...list }
  const bytes = Buffer.from(`${JSON.stringify(whole, undefined, 2)}\n`)
  return { kind: 'bytes', fileName: DATABASE_LIST_FILE, bytes }
}

export function timesOf(facts: OutputFacts): Pick<DumpedDatabase, 'startedAt' | 'endedAt'> {
  return { startedAt: facts.startedAt.toISOString(), endedAt: facts.endedAt.toISOString() }
}
