// "Retention": which archives are to stay, for all sources or for one. Nothing applies the rules
// yet, and the screen says so before and after it asks.

import { entryNumbers, entryPrefix } from '../../config/names.ts'
import { KEEP_NOTE, KEEP_SETTINGS } from '../../config/settings.ts'
import { orBack } from '../prompts.ts'
import { oneLine } from '../text.ts'
import { askSetting } from './ask-setting.ts'
import { describeRetention, nameOf } from './summaries.ts'
import type { Wizard } from './wizard.ts'

const RULES = Object.keys(KEEP_SETTINGS) as (keyof typeof KEEP_SETTINGS)[]

const USUAL: Readonly<Record<string, Partial<Record<keyof typeof KEEP_SETTINGS, string>>>> = {
  '7 daily, 4 weekly, 12 monthly': { KEEP_DAILY: '7', KEEP_WEEKLY: '4', KEEP_MONTHLY: '12' },
  '14 daily, 8 weekly, 12 monthly, 5 yearly': {
    KEEP_DAILY: '14',
    KEEP_WEEKLY: '8',
    KEEP_MONTHLY: '12',
    KEEP_YEARLY: '5',
  },
}

export async function retentionScreen(wizard: Wizard): Promise<void> {
  wizard.print(`Note: ${KEEP_NOTE}.`)
  for (;;) {
    const prefix = await chooseSource(wizard)
    if (prefix === undefined) return
    await orBack(() => rulesScreen(wizard, prefix), undefined)
    // Without sources there is nothing to choose from: one round is all.
    if (entryNumbers(wizard.draft.values, 'SOURCE').length === 0) return
  }
}

/** '' for the common rules; undefined to leave. */
async function chooseSource({ draft, prompts }: Wizard): Promise<string | undefined> {
  const numbers = entryNumbers(draft.values, 'SOURCE')
  if (numbers.length === 0) return ''
  return prompts.choose<string | undefined>({
    message: 'Retention of which source?',
    choices: [
      { name: `${'All sources'.padEnd(20)}${describeRetention(draft.values, '')}`, value: '' },
      ...numbers.map((number) => {
        const prefix = entryPrefix('SOURCE', number)
        const rules = describeRetention(draft.values, prefix)
        return { name: oneLine(`${nameOf(draft, number).padEnd(20)}${rules}`), value: prefix }
      }),
      { name: 'Back', value: undefined },
    ],
  })
}

async function rulesScreen(wizard: Wizard, prefix: string): Promise<void> {
  const { draft, prompts, print } = wizard
  const answer = await prompts.choose<string>({
    message: 'Which archives are to stay? (not applied yet: everything stays)',
    choices: [
      { name: prefix === '' ? 'Keep everything' : 'The same as all sources', value: 'none' },
      ...Object.keys(USUAL).map((name) => ({ name, value: name })),
      { name: 'Rule by rule', value: 'each' },
    ],
  })
  if (answer === 'each') {
    for (const rule of RULES)
      await askSetting(
        wizard,
        prefix + rule,
        prefix === '' ? {} : { message: `${rule} (0: not for this source)` },
      )
  } else {
    const rules = USUAL[answer] ?? {}
    draft.change({
      remove: RULES.filter((rule) => rules[rule] === undefined).map((rule) => prefix + rule),
      set: Object.entries(rules).map(([rule, count]) => [prefix + rule, count] as const),
    })
  }
  print(`Now: ${describeRetention(draft.values, prefix)}; but ${KEEP_NOTE}.`)
}
