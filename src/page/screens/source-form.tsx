// One source: its kind first, then what that kind needs. What would run commands on the host is shown, with
// the reason why it cannot be changed here.

import { useState } from 'preact/hooks'
import { refreshAll, send } from '../api.ts'
import type { TestedSource } from '../api-types.ts'
import type { Entry, Field, Settings } from '../settings-types.ts'
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
import type { TabInput } from './settings.tsx'
import { kindOfSource, nameOfSource, SOURCE_KINDS } from './source-kinds.ts'
import type { SourceKind } from './source-kinds.ts'

export function SourceForm(input: TabInput & { readonly entry: string }) {
  const { settings, entry } = input
  const saved = settings.sources.find(({ number }) => String(number) === entry)
  if (saved === undefined && entry !== 'new')
    return (
      <Note tone="warning">
        <p>
          There is no such source. <a href={linkTo(['settings', 'sources'])}>All sources</a>
        </p>
      </Note>
    )
  return <Edit settings={settings} refusal={input.refusal} saved={saved} />
}

type EditInput = TabInput & { readonly saved: Entry | undefined }

function Edit({ settings, refusal, saved }: EditInput) {
  const [kind, setKind] = useState(
    saved === undefined
      ? (SOURCE_KINDS.find((each) => closedBecause(settings, each) === undefined) ??
          SOURCE_KINDS[0]!)
      : kindOfSource(saved),
  )
  const form = useForm(saved)
  const fields = settings.fields.source.filter(
    ({ sourceKinds }) => sourceKinds?.includes(kind.id) ?? true,
  )
  // Of another kind that was typed before somebody changed their mind.
  const changes = Object.fromEntries(
    Object.entries(form.changes).filter(([name]) => fields.some((field) => field.name === name)),
  )
  const save = useSave(settings, saved, changes)
  const problem = save.problem
  const errors = errorsOf(problem, saved?.problems)
  const place = useFocusOnError(problem)
  const isChanged = Object.keys(changes).length > 0
  return (
    <Panel title={saved === undefined ? 'Add a source' : nameOfSource(saved)}>
      <form
        ref={place}
        class="form"
        noValidate
        aria-label="Source"
        onSubmit={(event) => {
          event.preventDefault()
          void save.run()
        }}
      >
        {saved === undefined && <KindChoice settings={settings} kind={kind} onChoose={setKind} />}
        <Fields kind={kind} fields={fields} form={form} errors={errors} />
        <SourceTest saved={saved} changes={changes} />
        <SaveRow
          problem={problem}
          others={errors.others(fields.map(({ name }) => name))}
          isBusy={save.isBusy}
          refusal={refusal ?? (isChanged ? undefined : 'nothing is changed')}
          verb={saved === undefined ? 'Save the source' : 'Save'}
        >
          <LinkButton href={linkTo(['settings', 'sources'])}>Cancel</LinkButton>
        </SaveRow>
      </form>
    </Panel>
  )
}

type Changes = Readonly<Record<string, string | null>>

function useSave(settings: Settings, saved: Entry | undefined, changes: Changes) {
  return useAction(async () => {
    const body = { revision: settings.revision, settings: changes }
    const answer =
      saved === undefined
        ? await send<{ readonly note?: string }>('POST', '/api/sources', body)
        : await send<{ readonly note?: string }>('PATCH', `/api/sources/${saved.number}`, body)
    tell(answer.note ?? 'The source is saved')
    refreshAll()
    go(settings.sources.length === 0 ? ['overview'] : ['settings', 'sources'])
  })
}

function KindChoice(input: {
  readonly settings: Settings
  readonly kind: SourceKind
  readonly onChoose: (kind: SourceKind) => void
}) {
  const { settings, kind, onChoose } = input
  const open = SOURCE_KINDS.filter((each) => closedBecause(settings, each) === undefined)
  const closed = SOURCE_KINDS.filter((each) => !open.includes(each))
  return (
    <>
      <SelectField
        label="Kind"
        value={kind.id}
        choices={open.map(({ id, title }) => ({ value: id, label: title }))}
        onChange={(id) => onChoose(SOURCE_KINDS.find((each) => each.id === id) ?? kind)}
      />
      {closed.length > 0 && (
        <p class="hint">
          Added on the host only, with <code>spillway configure</code>:{' '}
          {closed
            .map(
              (each) =>
                `${each.title.toLowerCase()}, since it ${closedBecause(settings, each) ?? ''}`,
            )
            .join('; ')}
          .
        </p>
      )}
    </>
  )
}

/** undefined: a source of this kind can be added here. */
function closedBecause({ fields }: Settings, { mark }: SourceKind): string | undefined {
  const field = fields.source.find(({ name }) => name === mark)
  if (field?.isReadOnly !== true) return undefined
  return field.readOnlyReason ?? 'can only be changed on the host'
}

function Fields(input: {
  readonly kind: SourceKind
  readonly fields: readonly Field[]
  readonly form: Form
  readonly errors: Errors
}) {
  const { kind, fields, form, errors } = input
  const first = kind.first.flatMap((name) => fields.find((field) => field.name === name) ?? [])
  const rest = fields.filter(({ name }) => !kind.first.includes(name))
  const keeps = rest.filter(({ name }) => name.startsWith('KEEP_'))
  const more = rest.filter(({ name }) => !name.startsWith('KEEP_'))
  return (
    <>
      <div class="fields">
        {first.map((field) => (
          <SettingField
            key={field.name}
            {...{ field, form, errors }}
            isRequired={field.name === kind.mark}
          />
        ))}
      </div>
      <details class="details">
        <summary>Retention of this source alone</summary>
        <p class="panel-text">Any rule here replaces all the common ones for this source.</p>
        <div class="fields">
          {keeps.map((field) => (
            <SettingField key={field.name} {...{ field, form, errors }} />
          ))}
        </div>
      </details>
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

function SourceTest({
  saved,
  changes,
}: {
  readonly saved: Entry | undefined
  readonly changes: Changes
}) {
  const refusal = useRefusal('admin')
  const [result, setResult] = useState<TestedSource | undefined>(undefined)
  const test = useAction(async () => {
    setResult(undefined)
    const number = saved === undefined ? {} : { number: saved.number }
    setResult(
      await send<TestedSource>('POST', '/api/sources/test', { ...number, settings: changes }),
    )
  })
  return (
    <section class="test" aria-label="Test of the source">
      <div class="test-head">
        <Button
          icon="verify"
          isBusy={test.isBusy}
          refusal={refusal}
          onPress={() => void test.run()}
        >
          Test the source
        </Button>
        <span class="hint">Looks whether it can be read; nothing is archived.</span>
      </div>
      <ProblemNote problem={test.problem} />
      <div role="status" aria-live="polite">
        {test.isBusy && <p>Looking…</p>}
        {result !== undefined && (
          <Note
            tone={result.ok ? 'good' : 'bad'}
            title={result.ok ? 'It can be read' : 'It cannot be archived like this'}
          >
            {result.lines.map((line) => (
              <p key={line}>{sentence(line)}</p>
            ))}
          </Note>
        )}
      </div>
    </section>
  )
}
