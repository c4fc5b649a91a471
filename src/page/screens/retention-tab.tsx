// Retention: the rules, and at once what they would mean for the archives that there are.

import { useEffect, useState } from 'preact/hooks'
import { problemFrom, refreshAll, send } from '../api.ts'
import type { ApiProblem } from '../api.ts'
import type { PrunePreview } from '../api-types.ts'
import { useAction } from '../load.ts'
import { SaveRow } from '../parts/save-row.tsx'
import { Panel } from '../parts/screen.tsx'
import { SettingField } from '../parts/setting-field.tsx'
import { Badge, Empty, Name, Note, ProblemNote, Waiting } from '../parts/shown.tsx'
import { Table } from '../parts/table.tsx'
import { tell } from '../parts/toast.tsx'
import { linkTo } from '../route.ts'
import { errorsOf, useFocusOnError, useForm } from '../settings-form.ts'
import type { Changes } from '../settings-form.ts'
import { exactText, plural, sentence, sizeText } from '../text.ts'
import type { TabInput } from './settings.tsx'

export function RetentionTab({ settings, refusal }: TabInput) {
  const form = useForm(settings.general)
  const save = useAction(async () => {
    await send('PATCH', '/api/settings', { revision: settings.revision, settings: form.changes })
    form.reset()
    tell('The rules are saved; the next run follows them')
    refreshAll()
  })
  const errors = errorsOf(save.problem)
  const place = useFocusOnError(save.problem)
  const keeps = settings.fields.general.filter(({ name }) => name.startsWith('KEEP_'))
  const most = settings.fields.general.filter(({ name }) => name === 'PRUNE_MAX_PER_RUN')
  const fields = [...keeps, ...most]
  const rules = Object.fromEntries(
    Object.entries(form.changes).filter(([name]) => name.startsWith('KEEP_')),
  )
  const areSet = keeps.some(({ name }) => form.value(name) !== '')
  return (
    <>
      <Panel title="Rules">
        <p class="panel-text">
          An archive stays as long as any rule keeps it. The last good archive of a source, pinned
          archives and those that wait are never deleted. Days are those of UTC.
        </p>
        <form
          ref={place}
          class="form"
          noValidate
          aria-label="Retention"
          onSubmit={(event) => {
            event.preventDefault()
            void save.run()
          }}
        >
          <div class="fields fields-narrow">
            {fields.map((field) => (
              <SettingField key={field.name} {...{ field, form, errors }} />
            ))}
          </div>
          {!areSet && (
            <Note tone="info">
              <p>No rule is set: everything is kept, until the servers are full.</p>
            </Note>
          )}
          <SaveRow
            problem={save.problem}
            others={errors.others(fields.map(({ name }) => name))}
            isBusy={save.isBusy}
            refusal={refusal ?? (form.isChanged ? undefined : 'nothing is changed')}
            verb="Save the rules"
          />
        </form>
      </Panel>
      <Preview rules={rules} isChanged={form.isChanged} />
    </>
  )
}

// Long enough that a figure of two digits is typed before anybody computes.
const PAUSE_MS = 350

type Previewed = {
  readonly preview: PrunePreview | undefined
  readonly problem: ApiProblem | undefined
}

function usePreview(rules: Changes): Previewed {
  const [state, setState] = useState<Previewed>({ preview: undefined, problem: undefined })
  const key = JSON.stringify(rules)
  useEffect(() => {
    const ended = new AbortController()
    const timer = setTimeout(() => {
      const body = { settings: JSON.parse(key) as Changes }
      send<PrunePreview>('POST', '/api/retention/preview', body, ended.signal).then(
        (preview) => setState({ preview, problem: undefined }),
        (error: unknown) => {
          if (!ended.signal.aborted)
            setState((before) => ({ ...before, problem: problemFrom(error) }))
        },
      )
    }, PAUSE_MS)
    return () => {
      ended.abort()
      clearTimeout(timer)
    }
  }, [key])
  return state
}

function Preview({ rules, isChanged }: { readonly rules: Changes; readonly isChanged: boolean }) {
  const { preview, problem } = usePreview(rules)
  return (
    <Panel title={isChanged ? 'What these rules would mean' : 'What the rules mean now'}>
      <ProblemNote problem={problem} />
      {preview === undefined ? (
        problem === undefined && <Waiting what="the preview" />
      ) : preview.archives.length === 0 ? (
        <Empty icon="archives" title="There is no archive yet that rules could speak of" />
      ) : (
        <PreviewContent preview={preview} />
      )}
    </Panel>
  )
}

const SHOWN = 100

function PreviewContent({ preview }: { readonly preview: PrunePreview }) {
  const { archives, held, notes, remaining } = preview
  const deleted = archives.filter(({ action }) => action === 'delete')
  const freed = deleted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const [limit, setLimit] = useState(SHOWN)
  return (
    <>
      <p class="preview-sum" role="status">
        <strong>{plural(archives.length - deleted.length, 'archive')}</strong> kept,{' '}
        <strong>{deleted.length}</strong> deleted by the next run, {sizeText(freed)} freed
        {remaining > 0 && `; ${remaining} more are due and left to later runs`}
      </p>
      {held.map(({ source, reason }) => (
        <Note key={source} tone="warning" title={`Nothing of ${source} would be deleted now`}>
          <p>{sentence(reason)}</p>
        </Note>
      ))}
      {notes.map((note) => (
        <Note key={note} tone="info">
          <p>{sentence(note)}</p>
        </Note>
      ))}
      <Table
        caption="What would be kept and deleted"
        rows={archives.slice(0, limit)}
        keyOf={({ id }) => id}
        columns={[
          {
            ...{ title: 'Archive', isHead: true },
            cell: ({ id, source, createdAt }) => (
              <>
                <a href={linkTo(['archives', id])} title={exactText(new Date(createdAt))}>
                  {createdAt.slice(0, 10)}
                </a>
                <span class="under">
                  <Name>{source}</Name>
                </span>
              </>
            ),
          },
          {
            title: 'Would be',
            cell: ({ action }) =>
              action === 'keep' ? (
                <Badge tone="good">kept</Badge>
              ) : (
                <Badge tone="bad">deleted</Badge>
              ),
          },
          { title: 'Because', cell: ({ reasons }) => reasons.join(', ') },
          { ...{ title: 'Size', isNumber: true }, cell: ({ sizeBytes }) => sizeText(sizeBytes) },
        ]}
      />
      {archives.length > limit && (
        <p class="below">
          <button
            type="button"
            class="button button-plain"
            onClick={() => setLimit(limit + SHOWN * 3)}
          >
            Show more
          </button>
        </p>
      )}
    </>
  )
}
