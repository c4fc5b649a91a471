// A program that writes a SQLite database without a pause, in a process of its own, as an application would:
// each transaction moves an amount between two tables, so that every consistent copy has the same sum.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import Database from 'better-sqlite3'

export const SUM = 1_000_000

/** Rows with some weight, so that a copy takes longer than a transaction. */
export function makeAccounts(path: string, journalMode: 'wal' | 'delete', rows = 2_000): void {
  const database = new Database(path)
  database.pragma(`journal_mode=${journalMode}`)
  database.exec('create table a (id integer primary key, amount int, filling blob)')
  database.exec('create table b (id integer primary key, amount int)')
  database.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
    insert into a select i, ${SUM / 2_000}, randomblob(3000) from n`)
  database.exec(`update a set amount = amount + ${SUM} - (select sum(amount) from a) where id = 1`)
  database.exec('insert into b select id, 0 from a')
  database.close()
}

export function sumOf(path: string): number {
  const database = new Database(path, { readonly: true })
  try {
    const sum = 'select (select sum(amount) from a) + (select sum(amount) from b)'
    return database.prepare(sum).pluck().get() as number
  } finally {
    database.close()
  }
}

const SCRIPT = `
  import Database from 'better-sqlite3'
  const database = new Database(process.argv[1], { timeout: 60000 })
  const from = database.prepare('update a set amount = amount - 1, filling = randomblob(3000) where id = ?')
  const to = database.prepare('update b set amount = amount + 1 where id = ?')
  const move = database.transaction((id) => { from.run(id); to.run(id) })
  for (let turn = 0; ; turn += 1) {
    move(1 + turn % 2000)
    if (turn % 50 === 0) process.stdout.write('.')
  }`

export class SqliteWriter {
  /** In pieces of fifty. */
  written = 0
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.on('data', (dots: Buffer) => (this.written += dots.length))
  }

  /** Resolves when it writes. */
  static async start(path: string): Promise<SqliteWriter> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, path], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve, reject) => {
      child.stdout.once('data', resolve)
      child.once('error', reject)
      child.once('exit', (code) => reject(new Error(`the writer ended with ${code}`)))
    })
    return new SqliteWriter(child)
  }

  /** As if it crashed. */
  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGKILL')
    await ended
  }
}
