// Two real PostgreSQL servers, and an installation that archives the one and restores into the other.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseWorld } from './database-world.ts'
import { PostgresServer } from './postgres-server.ts'
import type { RunReport } from '../../src/domain/run-report.ts'

export type Restored = {
  readonly exit: number
  readonly err: string
  /** Of --json; undefined where it ended before there was one. */
  readonly json: RestoreDocument | undefined
}

export type RestoreDocument = {
  readonly outcome: string
  readonly notes: readonly string[]
  readonly problems: readonly { readonly message: string; readonly hint: string }[]
  readonly databases: readonly {
    readonly into: string
    readonly action: string
    readonly outcome?: string
    readonly notes?: readonly string[]
    readonly message?: string | null
    readonly errorCount?: number
    readonly errors?: readonly string[]
    readonly lost?: readonly string[] | null
  }[]
}

export class PostgresPair {
  readonly origin: PostgresServer
  readonly target: PostgresServer

  private constructor(origin: PostgresServer, target: PostgresServer) {
    this.origin = origin
    this.target = target
  }

  static async start(): Promise<PostgresPair> {
    const [origin, target] = await Promise.all([PostgresServer.start(), PostgresServer.start()])
    return new PostgresPair(origin, target)
  }

  async stop(): Promise<void> {
    await Promise.all([this.origin.stop(), this.target.stop()])
  }

  /** Of one database, or of all. */
  async world(database = ''): Promise<DatabaseWorld> {
    const { origin, target } = this
    const at = await DatabaseWorld.make({
      POSTGRES: origin.url(database),
      PASSWORD: origin.password,
    })
    writeFileSync(join(at.world.folder, 'password'), `${target.password}\n`, { mode: 0o600 })
    return at
  }

  async restore(at: DatabaseWorld, args: readonly string[]): Promise<Restored> {
    const password = `--password-file=${join(at.world.folder, 'password')}`
    const { exit, out, err } = await at.cli(['restore', ...args, password, '--json'])
    const json = out.startsWith('{') ? (JSON.parse(out) as RestoreDocument) : undefined
    return { exit: exit ?? -1, err, json }
  }
}

export function archivedWell(report: RunReport): void {
  if (report.exit !== 0) throw new Error(`not archived: ${JSON.stringify(report.sources)}`)
}
