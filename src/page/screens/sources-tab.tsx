// The sources: what is archived.

import type { Entry } from '../settings-types.ts'
import { LinkButton } from '../parts/button.tsx'
import { Panel } from '../parts/screen.tsx'
import { Badge, Empty, Name, Note } from '../parts/shown.tsx'
import { linkTo } from '../route.ts'
import { errorText } from '../settings-form.ts'
import { RemoveEntry } from './servers-tab.tsx'
import type { TabInput } from './settings.tsx'
import { kindOfSource, nameOfSource } from './source-kinds.ts'

export function SourcesTab({ settings, refusal }: TabInput) {
  const { sources, revision } = settings
  const add = refusal === undefined && (
    <LinkButton kind="primary" icon="plus" href={linkTo(['settings', 'sources', 'new'])}>
      Add a source
    </LinkButton>
  )
  if (sources.length === 0)
    return (
      <Empty icon="folder" title="Nothing to archive yet: add the first source">
        <p>A folder, or a database. Each source becomes an archive of its own every night.</p>
        {add}
      </Empty>
    )
  return (
    <Panel title="Sources" aside={add}>
      <ul class="entries">
        {sources.map((entry) => (
          <li key={entry.number} class="entry">
            <SourceEntry entry={entry} revision={revision} refusal={refusal} />
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function SourceEntry(input: {
  readonly entry: Entry
  readonly revision: string
  readonly refusal: string | undefined
}) {
  const { entry, revision, refusal } = input
  const kind = kindOfSource(entry)
  const to = linkTo(['settings', 'sources', String(entry.number)])
  const name = nameOfSource(entry)
  return (
    <div class="entry-body">
      <div class="entry-head">
        <p class="card-title">
          <a href={to}>
            <Name>{name}</Name>
          </a>
        </p>
        <Badge tone="quiet" icon={kind.id === 'folder' ? 'folder' : 'disk'}>
          {kind.title}
        </Badge>
      </div>
      <p class="under">
        <Name isPath>{entry.settings[kind.mark] ?? 'not set'}</Name>
      </p>
      {entry.problems.map((problem) => (
        <Note key={problem.variable} tone="bad">
          <p>
            <code>{problem.variable}</code> {errorText(problem)}
          </p>
        </Note>
      ))}
      <div class="entry-actions">
        <LinkButton href={to}>{refusal === undefined ? 'Change or test' : 'Look'}</LinkButton>
        <RemoveEntry
          group="sources"
          what={name}
          {...{ number: entry.number, revision, refusal }}
          warning="It is not archived any more. Its archives stay, and can be restored."
        />
      </div>
    </div>
  )
}
