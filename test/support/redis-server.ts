// A real Redis server of the suite's own, from Debian's package: in a temporary folder, with a password and a
// user by ACL, on a socket and on a random port of loopback; with TLS where a certificate is given.

import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './postgres-server.ts'

export type RedisOptions = {
  /** Loaded when it starts. */
  readonly snapshot?: Buffer
  readonly settings?: readonly string[]
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile: string }
}

export class RedisServer {
  readonly folder: string
  readonly port: number
  readonly password = 'geheimes Wort 17'
  readonly user = 'backup'
  readonly #child: ChildProcess

  private constructor(folder: string, port: number, child: ChildProcess) {
    this.folder = folder
    this.port = port
    this.#child = child
  }

  static async start({ snapshot, settings = [], tls }: RedisOptions = {}): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'spillway-redis-'))
    if (snapshot !== undefined) writeFileSync(join(folder, 'dump.rdb'), snapshot)
    const port = await freePort()
    const plain = new RedisServer(folder, port, undefined as never)
    const config = join(folder, 'redis.conf')
    const lines = [
      ...[`dir ${folder}`, 'bind 127.0.0.1', 'save ""', `unixsocket ${folder}/socket`],
      ...(tls === undefined
        ? [`port ${port}`]
        : [
            ...['port 0', `tls-port ${port}`, 'tls-auth-clients no'],
            ...[`tls-cert-file ${tls.certFile}`, `tls-key-file ${tls.keyFile}`],
            `tls-ca-cert-file ${tls.caFile}`,
          ]),
      `requirepass "${plain.password}"`,
      `user ${plain.user} on #${sha256(plain.password)} -@all +info +replconf +sync +psync`,
      // Otherwise a snapshot begins five seconds later.
      'repl-diskless-sync-delay 0',
      ...settings,
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    const child = spawn('redis-server', [config], { stdio: ['ignore', 'pipe', 'pipe'] })
    await new Promise<void>((resolve, reject) => {
      let said = ''
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (/Ready to accept connections/.test(said)) resolve()
      })
      child.once('error', reject)
      child.once('exit', () => reject(new Error(`Redis did not start: ${said}`)))
    })
    return new RedisServer(folder, port, child)
  }

  get socket(): string {
    return join(this.folder, 'socket')
  }

  /** By its own client. */
  async command(...words: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(
      'redis-cli',
      ['-s', this.socket, '--no-auth-warning', ...words],
      { env: { ...process.env, REDISCLI_AUTH: this.password } },
    )
    return stdout.trim()
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await ended
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
