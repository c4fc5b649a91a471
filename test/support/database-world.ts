// An installation whose only source is a server of databases, run as the real program; tools that lie, put in
// front of the real ones; and a look at what every process of this machine shows of itself meanwhile.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { quoteValue } from '../../src/config/env-file.ts'
import type { RunReport } from '../../src/domain/run-report.ts'
import { spillway } from './command-sources.ts'
import { World } from './world.ts'

export class DatabaseWorld {
  readonly world: World
  /** Programs in here are found first. */
  readonly tools: string
  readonly disk: string

  private constructor(world: World) {
    this.world = world
    this.tools = join(world.folder, 'tools')
    this.disk = join(world.folder, 'disk')
  }

  static async make(source: Readonly<Record<string, string>>): Promise<DatabaseWorld> {
    const made = new DatabaseWorld(await World.make([]))
    mkdirSync(made.tools)
    mkdirSync(made.disk)
    const { env } = made.world
    delete env['SOURCE_1_PATH']
    env['SOURCE_1_NAME'] = 'db'
    env['S3_SERVER_1_ENDPOINT'] = `file://${made.disk}`
    made.set(source)
    return made
  }

  /** Of SOURCE_1_. */
  set(settings: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(settings))
      this.world.env[`SOURCE_1_${name}`] = quoteValue(value) ?? value
  }

  get spool(): string {
    return join(this.world.folder, 'data/spool')
  }

  async cli(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const path = `${this.tools}:${process.env['PATH'] ?? ''}`
    const config = ['--config', await this.world.writeEnv()]
    const ended = await spillway([...argv, ...config], { PATH: path, ...env })
    return { exit: ended.exit, out: ended.out.toString(), err: ended.err }
  }

  async run(env: Readonly<Record<string, string>> = {}): Promise<RunReport> {
    const { out, err } = await this.cli(['run', '--json'], env)
    if (!out.startsWith('{')) throw new Error(`no report: ${out} ${err}`)
    return JSON.parse(out) as RunReport
  }

  /** With stock tar, into a new folder. Returns it. */
  extract(report: RunReport): string {
    const to = join(this.world.folder, `out-${report.archives[0]!.id}`)
    mkdirSync(to)
    execFileSync('tar', ['--zstd', '-xf', join(this.disk, report.archives[0]!.key), '-C', to])
    return to
  }

  /** A program of that name which runs `script`; `real` in it is the true one. */
  fakeTool(name: string, real: string, script: string, version = `exec ${real} --version`): void {
    const text = `#!/bin/bash\nreal() { ${real} "$@"; }\nif [ "$1" = --version ]; then ${version}; exit; fi\n${script}\n`
    writeFileSync(join(this.tools, name), text, { mode: 0o755 })
  }

  /** Option files of a user whose home is the folder of the world. */
  fakeHome(options: string): void {
    writeFileSync(join(this.world.folder, '.my.cnf'), options, { mode: 0o600 })
  }

  close(): Promise<void> {
    return this.world.close()
  }
}

export type Sampled = {
  /** Where it stood: `PID cmdline`, `PID environ`. */
  readonly leaks: readonly string[]
  /** Names of the programs that were seen. */
  readonly programs: ReadonlySet<string>
}

/** Looks at all processes again and again while `work` goes on. */
export async function sampleProcesses<Result>(
  secrets: readonly string[],
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly sampled: Sampled }> {
  const leaks: string[] = []
  const programs = new Set<string>()
  let isOver = false
  const look = (): void => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      for (const file of ['cmdline', 'environ']) {
        const text = contentOf(`/proc/${pid}/${file}`)
        if (file === 'cmdline') programs.add(text.split('\0')[0]!.replace(/.*\//, ''))
        if (secrets.some((secret) => text.includes(secret))) leaks.push(`${pid} ${file} ${text}`)
      }
    }
  }
  const looking = (async () => {
    while (!isOver) {
      look()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  try {
    return { result: await work(), sampled: { leaks, programs } }
  } finally {
    isOver = true
    await looking
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // It ended meanwhile.
    return ''
  }
}
