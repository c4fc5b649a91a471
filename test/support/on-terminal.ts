// The program on a terminal of its own, where somebody answers what it asks.

import { spawn } from 'node:child_process'
import { join } from 'node:path'

/** Answers what is asked, in order. */
export async function onTerminal(
  args: readonly string[],
  answers: readonly (readonly [question: RegExp, keys: string])[],
): Promise<{ shown: string; exit: number | null }> {
  const program = join(import.meta.dirname, '../../dist/src/main.js')
  const words = [process.execPath, program, ...args].map(
    (each) => `'${each.replaceAll("'", `'\\''`)}'`,
  )
  const child = spawn('script', ['-qefc', words.join(' '), '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', COLUMNS: '200' },
  })
  let shown = ''
  const left = [...answers]
  child.stdout.on('data', (chunk: Buffer) => {
    shown += chunk.toString()
    const [next] = left
    if (next === undefined || !next[0].test(shown)) return
    left.shift()
    child.stdin.write(next[1])
  })
  const exit = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { shown, exit }
}
