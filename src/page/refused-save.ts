// What is said of settings that were not saved. Only where somebody else changed the file it helps to load it again.

import type { ApiProblem } from './api.ts'

export type RefusedSave = { readonly title: string; readonly mayLoadAgain: boolean }

export function refusedSave({ code }: Pick<ApiProblem, 'code'>): RefusedSave {
  return code === 'SETTINGS_CHANGED'
    ? { title: 'The file was changed meanwhile', mayLoadAgain: true }
    : { title: 'Nothing was saved', mayLoadAgain: false }
}
