// The questions about one server, and its live test before the answers are kept.

import { pathToFileURL } from 'node:url'
import { SERVER_SETTINGS } from '../../config/settings.ts'
import { parseEndpoint } from '../../config/endpoint.ts'
import type { Endpoint } from '../../config/endpoint.ts'
import { ENTRY_SETTINGS, entryPrefix } from '../../config/names.ts'
import { formatProblem, ValueProblem } from '../../config/problem.ts'
import type { Problem } from '../../config/problem.ts'
import { readServer } from '../../config/servers.ts'
import { path as parsePath } from '../../config/values.ts'
import { isFailure, messageOf } from '../../domain/errors.ts'
import { PLACEHOLDER, PROVIDERS, regionOfHost } from '../../domain/providers.ts'
import type { Provider } from '../../domain/providers.ts'
import { createRedactor } from '../../lib/redact.ts'
import { maskValue } from '../../operations/configure-masks.ts'
import type { TestResult } from '../../operations/configure-test-server.ts'
import { orBack } from '../prompts.ts'
import type { Choice } from '../prompts.ts'
import { oneLine } from '../text.ts'
import { askSetting } from './ask-setting.ts'
import type { Wizard } from './wizard.ts'

/** Asks, tests, and keeps the answers, or leaves the draft as it was. */
export async function addServer(wizard: Wizard, number: number): Promise<void> {
  const before = wizard.draft.state
  const isKept = await orBack(async () => {
    const provider = await wizard.prompts.choose<Provider>({
      message: 'Where is it?',
      choices: PROVIDERS.map((each) => ({
        name: each.name,
        value: each,
        description: each.endpointHint,
      })),
    })
    if (provider.note !== undefined) wizard.print(`  Note: ${provider.note}.`)
    if (provider.id === 'file') await askDirectory(wizard, number)
    else await askS3(wizard, number, provider)
    await askSetting(wizard, `${entryPrefix('S3_SERVER', number)}STORAGE_LIMIT_GB`, {
      message: 'Storage limit in GB (10^9 bytes): no more than that is put there',
      suggestion: SERVER_SETTINGS.STORAGE_LIMIT_GB.fallback,
      isRequired: true,
    })
    return (await testAndSettle(wizard, number, 'undo')) !== 'undo'
  }, false)
  if (isKept) return
  wizard.draft.restore(before)
  wizard.print('The server was not added.')
}

async function askDirectory(wizard: Wizard, number: number): Promise<void> {
  const check = (text: string) => {
    try {
      if (!text.startsWith('/')) return 'an absolute path is needed'
      parseEndpoint(pathToFileURL(parsePath(text, { envFileDir: '/' })).href, undefined)
      return undefined
    } catch (error) {
      if (error instanceof ValueProblem) return error.message
      throw error
    }
  }
  const variable = `${entryPrefix('S3_SERVER', number)}ENDPOINT`
  const present = wizard.draft.value(variable)
  const known = directoryOf(present)
  const directory = await wizard.prompts.ask({
    message: 'Directory (absolute path; its disk must be mounted at night):',
    ...(known === undefined ? { suggestion: '/mnt/backup/spillway' } : { initial: known }),
    check,
  })
  const url = pathToFileURL(directory).href
  if (url !== present) wizard.draft.change({ set: [[variable, url]] })
}

async function askS3(wizard: Wizard, number: number, provider: Provider): Promise<void> {
  const prefix = entryPrefix('S3_SERVER', number)
  const ask = (name: string, message: string, suggestion = '') =>
    askSetting(wizard, prefix + name, { message, suggestion, isRequired: true })
  const askRegion = (suggestion: string) =>
    ask('REGION', `Region (${provider.regionHint})`, suggestion)
  const askEndpoint = (suggestion: string) =>
    ask('ENDPOINT', `Endpoint (${provider.endpointHint})`, suggestion)

  // Where the region makes the endpoint, it is the easier question; elsewhere the endpoint tells it.
  if (provider.endpoint.includes('REGION')) {
    const region = await askRegion('')
    await askEndpoint(provider.endpoint.replace('REGION', region))
  } else {
    const isTemplate = PLACEHOLDER.test(provider.endpoint) || provider.endpoint.includes('example')
    await askEndpoint(isTemplate ? '' : provider.endpoint)
    const known = regionOfHost(hostOf(wizard.draft.value(`${prefix}ENDPOINT`)))
    await askRegion(provider.region ?? known ?? '')
  }
  await ask('BUCKET', 'Bucket (it must exist already)')
  await ask('ACCESS_KEY', 'Access key id')
  await ask('SECRET_KEY', 'Secret access key (not shown)')
}

function hostOf(endpoint: string): string {
  const found = endpointOf(endpoint)
  return found?.kind === 's3' ? found.hostName : ''
}

function directoryOf(endpoint: string): string | undefined {
  const found = endpointOf(endpoint)
  return found?.kind === 'file' ? found.directory : undefined
}

function endpointOf(text: string): Endpoint | undefined {
  try {
    return parseEndpoint(text, undefined)
  } catch (error) {
    // Told where the whole entry is judged; here it only means that nothing is known.
    if (error instanceof ValueProblem) return undefined
    throw error
  }
}

// A change of these does not change whether the server takes archives.
const UNTESTED = new Set(['LABEL', 'STORAGE_LIMIT_GB', 'ENABLED'])

/** One setting after the other, until "Done"; then the test. */
export async function editServer(wizard: Wizard, number: number): Promise<void> {
  const { draft, prompts } = wizard
  const before = draft.state
  const prefix = entryPrefix('S3_SERVER', number)
  const names = Object.keys(ENTRY_SETTINGS.S3_SERVER)
  const valuesOf = () =>
    JSON.stringify(
      names.filter((name) => !UNTESTED.has(name)).map((name) => draft.value(prefix + name)),
    )
  const valuesBefore = valuesOf()
  let initial = 'ENDPOINT'
  for (;;) {
    const answer = await orBack(
      () =>
        prompts.choose<string>({
          message: `Server ${number}: which setting?`,
          choices: [
            ...names.map((name) => settingChoice(wizard, prefix, name)),
            'line',
            { name: 'Done', value: 'done' },
          ],
          initial,
        }),
      'done',
    )
    if (answer === 'done') break
    initial = answer
    await orBack(async () => void (await askOne(wizard, prefix, answer)), undefined)
  }
  if (valuesOf() === valuesBefore) return
  if ((await testAndSettle(wizard, number, 'undo')) !== 'undo') return
  draft.restore(before)
  wizard.print('The server is as it was.')
}

/** The endpoint often tells the region. */
function askOne(wizard: Wizard, prefix: string, name: string, isRequired = false): Promise<string> {
  const { draft } = wizard
  const known =
    name === 'REGION' ? regionOfHost(hostOf(draft.value(`${prefix}ENDPOINT`))) : undefined
  return askSetting(wizard, prefix + name, { suggestion: known ?? '', isRequired })
}

function settingChoice({ draft }: Wizard, prefix: string, name: string): Choice<string> {
  const setting = ENTRY_SETTINGS.S3_SERVER[name]
  const value = draft.value(prefix + name)
  const shown =
    value === ''
      ? `(${setting?.fallback ?? setting?.otherwise ?? 'not set'})`
      : oneLine(maskValue(prefix + name, value))
  return { name: `${name.padEnd(18)}${shown}`, value: name, description: setting?.help ?? '' }
}

type Settled = 'keep' | 'undo'

/**
 * Tests the server as it is in the draft. When the test fails, the operator decides; `other` is the
 * way out that changes nothing.
 */
export async function testAndSettle(
  wizard: Wizard,
  number: number,
  other: Settled,
): Promise<Settled> {
  const { draft, prompts, print } = wizard
  const variable = `${entryPrefix('S3_SERVER', number)}ENABLED`
  for (;;) {
    if ((await test(wizard, number)).ok) return 'keep'
    const answer = await orBack(
      () =>
        prompts.choose<'again' | 'edit' | 'disable' | 'keep' | 'undo'>({
          message: 'The nightly run could not store archives there. What now?',
          choices: [
            { name: 'Correct its settings', value: 'edit' },
            { name: 'Test again', value: 'again' },
            { name: 'Keep it, but disabled', value: 'disable' },
            {
              name: 'Keep it as it is',
              value: 'keep',
              description: 'each run will try it and warn',
            },
            ...(other === 'undo' ? [{ name: 'Undo', value: 'undo' } as const] : []),
          ],
        }),
      other,
    )
    if (answer === 'keep' || answer === 'undo') return answer
    if (answer === 'disable') {
      draft.change({ set: [[variable, 'false']] })
      print('It is disabled; "Enable it" tests it again.')
      return 'keep'
    }
    if (answer === 'edit') {
      // Its own loop of test and correction; what it settles is settled.
      const before = draft.state
      await editSettings(wizard, number)
      if (before.text === draft.state.text) print('Nothing was changed.')
    }
  }
}

/** The questions of a form that was filled in once, with what was answered then. */
async function editSettings(wizard: Wizard, number: number): Promise<void> {
  const prefix = entryPrefix('S3_SERVER', number)
  const { draft } = wizard
  const isFile = draft.value(`${prefix}ENDPOINT`).startsWith('file:')
  const names = ['ENDPOINT', 'REGION', 'BUCKET', 'ACCESS_KEY', 'SECRET_KEY']
  await orBack(async () => {
    if (isFile) await askDirectory(wizard, number)
    else for (const name of names) await askOne(wizard, prefix, name, true)
  }, undefined)
}

async function test(
  { draft, print, signal, testServer }: Wizard,
  number: number,
): Promise<TestResult> {
  const problems: Problem[] = []
  const server = readServer(draft.joined, number, { envFileDir: draft.envFileDir }, problems)
  if (server === undefined) {
    for (const problem of problems) print(`  ${oneLine(formatProblem(problem))}`)
    return { ok: false, lines: [] }
  }
  print(`Testing ${oneLine(server.label)} ...`)
  const result = await tested(() => testServer(server, signal, draft.surroundings), signal)
  // What the server answered may repeat what it was sent.
  const redact = createRedactor(server.kind === 's3' ? [server.secretKey] : [])
  for (const line of result.lines) print(`  ${oneLine(redact(line))}`)
  print(result.ok ? 'It works.' : 'It does not work yet.')
  return result
}

/** A failure of the test is an answer, too; an interruption is none. */
async function tested(run: () => Promise<TestResult>, signal: AbortSignal): Promise<TestResult> {
  try {
    return await run()
  } catch (error) {
    if (signal.aborted || isFailure(error, 'INTERRUPTED')) throw error
    return { ok: false, lines: [messageOf(error)] }
  }
}
