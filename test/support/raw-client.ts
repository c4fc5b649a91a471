// Requests as bytes, in forms that no browser and no library sends, and what came of them.

import { expect } from 'vitest'
import type { TestDaemon } from './test-daemon.ts'

/** What it is, its bytes, what is expected. */
export type Row<Expected> = readonly [string, () => string, Expected]

/** Of each answer that came, in order; empty: closed without a word. */
export const statusesOf = (answer: string): readonly number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))

export class RawClient {
  readonly #daemon: TestDaemon

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon
  }

  get host(): string {
    return `Host: 127.0.0.1:${this.#daemon.port}\r\n`
  }

  get auth(): string {
    return `Authorization: Bearer ${this.#daemon.tokens.admin}\r\n`
  }

  /** Right in all that a case does not change; closed after the answer, so that nobody waits. */
  head(more = ''): string {
    return `${this.host}${this.auth}Connection: close\r\n${more}\r\n`
  }

  post(more: string, body: string): string {
    const headers = this.head(`Content-Type: application/json\r\n${more}`)
    return `POST /api/runs HTTP/1.1\r\n${headers}${body}`
  }

  json(body: string): string {
    return this.post(`Content-Length: ${body.length}\r\n`, body)
  }

  /** These answers, no job started, and nothing that the log complains about. */
  async expect(bytes: string, statuses: readonly number[]): Promise<void> {
    const jobs = async (): Promise<readonly unknown[]> =>
      (await this.#daemon.ask('GET', '/api/jobs')).json['jobs'] as unknown[]
    const before = (await jobs()).length
    expect(statusesOf(await this.#daemon.raw(bytes))).toEqual(statuses)
    expect((await jobs()).length).toBe(before)
    expect(this.#daemon.log.filter((line) => /bug|queue cannot/.test(line))).toEqual([])
  }
}
