// A real PostgreSQL server of the suite's own: from Debian's packages, in a temporary folder, as a user who is
// not root, with passwords (scram-sha-256), on a socket and on a random port of loopback.

import { execFile, execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const PACKAGES = '/usr/lib/postgresql'

/** The folder of the newest server's programs; undefined: none is installed. */
export function postgresPrograms(): string | undefined {
  if (!existsSync(PACKAGES)) return undefined
  const versions = readdirSync(PACKAGES).filter((name) =>
    existsSync(join(PACKAGES, name, 'bin/postgres')),
  )
  const newest = versions.sort((a, b) => Number(a) - Number(b)).at(-1)
  return newest === undefined ? undefined : join(PACKAGES, newest, 'bin')
}

export class PostgresServer {
  readonly folder: string
  readonly port: number
  readonly user = 'postgres'
  readonly password = "Spillway's \\secret:1"
  readonly #programs: string
  readonly #server: ChildProcess

  private constructor(folder: string, port: number, programs: string, server: ChildProcess) {
    this.folder = folder
    this.port = port
    this.#programs = programs
    this.#server = server
  }

  static async start(): Promise<PostgresServer> {
    const programs = postgresPrograms()
    if (programs === undefined) throw new Error('PostgreSQL is not installed')
    const folder = mkdtempSync(join(tmpdir(), 'spillway-pg-'))
    const port = await freePort()
    const passwordFile = join(folder, 'password')
    const plain = new PostgresServer(folder, port, programs, undefined as never)
    writeFileSync(passwordFile, `${plain.password}\n`)
    const owner = ownerOfServers('postgres')
    for (const path of [folder, passwordFile]) chownSync(path, owner.uid, owner.gid)
    const as = { ...owner, env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' }, cwd: folder }
    const data = join(folder, 'data')
    execFileSync(
      join(programs, 'initdb'),
      [
        ...['-D', data, '-U', plain.user, '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
        ...['-E', 'UTF8', '--no-sync'],
      ],
      { ...as, stdio: 'pipe' },
    )
    return PostgresServer.#run(folder, port, programs)
  }

  /** A second one that follows this one: read only. */
  async standby(): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'spillway-pg-'))
    const owner = ownerOfServers('postgres')
    chownSync(folder, owner.uid, owner.gid)
    const from = ['-h', this.folder, '-p', String(this.port), '-U', this.user]
    await promisify(execFile)(
      join(this.#programs, 'pg_basebackup'),
      [...from, '-D', join(folder, 'data'), '-R', '-X', 'stream', '--checkpoint=fast', '--no-sync'],
      { ...owner, env: { PATH: process.env['PATH'], PGPASSWORD: this.password }, cwd: folder },
    )
    return PostgresServer.#run(folder, await freePort(), this.#programs)
  }

  static async #run(folder: string, port: number, programs: string): Promise<PostgresServer> {
    const owner = ownerOfServers('postgres')
    const as = { ...owner, env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' }, cwd: folder }
    const settings = ['fsync=off', 'max_connections=30', 'shared_buffers=32MB']
    const server = spawn(
      join(programs, 'postgres'),
      [
        ...['-D', join(folder, 'data'), '-p', String(port), '-h', '127.0.0.1', '-k', folder],
        ...settings.flatMap((setting) => ['-c', setting]),
      ],
      { ...as, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    await untilItSays(server, 'ready to accept')
    return new PostgresServer(folder, port, programs, server)
  }

  /** For SOURCE_N_POSTGRES: over the network, or over the socket. */
  url(database = '', way: 'port' | 'socket' = 'port'): string {
    const name = encodeURIComponent(database)
    return way === 'port'
      ? `postgres://${this.user}@127.0.0.1:${this.port}/${name}`
      : `postgres://${this.user}@/${name}?host=${encodeURIComponent(this.folder)}&port=${this.port}`
  }

  /** Runs one of its client programs against a database; pgbench takes its name alone. */
  async client(
    program: string,
    args: readonly string[],
    database = 'postgres',
    way: 'address' | 'plain' = 'address',
  ): Promise<string> {
    const quoted = database.replace(/[\\']/g, '\\$&')
    const address = `--dbname=host=${this.folder} port=${this.port} user=${this.user} dbname='${quoted}'`
    const argv = way === 'address' ? [address, ...args] : [...args, database]
    const { stdout } = await promisify(execFile)(join(this.#programs, program), argv, {
      env: {
        ...{ PATH: process.env['PATH'], PGPASSWORD: this.password, LC_ALL: 'C.UTF-8' },
        ...{ PGHOST: this.folder, PGPORT: String(this.port), PGUSER: this.user },
      },
      maxBuffer: 1 << 28,
    })
    return stdout
  }

  async sql(text: string, database = 'postgres'): Promise<string> {
    const file = join(this.folder, `sql-${Math.random().toString(36).slice(2)}`)
    writeFileSync(file, text)
    try {
      const quiet = ['--no-psqlrc', '-qAt', '-v', 'ON_ERROR_STOP=1', '-f', file]
      return (await this.client('psql', quiet, database)).trim()
    } finally {
      rmSync(file)
    }
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#server.once('exit', resolve))
    // At once: whoever is connected is cut off.
    this.#server.kill('SIGQUIT')
    await ended
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A server refuses to run as root: then it is the user that the package has made. */
export function ownerOfServers(user: string): { readonly uid: number; readonly gid: number } {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  if (uid !== 0) return { uid, gid }
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** Of its standard error. */
export async function untilItSays(server: ChildProcess, words: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let said = ''
    server.stderr?.on('data', (chunk: Buffer) => {
      if (said.length < 100_000) said += chunk.toString()
      if (said.includes(words)) resolve()
    })
    server.once('error', reject)
    server.once('exit', () => reject(new Error(`the server did not start: ${said}`)))
  })
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
