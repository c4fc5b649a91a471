// Node 20 cannot run TypeScript: worker threads and child processes of the tests run dist/, so
// dist/ is built before the first test, in about a second.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

export function setup(): void {
  const root = join(import.meta.dirname, '../..')
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
}
