// One server: provider presets, its settings, "Test connection" before anything is saved, and saving.

import { useState } from 'preact/hooks'
import { refreshAll, send } from '../api.ts'
import type { TestedServer } from '../api-types.ts'
import type { Entry, Provider, Settings } from '../settings-types.ts'
import { useAction } from '../load.ts'
import { Button, LinkButton } from '../parts/button.tsx'
import { SelectField } from '../parts/field.tsx'
import { SaveRow } from '../parts/save-row.tsx'
import { Panel } from '../parts/screen.tsx'
import { SettingField } from '../parts/setting-field.tsx'
import { Note, ProblemNote } from '../parts/shown.tsx'
import { tell } from '../parts/toast.tsx'
import { go, linkTo } from '../route.ts'
import { useRefusal } from '../session.ts'
import { errorsOf, useFocusOnError, useForm } from '../settings-form.ts'
import type { Errors, Form } from '../settings-form.ts'
import { sentence } from '../text.ts'
import { TestResult } from './server-test.tsx'
import { labelOfServer } from './servers-tab.tsx'
import type { TabInput } from './settings.tsx'

const FIRST = [
  'ENDPOINT',
  'REGION',
  'BUCKET',
  'ACCESS_KEY',
  'SECRET_KEY',
  'STORAGE_LIMIT_GB',
  'LABEL',
]
const NEEDED = new Set(['ENDPOINT', 'REGION', 'BUCKET', 'ACCESS_KEY', 'SECRET_KEY'])

export function ServerForm(input: TabInput & { readonly entry: string }) {
  const { settings, entry } = input
  const saved = settings.servers.find(({ number }) => String(number) === entry)
  if (saved === undefined && entry !== 'new')
    return (
      <Note tone="warning">
        <p>
          There is no such server. <a href={linkTo(['settings', 'servers'])}>All servers</a>
        </p>
      </Note>
    )
  return <Edit settings={settings} refusal={input.refusal} saved={saved} />
}

type EditInput = TabInput & { readonly saved: Entry | undefined }

function Edit({ settings, refusal, saved }: EditInput) {
  const form = useForm(saved)
  const [provider, setProvider] = useState<Provider | undefined>(undefined)
  const save = useSave(settings, saved, form)
  const test = useServerTest(saved, form)
  const problem = save.problem ?? test.action.problem
  const errors = errorsOf(problem, saved?.problems)
  const place = useFocusOnError(problem)
  const submit = (event: Event): void => {
    event.preventDefault()
    test.action.clear()
    void save.run()
  }
  const choose = (chosen: Provider | undefined): void => {
    setProvider(chosen)
    if (chosen === undefined) return
    form.set('ENDPOINT', chosen.endpoint)
    form.set('REGION', chosen.region ?? '')
  }
  return (
    <Panel title={saved === undefined ? 'Add a server' : labelOfServer(saved)}>
      <form ref={place} class="form" onSubmit={submit} noValidate aria-label="Server">
        {saved === undefined && (
          <ProviderChoice providers={settings.providers} provider={provider} onChoose={choose} />
        )}
        <Fields settings={settings} form={form} errors={errors} provider={provider} />
        <TestRow test={test} />
        <SaveRow
          problem={save.problem}
          others={errors.others(settings.fields.server.map(({ name }) => name))}
          isBusy={save.isBusy}
          refusal={refusal ?? (form.isChanged ? undefined : 'nothing is changed')}
          verb={saved === undefined ? 'Save the server' : 'Save'}
        >
          <LinkButton href={linkTo(['settings', 'servers'])}>Cancel</LinkButton>
        </SaveRow>
      </form>
    </Panel>
  )
}

function useSave(settings: Settings, saved: Entry | undefined, form: Form) {
  return useAction(async () => {
    const body = { revision: settings.revision, settings: form.changes }
    const answer =
      saved === undefined
        ? await send<{ readonly note?: string }>('POST', '/api/servers', body)
        : await send<{ readonly note?: string }>('PATCH', `/api/servers/${saved.number}`, body)
    tell(answer.note ?? 'The server is saved')
    refreshAll()
    // Whoever adds the first one is led on.
    go(settings.sources.length === 0 ? ['overview'] : ['settings', 'servers'])
  })
}

function ProviderChoice(input: {
  readonly providers: readonly Provider[]
  readonly provider: Provider | undefined
  readonly onChoose: (provider: Provider | undefined) => void
}) {
  const { providers, provider, onChoose } = input
  // A directory of the host is set up on the host: a page cannot see what is mounted.
  const shown = providers.filter(({ id }) => id !== 'file')
  return (
    <>
      <SelectField
        label="Provider"
        value={provider?.id ?? ''}
        choices={[
          { value: '', label: 'choose one: it fills in what is known' },
          ...shown.map(({ id, name }) => ({ value: id, label: name })),
        ]}
        onChange={(id) => onChoose(shown.find((each) => each.id === id))}
      />
      {provider?.note !== null && provider?.note !== undefined && (
        <Note tone="info">
          <p>{sentence(provider.note)}</p>
        </Note>
      )}
    </>
  )
}

function Fields(input: {
  readonly settings: Settings
  readonly form: Form
  readonly errors: Errors
  readonly provider: Provider | undefined
}) {
  const { settings, form, errors, provider } = input
  const fields = settings.fields.server
  const first = FIRST.flatMap((name) => fields.find((field) => field.name === name) ?? [])
  const more = fields.filter(({ name }) => !FIRST.includes(name))
  const hints: Readonly<Record<string, string | undefined>> = {
    ENDPOINT: provider?.endpointHint,
    REGION: provider?.regionHint,
  }
  const isFile = form.value('ENDPOINT').startsWith('file:')
  return (
    <>
      <div class="fields">
        {first.map((field) => (
          <SettingField
            key={field.name}
            {...{ field, form, errors }}
            isRequired={NEEDED.has(field.name) && !isFile}
            help={hints[field.name]}
          />
        ))}
      </div>
      <details class="details">
        <summary>More settings</summary>
        <div class="fields">
          {more.map((field) => (
            <SettingField key={field.name} {...{ field, form, errors }} />
          ))}
        </div>
      </details>
    </>
  )
}

type ServerTest = {
  readonly action: ReturnType<typeof useAction<[]>>
  readonly result: TestedServer | undefined
}

function useServerTest(saved: Entry | undefined, form: Form): ServerTest {
  const [result, setResult] = useState<TestedServer | undefined>(undefined)
  const action = useAction(async () => {
    setResult(undefined)
    const number = saved === undefined ? {} : { number: saved.number }
    setResult(
      await send<TestedServer>('POST', '/api/servers/test', { ...number, settings: form.changes }),
    )
  })
  return { action, result }
}

function TestRow({ test }: { readonly test: ServerTest }) {
  const refusal = useRefusal('admin')
  const { action, result } = test
  return (
    <section class="test" aria-label="Test of the connection">
      <div class="test-head">
        <Button
          icon="verify"
          isBusy={action.isBusy}
          refusal={refusal}
          onPress={() => void action.run()}
        >
          Test connection
        </Button>
        <span class="hint">
          Tries everything that a nightly run needs, and leaves nothing behind.
        </span>
      </div>
      <ProblemNote problem={action.problem} />
      <div role="status" aria-live="polite">
        {action.isBusy && <p>Testing: this takes some seconds…</p>}
        {result !== undefined && <TestResult result={result} />}
      </div>
    </section>
  )
}
