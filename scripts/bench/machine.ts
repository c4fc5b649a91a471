// What the figures were measured on: the machine, and the versions of the programs.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import type { Machine } from './results.ts'

/** `folder`: where the data lies. */
export function describeMachine(folder: string): Machine {
  const all = cpus()
  return {
    processor: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '',
    kernel: release(),
    fileSystem: execFileSync('stat', ['-f', '-c', '%T', folder], { encoding: 'utf8' }).trim(),
  }
}

const VERSION_WORDS: Readonly<Record<string, string>> = { rclone: 'version', restic: 'version' }

/** `{ zstd: '1.5.4', ... }` of programs that are there. */
export function versionsOf(
  programs: readonly string[],
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  return Object.fromEntries(
    programs.map((program) => {
      const words = [VERSION_WORDS[program] ?? '--version']
      const text = execFileSync(program, words, { env, encoding: 'utf8' })
      return [program, /\d+(?:\.\d+)+\S*/.exec(text)?.[0]?.replace(/[,)]+$/, '') ?? '']
    }),
  )
}

export function isThere(program: string, env: NodeJS.ProcessEnv): boolean {
  try {
    execFileSync('which', [program], { env, stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
