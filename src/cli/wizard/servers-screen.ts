// "S3 storage": the servers in their order, with what may be done to each.

import { entryNumbers, entryPrefix } from '../../config/names.ts'
import { readServer } from '../../config/servers.ts'
import type { ConfigDraft } from '../../operations/configure.ts'
import { nextNumber, removeEntry, reorderEntries } from '../../operations/configure-entries.ts'
import { maskKeyId } from '../../operations/configure-masks.ts'
import { formatProblem } from '../../config/problem.ts'
import type { Problem } from '../../config/problem.ts'
import { orBack } from '../prompts.ts'
import type { Choice } from '../prompts.ts'
import { oneLine } from '../text.ts'
import { addServer, editServer, testAndSettle } from './server-form.ts'
import type { Wizard } from './wizard.ts'

const KIND = 'S3_SERVER'

/** `2 servers, 1 disabled`. */
export function serversSummary(draft: ConfigDraft): string {
  const numbers = entryNumbers(draft.values, KIND)
  if (numbers.length === 0) return 'none yet: nothing can be archived'
  const disabled = numbers.filter((number) => !isEnabled(draft, number)).length
  const broken = numbers.filter((number) => problemsOf(draft, number).length > 0).length
  return [
    numbers.length === 1 ? '1 server' : `${numbers.length} servers`,
    ...(disabled === 0 ? [] : [`${disabled} disabled`]),
    ...(broken === 0 ? [] : [`${broken} with problems`]),
  ].join(', ')
}

/** `s3.example.net/backups   limit 100 GB   key ...WXYZ   [disabled]`. */
export function serverLine(draft: ConfigDraft, number: number): string {
  const value = (name: string) => draft.value(entryPrefix(KIND, number) + name)
  const endpoint = value('ENDPOINT').replace(/^https:\/\//, '')
  const place = [endpoint || '(no endpoint)', value('BUCKET'), value('PREFIX')]
  const key = value('ACCESS_KEY')
  const problems = problemsOf(draft, number)
  const names = problems.map(({ variable }) => variable.replace(/^S3_SERVER_\d+_/, ''))
  return oneLine(
    [
      place.filter((part) => part !== '').join('/'),
      `limit ${value('STORAGE_LIMIT_GB') || '100'} GB`,
      ...(key === '' ? [] : [`key ${maskKeyId(key)}`]),
      ...(isEnabled(draft, number) ? [] : ['[disabled]']),
      ...(problems.length === 0 ? [] : [`[problem: ${names.join(', ')}]`]),
    ].join('   '),
  )
}

export function isEnabled(draft: ConfigDraft, number: number): boolean {
  const text = draft
    .value(`${entryPrefix(KIND, number)}ENABLED`)
    .trim()
    .toLowerCase()
  return !['false', 'no', 'off', '0'].includes(text)
}

function problemsOf(draft: ConfigDraft, number: number): Problem[] {
  const problems: Problem[] = []
  readServer(draft.joined, number, { envFileDir: draft.envFileDir }, problems)
  return problems
}

type Answer = number | 'add' | 'order' | 'back'

export async function serversScreen(wizard: Wizard): Promise<void> {
  const { draft, prompts } = wizard
  for (;;) {
    const numbers = entryNumbers(draft.values, KIND)
    const answer = await prompts.choose<Answer>({
      message: 'S3 storage: the servers are tried in this order',
      choices: [
        ...numbers.map((number): Choice<Answer> => ({
          name: `${String(number).padStart(2)}  ${serverLine(draft, number)}`,
          value: number,
        })),
        ...(numbers.length > 0 ? (['line'] as const) : []),
        { name: 'Add a server', value: 'add' },
        ...(numbers.length > 1 ? [{ name: 'Change the order', value: 'order' } as const] : []),
        { name: 'Back', value: 'back' },
      ],
      initial: numbers[0] ?? 'add',
    })
    if (answer === 'back') return
    if (answer === 'add') await addServer(wizard, nextNumber(draft.values, KIND))
    else if (answer === 'order') await orBack(() => orderScreen(wizard, numbers), undefined)
    else await orBack(() => serverScreen(wizard, answer), undefined)
  }
}

type ServerAnswer = 'edit' | 'test' | 'toggle' | 'remove' | 'back'

async function serverScreen(wizard: Wizard, number: number): Promise<void> {
  const { draft, prompts, print } = wizard
  for (;;) {
    for (const problem of problemsOf(draft, number)) print(`  ${oneLine(formatProblem(problem))}`)
    const enabled = isEnabled(draft, number)
    const answer = await prompts.choose<ServerAnswer>({
      message: `Server ${number}: ${serverLine(draft, number)}`,
      choices: [
        { name: 'Change its settings', value: 'edit' },
        { name: 'Test it now', value: 'test' },
        enabled
          ? {
              name: 'Disable it',
              value: 'toggle',
              description: 'nothing is sent there; what lies there stays, and can be restored',
            }
          : { name: 'Enable it', value: 'toggle', description: 'it is tested first' },
        { name: 'Remove it', value: 'remove' },
        { name: 'Back', value: 'back' },
      ],
    })
    if (answer === 'back') return
    if (answer === 'edit') await editServer(wizard, number)
    else if (answer === 'test') await testAndSettle(wizard, number, 'keep')
    else if (answer === 'toggle') await toggle(wizard, number, !enabled)
    else if (await confirmRemoval(wizard, number)) {
      draft.change(removeEntry(draft.values, KIND, number))
      return
    }
  }
}

/** A server that was disabled may have been so for a reason: enabling it tests it. */
async function toggle(wizard: Wizard, number: number, on: boolean): Promise<void> {
  const { draft } = wizard
  const variable = `${entryPrefix(KIND, number)}ENABLED`
  const before = draft.state
  draft.change(on ? { remove: [variable] } : { set: [[variable, 'false']] })
  if (on && (await testAndSettle(wizard, number, 'undo')) === 'undo') draft.restore(before)
}

function confirmRemoval({ prompts, print }: Wizard, number: number): Promise<boolean> {
  print('Archives that lie there stay there: shown as "not configured", and restored from again')
  print('if the entry comes back. Nothing deletes them meanwhile.')
  return prompts.confirm({ message: `Remove server ${number} from the file?`, initial: false })
}

async function orderScreen(wizard: Wizard, numbers: readonly number[]): Promise<void> {
  const { draft, prompts } = wizard
  const moved = await prompts.choose<number>({
    message: 'Which server is to move?',
    choices: numbers.map((number) => ({
      name: `${String(number).padStart(2)}  ${serverLine(draft, number)}`,
      value: number,
    })),
  })
  const others = numbers.filter((number) => number !== moved)
  const place = await prompts.choose<number>({
    message: 'Where to?',
    choices: [
      { name: 'To the beginning', value: 0 },
      ...others.map((number, at) => ({
        name: `After  ${serverLine(draft, number)}`,
        value: at + 1,
      })),
    ],
  })
  // Usage is counted by what a server is, not by its number: this moves no archive.
  draft.change(reorderEntries(draft.values, KIND, others.toSpliced(place, 0, moved)))
}
