// When runs start: every day at a time, certain days of the week, or anything that a crontab can say.

import { useState } from 'preact/hooks'
import { refreshAll, send } from '../api.ts'
import { useAction } from '../load.ts'
import { SelectField, TextField } from '../parts/field.tsx'
import { SaveRow } from '../parts/save-row.tsx'
import { Panel } from '../parts/screen.tsx'
import { SettingField } from '../parts/setting-field.tsx'
import { Ago, Note } from '../parts/shown.tsx'
import { tell } from '../parts/toast.tsx'
import { useSession } from '../session.ts'
import { errorsOf, useFocusOnError, useForm } from '../settings-form.ts'
import type { Form } from '../settings-form.ts'
import { exactText } from '../text.ts'
import type { TabInput } from './settings.tsx'

const ALSO = /^(RANDOM_|SCHEDULE_|STALE_|MAX_AGE)/

export function ScheduleTab({ settings, refusal }: TabInput) {
  const form = useForm(settings.general)
  const nextRunAt = useSession()?.nextRunAt ?? undefined
  const save = useAction(async () => {
    await send('PATCH', '/api/settings', { revision: settings.revision, settings: form.changes })
    form.reset()
    tell('The schedule is saved')
    refreshAll()
  })
  const errors = errorsOf(save.problem)
  const place = useFocusOnError(save.problem)
  const field = settings.fields.general.find(({ name }) => name === 'SCHEDULE')
  const also = settings.fields.general.filter(({ name }) => ALSO.test(name))
  const current = form.value('SCHEDULE') || (field?.fallback ?? '30 2 * * *')
  return (
    <Panel title="Schedule">
      {nextRunAt !== undefined && (
        <Note tone="info">
          <p>
            The next run starts <Ago at={nextRunAt} />: {exactText(new Date(nextRunAt))}.
          </p>
        </Note>
      )}
      <form
        ref={place}
        class="form"
        noValidate
        aria-label="Schedule"
        onSubmit={(event) => {
          event.preventDefault()
          void save.run()
        }}
      >
        {form.isFixed('SCHEDULE') ? (
          field !== undefined && <SettingField field={field} form={form} errors={errors} />
        ) : (
          <Times form={form} current={current} error={errors.of('SCHEDULE')} />
        )}
        {also.map((each) => (
          <SettingField key={each.name} field={each} form={form} errors={errors} />
        ))}
        <SaveRow
          problem={save.problem}
          others={errors.others(['SCHEDULE', ...also.map(({ name }) => name)])}
          isBusy={save.isBusy}
          refusal={refusal ?? (form.isChanged ? undefined : 'nothing is changed')}
        />
      </form>
      <p class="hint">
        A run that was missed, since the host was off, is caught up when it is back.
      </p>
    </Panel>
  )
}

const WAYS = [
  { value: '* * *', label: 'every day' },
  { value: '* * 1-5', label: 'on weekdays' },
  { value: '* * 0', label: 'on Sundays' },
  { value: '* * 6', label: 'on Saturdays' },
  { value: 'other', label: 'as a crontab says it' },
]

/** `30 2 * * *` as days and a time; undefined: it is more than that. */
function simple(schedule: string): { readonly days: string; readonly time: string } | undefined {
  const [, minute, hour, days = ''] =
    /^(\d{1,2}) (\d{1,2}) (\S+ \S+ \S+)$/.exec(schedule.trim()) ?? []
  if (minute === undefined || hour === undefined) return undefined
  if (!WAYS.some(({ value }) => value === days)) return undefined
  return { days, time: `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}` }
}

function Times(input: {
  readonly form: Form
  readonly current: string
  readonly error: string | undefined
}) {
  const { form, current, error } = input
  const known = simple(current)
  const [isOther, setOther] = useState(known === undefined)
  const set = (days: string, time: string): void => {
    const [hour = '2', minute = '30'] = time.split(':')
    form.set('SCHEDULE', `${Number(minute)} ${Number(hour)} ${days}`)
  }
  const choose = (days: string): void => {
    setOther(days === 'other')
    if (days !== 'other') set(days, known?.time ?? '02:30')
  }
  return (
    <div class="fields">
      <SelectField
        label="Days"
        value={isOther ? 'other' : (known?.days ?? '* * *')}
        choices={WAYS}
        onChange={choose}
      />
      {isOther || known === undefined ? (
        <TextField
          label="Minute, hour, day, month, weekday"
          name="SCHEDULE"
          value={current}
          error={error}
          help="As in a crontab: 30 2 * * * is every night at half past two."
          onInput={(text) => form.set('SCHEDULE', text)}
        />
      ) : (
        <TextField
          label="Time, as the host's clock has it"
          name="SCHEDULE"
          type="time"
          value={known.time}
          error={error}
          onInput={(time) => {
            if (time !== '') set(known.days, time)
          }}
        />
      )}
    </div>
  )
}
