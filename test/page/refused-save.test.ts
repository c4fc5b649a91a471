// What the page says about settings that were not saved: loading them again is offered where it helps, and only there.

import { expect, it } from 'vitest'
import { refusedSave } from '../../src/page/refused-save.ts'

it('settings that somebody changed meanwhile are to be loaded again', () => {
  expect(refusedSave({ code: 'SETTINGS_CHANGED' })).toEqual({
    ...{ title: 'The file was changed meanwhile', mayLoadAgain: true },
  })
})

it.each(['CONFIG_INVALID', 'CONFIG_UNSAFE', 'RUN_LOCKED', 'SETTINGS_WRONG', 'BUG', undefined])(
  'with %s, which loading again does not mend, nothing was saved, and that is all',
  (code) => {
    expect(refusedSave({ code })).toEqual({ title: 'Nothing was saved', mayLoadAgain: false })
  },
)
