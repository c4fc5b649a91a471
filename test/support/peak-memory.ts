// The program in a process of its own, and the most memory that it ever held.

import { spawn } from 'node:child_process'
import { expect } from 'vitest'
import { join } from 'node:path'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

/** In bytes; the program must end well and say nothing on standard error but its journal. */
export async function peakMemoryOf(argv: readonly string[]): Promise<number> {
  const script = `
    process.argv.splice(1, 0, ${JSON.stringify(PROGRAM)})
    process.on('exit', () => console.error('peak ' + process.resourceUsage().maxRSS))
    await import(${JSON.stringify(PROGRAM)})`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code, text).toBe(0)
  return Number(/^peak (\d+)$/m.exec(text)?.[1]) * 1_024
}
