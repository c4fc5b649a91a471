// A server of databases in the wizard: where it is, its password, what to call it; then it is asked which
// databases it has, and what is wrong can be corrected before it is kept.

import { existsSync } from 'node:fs'
import { entryPrefix } from '../../config/names.ts'
import { formatProblem } from '../../config/problem.ts'
import type { Problem } from '../../config/problem.ts'
import { readOneSource } from '../../config/sources.ts'
import { isFailure, messageOf, SpillwayError } from '../../domain/errors.ts'
import type { DatabaseSource, Source } from '../../domain/source.ts'
import { createRedactor } from '../../lib/redact.ts'
import type { TestResult } from '../../operations/configure-test-server.ts'
import { orBack } from '../prompts.ts'
import { oneLine } from '../text.ts'
import { askSetting } from './ask-setting.ts'
import type { Wizard } from './wizard.ts'

type DatabaseKind = DatabaseSource['kind']

type Form = {
  readonly mark: string
  readonly question: string
  readonly place: string
  /** What is suggested where this exists: one that runs here is what most people mean. */
  readonly local?: { readonly socket: string; readonly text: string }
  readonly hasPassword: boolean
}

const SERVER = { question: 'Where is the server', hasPassword: true }

const FORMS: Readonly<Record<DatabaseKind, Form>> = {
  postgres: {
    ...SERVER,
    mark: 'POSTGRES',
    place: 'postgres://USER@HOST:PORT/DATABASE, without DATABASE for all of them',
    local: { socket: '/run/postgresql', text: 'postgres:///?host=/run/postgresql' },
  },
  mysql: {
    ...SERVER,
    mark: 'MYSQL',
    place: 'mysql://USER@HOST:PORT/DATABASE, without DATABASE for all of them',
    local: {
      socket: '/run/mysqld/mysqld.sock',
      text: 'mysql:///?socket=/run/mysqld/mysqld.sock',
    },
  },
  mongodb: {
    ...SERVER,
    mark: 'MONGODB',
    place: 'mongodb://USER@HOST:PORT/DATABASE?authSource=admin, without DATABASE for all of them',
    local: { socket: '/tmp/mongodb-27017.sock', text: 'mongodb://127.0.0.1:27017' },
  },
  sqlite: {
    mark: 'SQLITE',
    question: 'Which files',
    place: '/path/app.db, or several with commas; the last part may have * and ?',
    hasPassword: false,
  },
  redis: {
    ...SERVER,
    mark: 'REDIS',
    place: 'redis://USER@HOST:PORT, rediss:// with TLS',
    local: {
      socket: '/run/redis/redis-server.sock',
      text: 'redis://?socket=/run/redis/redis-server.sock',
    },
  },
}

export async function addDatabase(
  wizard: Wizard,
  number: number,
  kind: DatabaseKind,
): Promise<void> {
  const { draft, print } = wizard
  const before = draft.state
  const isKept = await orBack(async () => {
    await askConnection(wizard, number, kind)
    await askSetting(wizard, `${entryPrefix('SOURCE', number)}NAME`, {
      message: 'Name in reports and object keys',
      suggestion: suggestedName(wizard, number, kind),
      isRequired: true,
    })
    return (await testUntilKept(wizard, number, kind)) === 'keep'
  }, false)
  if (isKept) return
  draft.restore(before)
  print('It was not added.')
}

async function askConnection(wizard: Wizard, number: number, kind: DatabaseKind): Promise<void> {
  const { mark, question, place, local, hasPassword } = FORMS[kind]
  const prefix = entryPrefix('SOURCE', number)
  wizard.print(`  ${place}`)
  await askSetting(wizard, prefix + mark, {
    message: question,
    ...(local !== undefined && existsSync(local.socket) ? { suggestion: local.text } : {}),
    isRequired: true,
  })
  if (!hasPassword) return
  await askSetting(wizard, `${prefix}PASSWORD`, {
    message: 'Password (Enter for none: then its tools look for one by themselves)',
  })
}

function suggestedName(wizard: Wizard, number: number, kind: DatabaseKind): string {
  const source = sourceOf(wizard, number, [], { NAME: kind })
  const name = source !== undefined && 'database' in source ? source.database : undefined
  return oneLine(name ?? kind).replaceAll('/', '-')
}

async function testUntilKept(
  wizard: Wizard,
  number: number,
  kind: DatabaseKind,
): Promise<'keep' | 'undo'> {
  for (;;) {
    if (await testDatabase(wizard, number)) return 'keep'
    const answer = await wizard.prompts.choose<'edit' | 'again' | 'keep' | 'undo'>({
      message: 'What now?',
      choices: [
        { name: 'Correct its settings', value: 'edit' },
        { name: 'Test again', value: 'again' },
        { name: 'Keep it as it is', value: 'keep', description: 'each run will try it, and fail' },
        { name: 'Undo', value: 'undo' },
      ],
    })
    if (answer === 'edit') await orBack(() => askConnection(wizard, number, kind), undefined)
    else if (answer !== 'again') return answer
  }
}

/** Shows its databases, or why there are none to be seen. Resolves to whether a run would work. */
export async function testDatabase(wizard: Wizard, number: number): Promise<boolean> {
  const { print } = wizard
  const problems: Problem[] = []
  const source = sourceOf(wizard, number, problems)
  if (source === undefined || source.kind === 'folder') {
    for (const problem of problems) print(`  ${oneLine(formatProblem(problem))}`)
    return false
  }
  print(`Asking ${oneLine(source.text)} ...`)
  const { lines, ok } = await tested(wizard, source)
  const redact = createRedactor(source.secrets)
  for (const line of lines) print(`  ${oneLine(redact(line))}`)
  print(ok ? 'It works.' : 'It does not work yet.')
  return ok
}

function sourceOf(
  { draft }: Wizard,
  number: number,
  problems: Problem[],
  more: Readonly<Record<string, string>> = {},
): Source | undefined {
  const prefix = entryPrefix('SOURCE', number)
  const extra = Object.entries(more).map(([name, value]) => [prefix + name, value])
  const env = { ...draft.joined, ...Object.fromEntries(extra) } as typeof draft.joined
  return readOneSource(env, number, { envFileDir: draft.envFileDir }, problems)
}

/** A failure of the test is an answer, too; an interruption is none. */
async function tested({ signal, testSource }: Wizard, source: Source): Promise<TestResult> {
  try {
    return await testSource(source, signal)
  } catch (error) {
    if (signal.aborted || isFailure(error, 'INTERRUPTED')) throw error
    const hint = error instanceof SpillwayError ? error.hint : undefined
    return {
      ok: false,
      lines: [messageOf(error), ...(hint === undefined ? [] : [`hint: ${hint}`])],
    }
  }
}
