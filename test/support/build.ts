// Node 20 cannot run TypeScript: worker threads and child processes of the tests run dist/, so dist/ is
// built before the first test, in about a second. dist/modules/ is for tests alone: the same code file by
// file, for child processes that call one function of it.

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '../..')

export async function setup(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  const bundle = await rolldown({
    cwd: root,
    // The page runs in browsers alone.
    input: files
      .filter((file) => file.endsWith('.ts') && !file.startsWith('page/'))
      .map((file) => join(root, 'src', file)),
    platform: 'node',
    external: (id) => !id.startsWith('.') && !id.startsWith('/'),
  })
  await bundle.write({
    dir: join(root, 'dist/modules/src'),
    format: 'esm',
    preserveModules: true,
    preserveModulesRoot: join(root, 'src'),
  })
  await bundle.close()
}
