// `npm run build` makes dist/: few files, since each costs the loader half a millisecond. A nightly run loads 20 of them instead of
// nearly 600: 0.3 s and 30 MiB less, measured; `--help` loads 3.
//
// Entries keep the paths of their sources, since programs find each other by them (lib/worker.ts).
//
// The page becomes four files that the daemon holds in memory: dist/src/page/.

import { chmodSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')

const programs = [
  'configure.ts',
  'src/main.ts',
  ...inFolder('scripts', /\.ts$/),
  ...['api', 'bench', 'history-year', 'million-rows'].map((name) => `scripts/bench/${name}.ts`),
]
// Each is alone in its thread or process: what it shares with others would be loaded again anyway.
const alone = [...inFolder('src', /-(?:worker|program)\.ts$/), 'test/support/s3-model-main.ts']

// What is loaded together is one chunk, with all that it imports; a module belongs to the first that wants it.
// The rest is divided by who shares it.
const together = {
  start: [
    ...['cli.ts', 'command-titles.ts', 'interrupt.ts', 'terminal.ts'].map(
      (name) => `src/cli/${name}`,
    ),
    ...['src/config/load.ts', 'src/end-process.ts', 'src/lib/redact.ts'],
  ],
  night: [
    'src/cli/commands/run.ts',
    'src/compose.ts',
    'src/compose-run.ts',
    'src/compose-packer.ts',
  ],
  catalog: ['src/catalog/open-sqlite.ts', 'src/state/open-state.ts'],
  servers: ['src/compose-storage.ts'],
}

await build(programs, {
  groups: Object.entries(together).map(([name, paths], at) => ({
    name,
    test: (id) => paths.includes(relative(root, id)),
    priority: Object.keys(together).length - at,
  })),
})
for (const path of alone) await build([path], false)

async function build(paths, codeSplitting) {
  const bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(paths.map((path) => [path.replace(/\.ts$/, ''), path])),
    platform: 'node',
    // The first three find their binaries beside themselves; the last only the wizard loads.
    external: [/^better-sqlite3/, /^koffi/, /^@mongodb-js\//, /^inquirer/],
    // ES modules where a package has both: what nobody uses is left out (half of the AWS SDK).
    resolve: { mainFields: ['module', 'main'] },
    // What compose.ts imports late may stand beside it here.
    checks: { ineffectiveDynamicImport: false },
  })
  await bundle.write({
    dir: join(root, 'dist'),
    format: 'esm',
    entryFileNames: '[name].js',
    // No hash: a build while a run goes on replaces a chunk instead of taking it away.
    chunkFileNames: 'src/chunks/[name].js',
    codeSplitting,
  })
  await bundle.close()
}

chmodSync(join(root, 'dist/src/main.js'), 0o755)
await buildPage(join(root, 'src/page'), join(root, 'dist/src/page'))

async function buildPage(from, to) {
  const page = await rolldown({
    cwd: root,
    input: { app: join(from, 'main.tsx') },
    platform: 'browser',
    transform: { target: 'es2022', jsx: { runtime: 'automatic' } },
  })
  await page.write({ dir: to, format: 'iife', entryFileNames: '[name].js', minify: true })
  await page.close()
  const sheets = readdirSync(join(from, 'style')).toSorted()
  const css = sheets.map((name) => readFileSync(join(from, 'style', name), 'utf8')).join('')
  writeFileSync(join(to, 'app.css'), withoutBlanks(css))
  for (const name of ['page.html', 'icon.svg']) copyFileSync(join(from, name), join(to, name))
}

/** Without comments and needless blanks; our own style sheets have neither in strings. */
function withoutBlanks(css) {
  return css
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};,]) ?/g, '$1')
}

function inFolder(folder, pattern) {
  return readdirSync(join(root, folder))
    .filter((name) => pattern.test(name))
    .map((name) => `${folder}/${name}`)
}
