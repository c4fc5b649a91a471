// The page's own types of the daemon's answers, held against real answers by the compiler: an answer that lacks a
// field, or has another word in it, is a type error here.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ts from 'typescript'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

const PAGE = join(import.meta.dirname, '../../src/page')

let world: World
let daemon: TestDaemon
beforeAll(async () => {
  world = await World.make([{}, {}])
  world.env['KEEP_LAST'] = '5'
  world.env['NOTIFY_1_URL'] = 'ntfy+http://127.0.0.1:9/nobody'
  await world.noise('a file.bin', 100_000)
  daemon = await TestDaemon.start(world)
})
afterAll(async () => {
  await daemon.stop()
  await world.close()
})

it('fit what the daemon answers', async () => {
  const job = await asked('POST', '/api/runs', {})
  await daemon.follow(job['id'] as string)
  const { archives } = (await asked('GET', '/api/archives')) as { archives: { id: string }[] }
  const id = archives[0]!.id
  const { runs } = (await asked('GET', '/api/runs')) as { runs: { id: string }[] }
  const answers: readonly (readonly [type: string, answer: unknown])[] = [
    ['Session', await asked('GET', '/api/session')],
    ['Check', await asked('GET', '/api/check')],
    ['Status', await asked('GET', '/api/status')],
    ['Usage', await asked('GET', '/api/usage?days=3')],
    ['Archives', await asked('GET', '/api/archives')],
    ['Archive', await asked('GET', `/api/archives/${id}`)],
    ['ArchiveFiles', await asked('GET', `/api/archives/${id}/files`)],
    ['Found', await asked('GET', '/api/files?pattern=*.bin')],
    ['FileHistory', await asked('GET', '/api/files/history?path=a+file.bin')],
    ['Jobs', await asked('GET', '/api/jobs')],
    ['JobWithResult', await asked('GET', `/api/jobs/${String(job['id'])}`)],
    ['Runs', await asked('GET', '/api/runs')],
    ['RunDetail', await asked('GET', `/api/runs/${runs[0]!.id}`)],
    ['Set.Settings', await asked('GET', '/api/settings')],
    ['PrunePreview', await asked('POST', '/api/retention/preview', { settings: {} })],
    ['Download', await asked('POST', `/api/archives/${id}/download`, {})],
    ['Audit', await asked('GET', '/api/audit')],
    ['TestedServer', await asked('POST', '/api/servers/test', { number: 1, settings: {} })],
    ['TestedSource', await asked('POST', '/api/sources/test', { number: 1, settings: {} })],
    [
      'TestedNotification',
      await asked('POST', '/api/notifications/test', { number: 1, settings: {} }),
    ],
    ['ProblemDocument', (await daemon.ask('GET', '/api/jobs/nothing')).json],
    [
      'ProblemDocument',
      (await daemon.ask('PATCH', '/api/settings', { body: { settings: { KEEP_LAST: 'x' } } })).json,
    ],
  ]
  expect(await wrongTypes(answers)).toEqual([])
  // A check that cannot fail checks nothing.
  const [, session] = answers[0]!
  expect(await wrongTypes([['Session', { ...(session as object), scope: 'root' }]])).toHaveLength(1)
}, 60_000)

async function asked(
  method: string,
  path: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const { status, json, text } = await daemon.ask(method, path, { body })
  expect(status, `${method} ${path}: ${text}`).toBeLessThan(300)
  return json
}

async function wrongTypes(
  answers: readonly (readonly [string, unknown])[],
): Promise<readonly string[]> {
  // Beside the sources: the compiler reads types of packages from there.
  const folder = await mkdtemp(join(import.meta.dirname, '../../dist/page-types-'))
  try {
    const path = join(folder, 'answers.ts')
    // Through a constant: what the page does not know of may be there, too.
    const lines = answers.map(
      ([type, answer], index) =>
        `const answer${index} = ${JSON.stringify(answer)} as const\n` +
        `export const checked${index}: ${type.includes('.') ? type : `Api.${type}`} = answer${index}\n`,
    )
    const imports = [
      `import type * as Api from ${JSON.stringify(join(PAGE, 'api-types.ts'))}\n`,
      `import type * as Set from ${JSON.stringify(join(PAGE, 'settings-types.ts'))}\n`,
    ]
    await writeFile(path, [...imports, ...lines].join(''))
    const program = ts.createProgram([path], {
      ...{ strict: true, noEmit: true, exactOptionalPropertyTypes: true, skipLibCheck: true },
      ...{ allowImportingTsExtensions: true, types: [], lib: ['lib.es2023.d.ts'] },
      ...{ module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
    })
    return ts
      .getPreEmitDiagnostics(program)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
