// "Sources": the folders to archive, the databases, and the commands whose output is.

import { existsSync } from 'node:fs'
import { ENTRY_SETTINGS, entryNumbers, entryPrefix } from '../../config/names.ts'
import { HOOKS } from '../../config/command-settings.ts'
import { foreignSettings, SOURCE_KINDS, sourceKindsOf } from '../../config/source-kinds.ts'
import { KEEP_SETTINGS } from '../../config/settings.ts'
import { path as parsePath } from '../../config/values.ts'
import type { DatabaseSource, Source } from '../../domain/source.ts'
import type { ConfigDraft } from '../../operations/configure.ts'
import { nextNumber, removeEntry } from '../../operations/configure-entries.ts'
import { maskValue } from '../../operations/configure-masks.ts'
import { orBack } from '../prompts.ts'
import type { Choice } from '../prompts.ts'
import { plural } from '../output.ts'
import { oneLine } from '../text.ts'
import { askSetting, whatIsWrong } from './ask-setting.ts'
import { addDatabase, testDatabase } from './database-form.ts'
import { sourceScheduleScreen } from './schedule-screen.ts'
import { describeRetention, nameOf } from './summaries.ts'
import type { Wizard } from './wizard.ts'

const KIND = 'SOURCE'

/** `2 folders: www, etc`; `1 folder, 1 command: www, app`. */
export function sourcesSummary(draft: ConfigDraft): string {
  const numbers = entryNumbers(draft.values, KIND)
  const names = numbers.map((number) => nameOf(draft, number))
  if (names.length === 0) return 'none yet: there is nothing to archive'
  const kinds = numbers.map((number) => kindOf(draft, number))
  const count = Object.entries(COUNTED)
    .map(([kind, word]) => plural(kinds.filter((each) => each === kind).length, word))
    .filter((each) => !each.startsWith('0 '))
    .join(', ')
  // The line of a menu has room for a few.
  const shown = names.slice(0, 3).join(', ') + (names.length > 3 ? ', ...' : '')
  return oneLine(`${count}: ${shown}`)
}

const COUNTED: Readonly<Record<Source['kind'], string>> = {
  folder: 'folder',
  command: 'command',
  postgres: 'PostgreSQL server',
  mysql: 'MySQL server',
  mongodb: 'MongoDB server',
  sqlite: 'SQLite source',
  redis: 'Redis server',
}

function kindOf(draft: ConfigDraft, number: number): Source['kind'] {
  const isSet = (name: string) => draft.value(entryPrefix(KIND, number) + name) !== ''
  return sourceKindsOf(isSet).at(-1) ?? 'folder'
}

function sourceLine(draft: ConfigDraft, number: number): string {
  const prefix = entryPrefix(KIND, number)
  const what = SOURCE_KINDS[kindOf(draft, number)].mark
  const path = draft.value(prefix + what)
  const shown = maskValue(prefix + what, path)
  const wrong = path === '' ? 'PATH is missing' : whatIsWrong(draft, prefix + what, path)
  const excludes = draft.value(`${prefix}EXCLUDE`)
  return oneLine(
    [
      nameOf(draft, number),
      shown || '(no path)',
      ...(excludes === '' ? [] : [`without ${excludes}`]),
      ...(wrong === undefined ? [] : [`[${wrong}]`]),
    ].join('   '),
  )
}

type Answer = number | 'add' | 'command' | DatabaseSource['kind'] | 'back'

export async function sourcesScreen(wizard: Wizard): Promise<void> {
  const { draft, prompts } = wizard
  for (;;) {
    const numbers = entryNumbers(draft.values, KIND)
    const answer = await prompts.choose<Answer>({
      message: 'Sources: each becomes an archive of its own',
      choices: [
        ...numbers.map((number): Choice<Answer> => ({
          name: `${String(number).padStart(2)}  ${sourceLine(draft, number)}`,
          value: number,
        })),
        ...(numbers.length > 0 ? (['line'] as const) : []),
        { name: 'Add a folder', value: 'add' },
        { name: 'Add PostgreSQL', value: 'postgres', description: 'all databases, or one' },
        { name: 'Add MySQL or MariaDB', value: 'mysql', description: 'all databases, or one' },
        { name: 'Add MongoDB', value: 'mongodb', description: 'all databases, or one' },
        { name: 'Add SQLite', value: 'sqlite', description: 'files of databases' },
        { name: 'Add Redis or Valkey', value: 'redis', description: 'one server' },
        {
          name: 'Add a command',
          value: 'command',
          description: 'a program whose output is archived',
        },
        { name: 'Back', value: 'back' },
      ],
      initial: numbers[0] ?? 'add',
    })
    if (answer === 'back') return
    if (answer === 'add') await addSource(wizard, nextNumber(draft.values, KIND))
    else if (answer === 'command') await addCommand(wizard, nextNumber(draft.values, KIND))
    else if (typeof answer === 'string')
      await addDatabase(wizard, nextNumber(draft.values, KIND), answer)
    else await orBack(() => sourceScreen(wizard, answer), undefined)
  }
}

async function addSource(wizard: Wizard, number: number): Promise<void> {
  const { draft } = wizard
  const before = draft.state
  const prefix = entryPrefix(KIND, number)
  const isKept = await orBack(async () => {
    await askPath(wizard, number)
    await askSetting(wizard, `${prefix}NAME`, {
      message: 'Name in reports and object keys',
      suggestion: nameOf(draft, number),
    })
    await askSetting(wizard, `${prefix}EXCLUDE`, {
      message: 'Leave out (patterns as in .gitignore, separated by commas)',
    })
    return true
  }, false)
  if (isKept) return
  draft.restore(before)
  wizard.print('The folder was not added.')
}

async function addCommand(wizard: Wizard, number: number): Promise<void> {
  const { draft, print } = wizard
  const before = draft.state
  const prefix = entryPrefix(KIND, number)
  const isKept = await orBack(async () => {
    print("  No shell reads it; for pipes write: bash -o pipefail -c '...'")
    await askSetting(wizard, `${prefix}COMMAND`, {
      message: 'Command whose output is archived',
      isRequired: true,
    })
    const name = { message: 'Name in reports and object keys', isRequired: true }
    await askSetting(wizard, `${prefix}NAME`, name)
    await askSetting(wizard, `${prefix}FILE`, { message: 'Name of the file in the archive' })
    return true
  }, false)
  if (isKept) return
  draft.restore(before)
  print('The command was not added.')
}

async function askPath(wizard: Wizard, number: number): Promise<void> {
  const { draft, print } = wizard
  const variable = `${entryPrefix(KIND, number)}PATH`
  const text = await askSetting(wizard, variable, { message: 'Folder', isRequired: true })
  const folder = parsePath(text, { envFileDir: draft.envFileDir })
  // Perhaps it is mounted later, so this is no error.
  if (!existsSync(folder)) print(`  Note: ${oneLine(folder)} does not exist at the moment.`)
}

/** Settings that the file must not have for this source as it is now. */
function meaninglessOf(draft: ConfigDraft, number: number): readonly string[] {
  const kind = kindOf(draft, number)
  const isSet = (name: string): boolean => draft.value(`${entryPrefix(KIND, number)}${name}`) !== ''
  const hasUse = kind === 'command' || [...HOOKS, 'ENV'].some(isSet)
  return [...foreignSettings(kind), ...(hasUse ? [] : ['ENV'])]
}

async function sourceScreen(wizard: Wizard, number: number): Promise<void> {
  const { draft, prompts } = wizard
  const prefix = entryPrefix(KIND, number)
  const kind = kindOf(draft, number)
  const isDatabase = kind !== 'folder' && kind !== 'command'
  for (;;) {
    const meaningless = meaninglessOf(draft, number)
    const names = Object.keys(ENTRY_SETTINGS.SOURCE).filter(
      (name) => !Object.hasOwn(KEEP_SETTINGS, name) && !meaningless.includes(name),
    )
    const answer = await prompts.choose<string>({
      message: `Source ${number}: ${sourceLine(draft, number)}`,
      choices: [
        ...names.map((name): Choice<string> => {
          const setting = ENTRY_SETTINGS.SOURCE[name]
          const shown =
            maskValue(prefix + name, draft.value(prefix + name)) ||
            `(${setting?.fallback ?? setting?.otherwise ?? 'not set'})`
          return {
            name: `${name.padEnd(18)}${oneLine(shown)}`,
            value: name,
            description: setting?.help ?? '',
          }
        }),
        {
          name: `${'Retention'.padEnd(18)}${describeRetention(draft.values, prefix)}`,
          value: 'retention',
          description: 'rules of its own are set under Retention in the main menu',
        },
        'line',
        ...(isDatabase
          ? [{ name: 'Test it', value: 'test', description: 'shows what would be dumped' }]
          : []),
        { name: 'Remove it', value: 'remove', description: 'its archives stay where they are' },
        { name: 'Back', value: 'back' },
      ],
    })
    if (answer === 'back' || answer === 'retention') return
    if (answer === 'test') {
      await testDatabase(wizard, number)
      continue
    }
    if (answer === 'remove') {
      const message = `Remove source ${number} from the file? Its archives stay.`
      if (!(await prompts.confirm({ message, initial: false }))) continue
      draft.change(removeEntry(draft.values, KIND, number))
      return
    }
    await orBack(
      () =>
        answer === 'PATH'
          ? askPath(wizard, number)
          : answer === 'SCHEDULE'
            ? sourceScheduleScreen(wizard, prefix + answer)
            : askSetting(wizard, prefix + answer).then(() => undefined),
      undefined,
    )
  }
}
