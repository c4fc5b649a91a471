// "Other settings": everything in the table that has no screen of its own.

import { GLOBAL_SETTINGS, KEEP_SETTINGS } from '../../config/settings.ts'
import type { Setting } from '../../config/settings.ts'
import { maskValue } from '../../operations/configure-masks.ts'
import { orBack } from '../prompts.ts'
import { oneLine } from '../text.ts'
import { askSetting } from './ask-setting.ts'
import type { Wizard } from './wizard.ts'

export async function settingsScreen(wizard: Wizard): Promise<void> {
  const { draft, prompts } = wizard
  const settings: [string, Setting<unknown>][] = Object.entries(GLOBAL_SETTINGS).filter(
    ([name]) => name !== 'SCHEDULE' && !Object.hasOwn(KEEP_SETTINGS, name),
  )
  let initial = settings[0]?.[0] ?? 'back'
  for (;;) {
    const answer = await prompts.choose<string>({
      message: 'Which setting?',
      choices: [
        ...settings.map(([name, { help, fallback, otherwise }]) => {
          const value = draft.value(name)
          const shown =
            value === ''
              ? `(${fallback ?? otherwise ?? 'not set'})`
              : oneLine(maskValue(name, value))
          return { name: `${name.padEnd(22)}${shown}`, value: name, description: help }
        }),
        'line',
        { name: 'Back', value: 'back' },
      ],
      initial,
    })
    if (answer === 'back') return
    initial = answer
    await orBack(() => askSetting(wizard, answer).then(() => undefined), undefined)
  }
}
