// `--help` must be there at once. What makes it slow is what is imported on the way, so the imports
// are followed as data: from the entry and from every command, through everything that is loaded
// before a command asks for its services. xxhash-wasm is not heavy (6 ms, in the commands that read
// frames); each of the others takes 20 to 300 ms.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, join, relative } from 'node:path'
import { expect, it } from 'vitest'

const SRC = join(import.meta.dirname, '../../src')
const HEAVY =
  /^(@aws-sdk|@smithy|@mongodb-js|better-sqlite3|kysely|inquirer|@inquirer|tar-stream|pg|koffi)\b/

const entries = [
  join(SRC, 'main.ts'),
  ...readdirSync(join(SRC, 'cli/commands')).map((file) => join(SRC, 'cli/commands', file)),
].filter((path) => existsSync(path))

it.each(entries.map((path) => [relative(SRC, path), path]))(
  '%s loads nothing heavy',
  (_name, path) => {
    const heavy = [...loadedBy(path)].filter(([target]) => HEAVY.test(target))
    expect(heavy.map(([target, importer]) => `${relative(SRC, importer)} -> ${target}`)).toEqual([])
  },
)

it('help loads neither commands nor packages, dotenv apart', () => {
  const loaded = [...loadedBy(join(SRC, 'main.ts')).keys()]
  const packages = loaded.filter((target) => !isAbsolute(target) && !target.startsWith('node:'))
  expect(packages).toEqual(['dotenv'])
  expect(loaded.filter((target) => target.startsWith(join(SRC, 'cli/commands')))).toEqual([])
})

it('sees the imports at all', () => {
  const loaded = loadedBy(join(SRC, 'cli/commands/list.ts'))
  expect(loaded.has(join(SRC, 'domain/errors.ts'))).toBe(true)
  expect(HEAVY.test('@aws-sdk/client-s3')).toBe(true)
})

/** Each file and package that is loaded with this file, with one that imports it. */
function loadedBy(path: string, found = new Map<string, string>()): ReadonlyMap<string, string> {
  const text = readFileSync(path, 'utf8')
  // Static imports that are more than types; `import()` waits until it is reached.
  const imports = text.matchAll(/^(?:import|export) (?!type\b)(?:[^'";]*? from )?'([^']+)'/gm)
  for (const [, target = ''] of imports) {
    const key = target.startsWith('.') ? join(dirname(path), target) : target
    if (found.has(key)) continue
    found.set(key, path)
    if (target.startsWith('.') && existsSync(key)) loadedBy(key, found)
  }
  return found
}
