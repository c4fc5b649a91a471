// Sources that are commands, as the configuration would make them; and the program as a child process.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { CommandSource } from '../../src/domain/source.ts'

const KEEP = {
  last: undefined,
  daily: undefined,
  weekly: undefined,
  monthly: undefined,
  yearly: undefined,
  withinDays: undefined,
}

export function commandSource(
  argv: readonly [string, ...string[]],
  more: Partial<CommandSource> = {},
): CommandSource {
  return {
    kind: 'command',
    number: 1,
    name: 'dump',
    argv,
    text: argv.join(' '),
    fileName: 'dump.out',
    workingFolder: '/',
    environment: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    secrets: [],
    silenceMs: 600_000,
    outputBytesMin: 1,
    mayBeEmpty: false,
    keep: KEEP,
    ...more,
  }
}

export function bash(script: string, more: Partial<CommandSource> = {}): CommandSource {
  return commandSource(['bash', '-o', 'pipefail', '-c', script], more)
}

export type Ended = { readonly exit: number | null; readonly out: Buffer; readonly err: string }

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

export async function spillway(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...argv], { env: { ...process.env, ...env } })
  const out: Buffer[] = []
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const exit = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  return { exit, out: Buffer.concat(out), err }
}
