// A real MariaDB server of the suite's own: from Debian's packages, in a temporary folder, as a user who is not
// root, with passwords, on a socket and on a random port of loopback.

import { execFile, execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, ownerOfServers, untilItSays } from './postgres-server.ts'

const SERVER = '/usr/sbin/mariadbd'

export function hasMariaDb(): boolean {
  return existsSync(SERVER)
}

export class MariaDbServer {
  readonly folder: string
  readonly port: number
  readonly user = 'root'
  readonly password = `Spill'way"s \\secret#;1`
  readonly #server: ChildProcess

  private constructor(folder: string, port: number, server: ChildProcess) {
    this.folder = folder
    this.port = port
    this.#server = server
  }

  /** `options` win over its own. */
  static async start(options: readonly string[] = []): Promise<MariaDbServer> {
    const folder = mkdtempSync(join(tmpdir(), 'spillway-maria-'))
    const port = await freePort()
    const owner = ownerOfServers('mysql')
    chownSync(folder, owner.uid, owner.gid)
    const as = { ...owner, env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' }, cwd: folder }
    const data = `--datadir=${join(folder, 'data')}`
    execFileSync(
      'mariadb-install-db',
      ['--no-defaults', data, '--auth-root-authentication-method=normal', '--skip-test-db'],
      { ...as, stdio: 'pipe' },
    )
    const server = spawn(
      SERVER,
      [
        ...['--no-defaults', data, `--socket=${join(folder, 'socket')}`, `--port=${port}`],
        ...['--bind-address=127.0.0.1', `--pid-file=${join(folder, 'pid')}`],
        ...['--innodb-flush-log-at-trx-commit=0', '--innodb-buffer-pool-size=32M'],
        ...['--event-scheduler=ON', '--max-allowed-packet=256M', ...options],
      ],
      { ...as, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    await untilItSays(server, 'ready for connections')
    const started = new MariaDbServer(folder, port, server)
    const password = started.password.replace(/[\\']/g, '\\$&')
    execFileSync('mariadb', [
      ...['--no-defaults', `--socket=${join(folder, 'socket')}`, '--user=root'],
      // It has made others without one.
      `--execute=delete from mysql.global_priv where user = 'root' and host <> 'localhost'; flush privileges;
        create user root@127.0.0.1 identified by '${password}';
        grant all on *.* to root@127.0.0.1 with grant option;
        alter user root@localhost identified by '${password}'`,
    ])
    writeFileSync(
      join(folder, 'client.cnf'),
      `[client]\nuser=root\npassword="${started.password.replace(/[\\"]/g, '\\$&')}"\nsocket=${join(folder, 'socket')}\n`,
    )
    return started
  }

  /** For SOURCE_N_MYSQL: over the network, or over the socket. */
  url(database = '', way: 'port' | 'socket' = 'port'): string {
    const name = encodeURIComponent(database)
    return way === 'port'
      ? `mysql://${this.user}@127.0.0.1:${this.port}/${name}`
      : `mysql://${this.user}@/${name}?socket=${encodeURIComponent(join(this.folder, 'socket'))}`
  }

  /** Runs one of its client programs. */
  async client(program: string, args: readonly string[]): Promise<string> {
    const file = `--defaults-file=${join(this.folder, 'client.cnf')}`
    const { stdout } = await promisify(execFile)(program, [file, ...args], { maxBuffer: 1 << 28 })
    return stdout
  }

  /** Statements from a file, as a restore would read them. */
  async source(file: string, database?: string): Promise<void> {
    const arg = `--defaults-file=${join(this.folder, 'client.cnf')}`
    const script = `exec mariadb "$0" --default-character-set=utf8mb4 --max-allowed-packet=256M -- ${database === undefined ? '' : '"$2"'} < "$1"`
    await promisify(execFile)('bash', ['-c', script, arg, file, database ?? ''])
  }

  async sql(text: string, database?: string): Promise<string> {
    const file = join(this.folder, `sql-${Math.random().toString(36).slice(2)}`)
    writeFileSync(file, text)
    try {
      const options = ['--batch', '--skip-column-names', '--default-character-set=utf8mb4']
      const into = database === undefined ? [] : ['--', database]
      return (
        await this.client('mariadb', [...options, `--execute=source ${file}`, ...into])
      ).trim()
    } finally {
      rmSync(file)
    }
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#server.once('exit', resolve))
    this.#server.kill('SIGKILL')
    await ended
    rmSync(this.folder, { recursive: true, force: true })
  }
}
