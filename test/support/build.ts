// Node 20 cannot run TypeScript: worker threads and child processes of the tests run dist/, so dist/ is
// built before the first test, in about a second. dist/modules/ is for tests alone: the same code file by
// file, for child processes that call one function of it, and programs of the tests (test/support/*-main.ts).

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '../..')

export async function setup(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  const programs = readdirSync(import.meta.dirname).filter((file) => file.endsWith('-main.ts'))
  const bundle = await rolldown({
    cwd: root,
    input: [
      // The page runs in browsers alone.
      ...files
        .filter((file) => file.endsWith('.ts') && !file.startsWith('page/'))
        .map((file) => join(root, 'src', file)),
      ...programs.map((file) => join(import.meta.dirname, file)),
    ],
    platform: 'node',
    external: (id) => !id.startsWith('.') && !id.startsWith('/'),
  })
  await bundle.write({
    dir: join(root, 'dist/modules'),
    format: 'esm',
    preserveModules: true,
    preserveModulesRoot: root,
  })
  await bundle.close()
}
