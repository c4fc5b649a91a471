// Everything else that can be set, from the list that the daemon gives: nothing is missing here, and what may
// be changed on the host only is shown with the reason.

import { refreshAll, send } from '../api.ts'
import type { Field } from '../settings-types.ts'
import { useAction } from '../load.ts'
import { SaveRow } from '../parts/save-row.tsx'
import { Panel } from '../parts/screen.tsx'
import { SettingField } from '../parts/setting-field.tsx'
import { tell } from '../parts/toast.tsx'
import { errorsOf, useFocusOnError, useForm } from '../settings-form.ts'
import type { TabInput } from './settings.tsx'

const ELSEWHERE = /^(SCHEDULE$|KEEP_|PRUNE_MAX_PER_RUN$)/

export function GeneralTab({ settings, refusal }: TabInput) {
  const form = useForm(settings.general)
  const save = useAction(async () => {
    await send('PATCH', '/api/settings', { revision: settings.revision, settings: form.changes })
    form.reset()
    tell('The settings are saved')
    refreshAll()
  })
  const errors = errorsOf(save.problem)
  const place = useFocusOnError(save.problem)
  const fields = settings.fields.general.filter(({ name }) => !ELSEWHERE.test(name))
  const draw = (field: Field) => <SettingField key={field.name} {...{ field, form, errors }} />
  return (
    <form
      ref={place}
      class="form"
      noValidate
      aria-label="Everything else"
      onSubmit={(event) => {
        event.preventDefault()
        void save.run()
      }}
    >
      <Panel title="Can be changed here">
        <div class="fields">{fields.filter(({ isReadOnly }) => !isReadOnly).map(draw)}</div>
        <SaveRow
          problem={save.problem}
          others={errors.others(fields.map(({ name }) => name))}
          isBusy={save.isBusy}
          refusal={refusal ?? (form.isChanged ? undefined : 'nothing is changed')}
        />
      </Panel>
      <Panel title="On the host only">
        <div class="fields">{fields.filter(({ isReadOnly }) => isReadOnly).map(draw)}</div>
      </Panel>
    </form>
  )
}
