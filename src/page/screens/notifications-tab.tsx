// Who is told of runs, and a test that sends one message now.

import { useState } from 'preact/hooks'
import { refreshAll, send } from '../api.ts'
import type { TestedNotification } from '../api-types.ts'
import type { Entry, Settings } from '../settings-types.ts'
import { useAction } from '../load.ts'
import { Button, LinkButton } from '../parts/button.tsx'
import { SaveRow } from '../parts/save-row.tsx'
import { Panel } from '../parts/screen.tsx'
import { SettingField } from '../parts/setting-field.tsx'
import { Empty, Name, Note, ProblemNote } from '../parts/shown.tsx'
import { tell } from '../parts/toast.tsx'
import { go, linkTo } from '../route.ts'
import { useRefusal } from '../session.ts'
import { errorsOf, errorText, useFocusOnError, useForm } from '../settings-form.ts'
import type { Changes } from '../settings-form.ts'
import { sentence } from '../text.ts'
import { RemoveEntry } from './servers-tab.tsx'
import type { TabInput } from './settings.tsx'

function labelOf({ label, number, settings }: Entry): string {
  return label ?? settings['URL'] ?? `notification ${number}`
}

export function NotificationsTab({ settings, refusal }: TabInput) {
  const { notifications, revision } = settings
  const add = refusal === undefined && (
    <LinkButton kind="primary" icon="plus" href={linkTo(['settings', 'notifications', 'new'])}>
      Add a notification
    </LinkButton>
  )
  if (notifications.length === 0)
    return (
      <Empty icon="info" title="Nobody is told of a failure yet">
        <p>
          E-mail, ntfy, Slack, Discord, Gotify, Telegram, a webhook, or a ping as of healthchecks.
        </p>
        {add}
      </Empty>
    )
  return (
    <Panel title="Notifications" aside={add}>
      <ul class="entries">
        {notifications.map((entry) => (
          <li key={entry.number} class="entry">
            <div class="entry-body">
              <p class="card-title">
                <a href={linkTo(['settings', 'notifications', String(entry.number)])}>
                  <Name>{labelOf(entry)}</Name>
                </a>
              </p>
              <p class="under">on {entry.settings['ON'] ?? 'what is usual'}</p>
              {entry.problems.map((problem) => (
                <Note key={problem.variable} tone="bad">
                  <p>
                    <code>{problem.variable}</code> {errorText(problem)}
                  </p>
                </Note>
              ))}
              <NotificationTest saved={entry} changes={{}} />
              <div class="entry-actions">
                <LinkButton href={linkTo(['settings', 'notifications', String(entry.number)])}>
                  Change
                </LinkButton>
                <RemoveEntry
                  group="notifications"
                  what={labelOf(entry)}
                  {...{ number: entry.number, revision, refusal }}
                  warning="Nobody is told there any more."
                />
              </div>
            </div>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

export function NotificationForm(input: TabInput & { readonly entry: string }) {
  const { settings, entry, refusal } = input
  const saved = settings.notifications.find(({ number }) => String(number) === entry)
  const form = useForm(saved)
  const save = useSave(settings, saved, form.changes)
  const errors = errorsOf(save.problem, saved?.problems)
  const place = useFocusOnError(save.problem)
  const all = settings.fields.notification
  const fields = [
    ...all.filter(({ isReadOnly }) => !isReadOnly),
    ...all.filter(({ isReadOnly }) => isReadOnly),
  ]
  return (
    <Panel title={saved === undefined ? 'Add a notification' : labelOf(saved)}>
      <form
        ref={place}
        class="form"
        noValidate
        aria-label="Notification"
        onSubmit={(event) => {
          event.preventDefault()
          void save.run()
        }}
      >
        <div class="fields">
          {fields.map((field) => (
            <SettingField
              key={field.name}
              {...{ field, form, errors }}
              isRequired={field.name === 'URL'}
              help={field.name === 'URL' ? URL_HELP : undefined}
            />
          ))}
        </div>
        <NotificationTest saved={saved} changes={form.changes} />
        <SaveRow
          problem={save.problem}
          others={errors.others(fields.map(({ name }) => name))}
          isBusy={save.isBusy}
          refusal={refusal ?? (form.isChanged ? undefined : 'nothing is changed')}
        >
          <LinkButton href={linkTo(['settings', 'notifications'])}>Cancel</LinkButton>
        </SaveRow>
      </form>
    </Panel>
  )
}

const URL_HELP =
  'what stands before :// says who is told: ntfy+https, slack+https, discord+https, gotify+https, ping+https ' +
  '(as of healthchecks), telegram, smtp, smtps; https alone gets JSON'

function useSave(settings: Settings, saved: Entry | undefined, changes: Changes) {
  return useAction(async () => {
    const body = { revision: settings.revision, settings: changes }
    if (saved === undefined) await send('POST', '/api/notifications', body)
    else await send('PATCH', `/api/notifications/${saved.number}`, body)
    tell('The notification is saved')
    refreshAll()
    go(['settings', 'notifications'])
  })
}

function NotificationTest({
  saved,
  changes,
}: {
  readonly saved: Entry | undefined
  readonly changes: Changes
}) {
  const refusal = useRefusal('admin')
  const [result, setResult] = useState<TestedNotification | undefined>(undefined)
  const test = useAction(async () => {
    setResult(undefined)
    const number = saved === undefined ? {} : { number: saved.number }
    setResult(
      await send<TestedNotification>('POST', '/api/notifications/test', {
        ...number,
        settings: changes,
      }),
    )
  })
  return (
    <section class="test" aria-label="Test of the notification">
      <Button icon="verify" isBusy={test.isBusy} refusal={refusal} onPress={() => void test.run()}>
        Send a test message
      </Button>
      <ProblemNote problem={test.problem} />
      <div role="status" aria-live="polite">
        {result !== undefined && (
          <Note
            tone={result.delivered ? 'good' : 'bad'}
            title={result.delivered ? 'It was taken' : 'It was not delivered'}
          >
            {result.reason !== null && <p>{sentence(result.reason)}</p>}
          </Note>
        )}
      </div>
    </section>
  )
}
