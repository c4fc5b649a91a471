// Programs that find a small disk at one of their folders, or another file mounted over one: in a mount namespace of their own,
// which ends with them and needs no root where users may have namespaces.

import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')
const NAMESPACE = process.getuid?.() === 0 ? ['-m'] : ['-Urm']

/** Whether a disk can be mounted here; a container may forbid that. */
export const canMount = ((): boolean => {
  try {
    const script = 'mount -t tmpfs none /mnt'
    execFileSync('unshare', [...NAMESPACE, 'sh', '-c', script], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

export type OnDisk = { readonly exit: number; readonly output: string }

export type Step =
  /** Words behind `spillway`. */
  | { readonly argv: readonly string[] }
  /** Options of mount, e.g. `size=100m`, `ro`. */
  | { readonly remount: string }

/**
 * One after another, on one disk that is mounted at `folder` and holds what the folder held. In the end the folder has
 * what the disk had.
 */
export async function onSmallDisk(
  disk: { readonly folder: string; readonly options: string },
  steps: readonly Step[],
): Promise<readonly OnDisk[]> {
  const { folder, options } = disk
  const [before, after] = [`${folder}.before`, `${folder}.after`]
  if (existsSync(folder)) cpSync(folder, before, { recursive: true, preserveTimestamps: true })
  else mkdirSync(before, { recursive: true })
  mkdirSync(folder, { recursive: true })
  mkdirSync(after)
  const script = [
    `set -e; mount -t tmpfs -o ${options} none "$1"; cp -a "$2/." "$1"; set +e`,
    ...steps.map((step) =>
      'remount' in step
        ? `mount -o remount,${step.remount} "$1"`
        : `"$4" "$5" ${step.argv.map((word) => `'${word}'`).join(' ')} 2>&1; echo "exit $?"`,
    ),
    'cp -a "$1/." "$3"',
  ].join('\n')
  const args = [folder, before, after, process.execPath, PROGRAM]
  const output = await outputOf('unshare', [...NAMESPACE, 'sh', '-c', script, 'sh', ...args])
  rmSync(folder, { recursive: true })
  cpSync(after, folder, { recursive: true, preserveTimestamps: true })
  for (const path of [before, after]) rmSync(path, { recursive: true })
  return output
    .split(/^(exit \d+)\n/m)
    .flatMap((text, at, all) =>
      at % 2 === 0 || all[at - 1] === undefined
        ? []
        : [{ exit: Number(text.slice(5)), output: all[at - 1]! }],
    )
}

/** The program where names resolve as this text says, in the form of /etc/hosts. */
export async function withHosts(
  hosts: { readonly path: string; readonly text: string },
  argv: readonly string[],
): Promise<OnDisk> {
  writeFileSync(hosts.path, hosts.text)
  return withMounted({ file: hosts.path, at: '/etc/hosts' }, argv)
}

/** The program where one file is mounted at the place of another, as containers do it. */
export async function withMounted(
  { file, at }: { readonly file: string; readonly at: string },
  argv: readonly string[],
): Promise<OnDisk> {
  const script = 'mount --bind "$1" "$2"; shift 2; "$@" 2>&1; echo "exit $?"'
  const args = ['sh', file, at, process.execPath, PROGRAM, ...argv]
  const output = await outputOf('unshare', [...NAMESPACE, 'sh', '-c', script, ...args])
  return { exit: Number(/^exit (\d+)$/m.exec(output)?.[1]), output }
}

async function outputOf(command: string, argv: readonly string[]): Promise<string> {
  const child = spawn(command, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const exit = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (exit !== 0) throw new Error(`the disk could not be used (exit ${exit}): ${text}`)
  return text
}
