// The program in a process of its own, and the most memory that it ever held.

import { spawn } from 'node:child_process'
import { expect } from 'vitest'
import { join } from 'node:path'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

/** In bytes; the program must end well and say nothing on standard error but its journal. */
export async function peakMemoryOf(argv: readonly string[]): Promise<number> {
  // Threads load it as well; each tells of the whole process.
  const tell = `process.on('exit', () => console.error('peak ' + process.resourceUsage().maxRSS))`
  const load = `--import=data:text/javascript,${encodeURIComponent(tell)}`
  const child = spawn(process.execPath, [load, PROGRAM, ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code, text).toBe(0)
  const peaks = [...text.matchAll(/^peak (\d+)$/gm)].map(([, kib]) => Number(kib))
  return Math.max(...peaks) * 1_024
}
