// The daemon as a user starts it, with the installation of a World.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { connect } from 'node:net'
import { join } from 'node:path'
import { spillway } from './command-sources.ts'
import type { World } from './world.ts'
import type { Scope } from '../../src/domain/token.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

export type Answer = {
  readonly status: number
  readonly headers: Headers
  /** Empty when the answer is no object. */
  readonly json: Readonly<Record<string, unknown>>
  readonly text: string
}

export class TestDaemon {
  readonly url: string
  readonly port: number
  readonly log: string[]
  readonly #child: ChildProcess
  readonly #closed: Promise<number | null>
  readonly #tokens: Readonly<Record<Scope, string>>

  private constructor(input: {
    child: ChildProcess
    url: string
    log: string[]
    closed: Promise<number | null>
    tokens: Readonly<Record<Scope, string>>
  }) {
    this.#child = input.child
    this.#closed = input.closed
    this.#tokens = input.tokens
    this.url = input.url
    this.port = Number(new URL(input.url).port)
    this.log = input.log
  }

  static async start(
    world: World,
    known?: Readonly<Record<Scope, string>>,
    input: {
      /** The env file is left as it is, also if there is none. */
      readonly keepsFile?: boolean
      /** Beside what this process has. */
      readonly env?: Readonly<Record<string, string>>
    } = {},
  ): Promise<TestDaemon> {
    world.env['LISTEN'] = '127.0.0.1:0'
    const config = input.keepsFile === true ? world.envFile : await world.writeEnv()
    const tokens = known ?? (await makeTokens(config))
    const child = spawn(process.execPath, [PROGRAM, 'serve', '--config', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, LISTEN: '127.0.0.1:0', ...input.env },
    })
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
    const log: string[] = []
    const lines = createInterface({ input: child.stderr })
    const url = await new Promise<string>((resolve, reject) => {
      lines.on('line', (line) => {
        log.push(line)
        const [, found] = /listening on (\S+)/.exec(line) ?? []
        if (found !== undefined) resolve(found)
      })
      void closed.then(() => reject(new Error(`the daemon ended: ${log.join('\n')}`)))
    })
    return new TestDaemon({ child, url, log, closed, tokens })
  }

  get tokens(): Readonly<Record<Scope, string>> {
    return this.#tokens
  }

  get pid(): number {
    return this.#child.pid!
  }

  async ask(
    method: string,
    path: string,
    {
      body,
      scope = 'admin',
      headers = {},
    }: {
      readonly body?: unknown
      readonly scope?: Scope | undefined
      readonly headers?: Readonly<Record<string, string>>
    } = {},
  ): Promise<Answer> {
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: {
        authorization: `Bearer ${this.#tokens[scope]}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const json = (text.startsWith('{') ? JSON.parse(text) : {}) as Answer['json']
    return { status: response.status, headers: response.headers, json, text }
  }

  /** Bytes as they are; resolves with all that comes back until the server closes, or a second passes. */
  async raw(bytes: string): Promise<string> {
    const socket = connect(this.port, '127.0.0.1')
    socket.setTimeout(1_000, () => socket.end())
    socket.write(bytes, 'latin1')
    const pieces: Buffer[] = []
    socket.on('data', (piece) => pieces.push(piece))
    await new Promise<void>((resolve) => {
      socket.on('close', () => resolve())
      socket.on('error', () => resolve())
    })
    return Buffer.concat(pieces).toString('latin1')
  }

  /** Follows a job's events to its end. */
  async follow(id: string): Promise<readonly Record<string, unknown>[]> {
    const { text } = await this.ask('GET', `/api/jobs/${id}/events`)
    return text
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => JSON.parse(line.slice(6)) as Record<string, unknown>)
  }

  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    return this.#closed
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }
}

async function makeTokens(config: string): Promise<Readonly<Record<Scope, string>>> {
  const tokens: Partial<Record<Scope, string>> = {}
  for (const scope of ['read', 'run', 'restore', 'admin'] as const) {
    const made = await spillway(['token', 'create', scope, '--scope', scope, '--config', config])
    tokens[scope] = made.out.toString().trim()
  }
  return tokens as Readonly<Record<Scope, string>>
}
