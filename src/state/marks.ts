// What one run remembers for the next: a value under a name, as JSON.

import type { StateHandle } from './state-file.ts'

export class Marks {
  readonly #handle: StateHandle

  constructor(handle: StateHandle) {
    this.#handle = handle
  }

  get(name: string): unknown {
    const sql = 'select value from marks where name = ?'
    const value = this.#handle.prepare(sql).pluck().get(name)
    return value === undefined ? undefined : (JSON.parse(value as string) as unknown)
  }

  set(name: string, value: unknown, now: Date): void {
    this.#handle
      .prepare(
        `insert into marks (name, value, at) values (?, ?, ?)
         on conflict (name) do update set value = excluded.value, at = excluded.at`,
      )
      .run(name, JSON.stringify(value), now.toISOString())
  }
}
