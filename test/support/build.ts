// Node 20 cannot run TypeScript: worker threads and child processes of the tests run dist/, so
// dist/ is brought up to date before the first test. Incremental: under a second when nothing changed.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

export function setup(): void {
  const root = join(import.meta.dirname, '../..')
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', 'scripts/tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  })
}
