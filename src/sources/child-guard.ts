// A shell of two lines that outlives us: when this process dies, however it does, it kills the process group
// of a program that would otherwise go on for ever (one that hangs never notices that nobody reads).

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'

// `read` is the shell's own, so this is one small process. The second line comes when all is over.
const SCRIPT = 'read -r group || exit 0; read -r over || kill -s KILL -- "-$group"'

export class ChildGuard {
  readonly #shell: ChildProcess
  readonly #gone: Promise<void>

  constructor() {
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT], {
      stdio: ['pipe', 'ignore', 'ignore'],
      // A session of its own: what ends us by our group must not end it.
      detached: true,
      env: { PATH: '/usr/bin:/bin' },
      cwd: '/',
    })
    // Without a shell there is no guard, and the program runs all the same.
    this.#shell.on('error', () => undefined)
    this.#shell.stdin?.on('error', () => undefined)
    this.#gone = new Promise((resolve) => this.#shell.once('exit', () => resolve()))
    this.#shell.unref()
  }

  watch(group: number): void {
    this.#shell.stdin?.write(`${group}\n`)
  }

  /**
   * The group is over: its number may soon be another one's. Resolves when the shell has gone, so that
   * nobody else has to bury it: in a container the first process may not.
   */
  async end(): Promise<void> {
    if (this.#shell.pid === undefined) return
    // Else the process would end while it waits.
    this.#shell.ref()
    this.#shell.stdin?.end('over\n')
    await this.#gone
  }
}
