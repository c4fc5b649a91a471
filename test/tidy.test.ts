// Checks of the code itself, so that nobody has to remember them in a review.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, it } from 'vitest'

const SRC = join(import.meta.dirname, '../src')

// A file may import from its own folder, or from a folder of a lower rank. Files directly in src/
// join everything: main.ts, compose.ts and the entries of the worker threads.
const RANKS: Record<string, number> = {
  lib: 0,
  domain: 1,
  config: 2,
  sources: 2,
  pack: 2,
  storage: 2,
  catalog: 2,
  state: 2,
  notify: 2,
  operations: 3,
  daemon: 4,
  cli: 5,
  '.': 6,
  // Runs in browsers: it imports nothing of the others, and none of them it; it knows the API alone.
  page: Number.NaN,
}

// Each outside power has one owner.
const OWNERS: readonly [power: RegExp, owner: RegExp][] = [
  [/from '@aws-sdk\/client-s3'/, /^storage\/s3-/],
  [/from '@aws-sdk\/lib-storage'/, /^storage\/s3-transfer\.ts$/],
  [/from '(kysely|pg)'/, /^catalog\//],
  [/from 'better-sqlite3'/, /^(catalog\/open-sqlite|sources\/sqlite-copy|state\/state-file)\.ts$/],
  [/'@mongodb-js\/zstd/, /^pack\/zstd\.ts$/],
  [/from 'xxhash-wasm'/, /^pack\/seek-table\.ts$/],
  [/'koffi'/, /^lib\/native-library\.ts$/],
  [/from 'tar-stream'/, /^pack\/tar-cross-reader\.ts$/],
  [/from 'ignore'/, /^sources\/exclude\.ts$/],
  [/from 'dotenv'/, /^config\/load\.ts$/],
  [/from '(@inquirer|inquirer)/, /^cli\/prompts\.ts$/],
  [
    /from 'node:child_process'/,
    /^(sources\/child(-pipes|-guard)?|pack\/special-files|daemon\/job-process)\.ts$/,
  ],
  [/'nodemailer/, /^notify\/mail\.ts$/],
  [/from 'zod'/, /^daemon\//],
  [/from 'node:worker_threads'/, /^([^/]+-worker|compose|compose-[a-z-]+)\.ts$|^lib\/worker\.ts$/],
  [/\bprocess\.env\b/, /^config\/load\.ts$/],
  [/\bprocess\.exit\b/, /^main\.ts$/],
  [/\bconsole\./, /^(cli\/output|lib\/log)\.ts$/],
  [/from 'preact/, /^page\//],
  [/\b(?:sessionStorage|localStorage)\b\./, /^page\//],
  [/\bprocess\.std(out|err)\b/, /^(main|cli\/(output|terminal|progress))\.ts$/],
]

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => ({ file, text: readFileSync(join(SRC, file), 'utf8') }))

it('imports only point downwards', () => {
  const wrong: string[] = []
  for (const { file, text } of files) {
    for (const [, target = ''] of text.matchAll(/(?:from|import\() ?'(\.[^']+)'/g)) {
      const to = relative(SRC, join(SRC, dirname(file), target))
      const [fromFolder, toFolder] = [folderOf(file), folderOf(to)]
      if (fromFolder !== toFolder && !(rank(fromFolder) > rank(toFolder)))
        wrong.push(`${file} -> ${to}`)
    }
  }
  expect(wrong).toEqual([])
})

it('outside powers are used only by their owners', () => {
  const wrong = files.flatMap(({ file, text }) =>
    OWNERS.filter(([power, owner]) => power.test(text) && !owner.test(file)).map(
      ([power]) => `${file}: ${power}`,
    ),
  )
  expect(wrong).toEqual([])
})

it('files stay readable: at most 350 lines', () => {
  const linesMax = 350
  const long = files.filter(({ text }) => text.split('\n').length > linesMax)
  expect(long.map(({ file }) => file)).toEqual([])
})

it('every file says what it is for', () => {
  const silent = files.filter(({ text }) => !/^(#!.*\n)?\/\/ \S/.test(text))
  expect(silent.map(({ file }) => file)).toEqual([])
})

it('names are kebab-case, and say more than "utils"', () => {
  const odd = files.filter(({ file }) => {
    const parts = file.split('/')
    return parts.some(
      (part) =>
        !/^[a-z0-9]+(-[a-z0-9]+)*(\.tsx?)?$/.test(part) ||
        /^(utils?|helpers?|common|core|index)(\.tsx?)?$/.test(part),
    )
  })
  expect(odd.map(({ file }) => file)).toEqual([])
})

it('exports have names', () => {
  expect(files.filter(({ text }) => /^export default/m.test(text)).map(({ file }) => file)).toEqual(
    [],
  )
})

function folderOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : '.'
}

function rank(folder: string): number {
  const found = RANKS[folder]
  if (found === undefined) throw new Error(`src/${folder} has no rank: add it to RANKS`)
  return found
}

it('every program that a script of package.json starts is built', () => {
  const root = join(SRC, '..')
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const programs = Object.values(scripts).flatMap((text) => text.match(/dist\/\S+\.js/g) ?? [])
  expect(programs.length).toBeGreaterThan(0)
  expect(programs.filter((program) => !existsSync(join(root, program)))).toEqual([])
})
