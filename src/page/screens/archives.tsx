// All archives of this host, newest first, with filters that are part of the address.

import { useState } from 'preact/hooks'
import { get, withQuery } from '../api.ts'
import type { Archive, Archives, Status } from '../api-types.ts'
import { useLoad } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { CheckField, SelectField } from '../parts/field.tsx'
import type { Choice } from '../parts/field.tsx'
import { Icon } from '../parts/icon.tsx'
import { LocationBadge } from '../parts/location.tsx'
import { Head } from '../parts/screen.tsx'
import { Ago, Badge, Empty, Name, ProblemNote, Waiting } from '../parts/shown.tsx'
import { Table } from '../parts/table.tsx'
import { linkTo, stay } from '../route.ts'
import { countText, plural, sizeText, visible } from '../text.ts'

const PAGE = 50
// A list that somebody pages through does not move under the hand.
const EVERY_MS = 30_000

type Filter = {
  readonly source: string
  readonly server: string
  readonly location: string
  readonly all: string
}

export function ArchivesScreen({ query }: { readonly query: URLSearchParams }) {
  const filter: Filter = {
    source: query.get('source') ?? '',
    server: query.get('server') ?? '',
    location: query.get('location') ?? '',
    all: query.get('all') ?? '',
  }
  const key = JSON.stringify(filter)
  return (
    <>
      <Head title="Archives" />
      <Filters filter={filter} />
      <List key={key} filter={filter} />
    </>
  )
}

const LOCATIONS: readonly Choice[] = [
  { value: '', label: 'everywhere' },
  { value: 's3', label: 'on a server' },
  { value: 'local', label: 'only on this host' },
  { value: 'both', label: 'on both' },
]

function Filters({ filter }: { readonly filter: Filter }) {
  const { value: status } = useLoad('status', (signal) => get<Status>('/api/status', signal))
  const change = (changed: Partial<Filter>): void => stay(['archives'], { ...filter, ...changed })
  const sources = (status?.sources ?? []).map(({ name }) => ({ value: name, label: visible(name) }))
  const named = sources.some(({ value }) => value === filter.source)
  const gone = filter.source === '' || named ? [] : [{ value: filter.source, label: filter.source }]
  const servers = (status?.servers ?? []).flatMap(({ number, label }) =>
    number === null ? [] : [{ value: String(number), label: visible(label) }],
  )
  return (
    <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      <SelectField
        label="Source"
        value={filter.source}
        choices={[{ value: '', label: 'all sources' }, ...sources, ...gone]}
        onChange={(source) => change({ source })}
      />
      <SelectField
        label="Server"
        value={filter.server}
        choices={[{ value: '', label: 'all servers' }, ...servers]}
        onChange={(server) => change({ server })}
      />
      <SelectField
        label="Place"
        value={filter.location}
        choices={LOCATIONS}
        onChange={(location) => change({ location })}
      />
      <CheckField
        label="Failed and deleted ones, too"
        isChecked={filter.all === 'true'}
        onChange={(isChecked) => change({ all: isChecked ? 'true' : '' })}
      />
    </form>
  )
}

function List({ filter }: { readonly filter: Filter }) {
  const [limit, setLimit] = useState(PAGE)
  const { value, problem, isLoading } = useLoad(
    `archives ${JSON.stringify(filter)} ${limit}`,
    (signal) => get<Archives>(withQuery('/api/archives', { ...filter, limit }), signal),
    EVERY_MS,
  )
  // While more is loaded, what there is stays.
  const [before, setBefore] = useState<Archives | undefined>(undefined)
  if (value !== undefined && value !== before) setBefore(value)
  const shown = value ?? before
  if (shown === undefined)
    return problem === undefined ? (
      <Waiting what="the archives" />
    ) : (
      <ProblemNote problem={problem} />
    )
  if (shown.archives.length === 0) return <NoArchives filter={filter} />
  return (
    <>
      <ProblemNote problem={problem} />
      <div class="panel">
        <ArchiveTable archives={shown.archives} />
      </div>
      <p class="below">
        <span role="status">{plural(shown.archives.length, 'archive')} shown</span>
        {shown.next !== null && (
          <Button isBusy={isLoading} onPress={() => setLimit(Math.min(1_000, limit + PAGE * 2))}>
            Show more
          </Button>
        )}
      </p>
    </>
  )
}

function NoArchives({ filter }: { readonly filter: Filter }) {
  const isFiltered = Object.values(filter).some((text) => text !== '')
  return isFiltered ? (
    <Empty icon="archives" title="No archive fits these filters">
      <p>
        <a href={linkTo(['archives'])}>Show all archives</a>
      </p>
    </Empty>
  ) : (
    <Empty icon="archives" title="No archive yet">
      <p>
        The first run makes one of each source. Start it on the{' '}
        <a href={linkTo(['overview'])}>overview</a>.
      </p>
    </Empty>
  )
}

function ArchiveTable({ archives }: { readonly archives: readonly Archive[] }) {
  return (
    <Table
      caption="Archives, newest first"
      rows={archives}
      keyOf={({ id }) => id}
      columns={[
        {
          ...{ title: 'Archive', isHead: true },
          cell: ({ id, source, file, pinned }) => (
            <>
              <a href={linkTo(['archives', id])}>
                <Name>{source}</Name>
              </a>
              {pinned && (
                <span class="pinned" title="pinned: no rule deletes it">
                  <Icon name="pin" size={14} />
                  <span class="unseen">pinned</span>
                </span>
              )}
              <span class="under">
                <Name>{file}</Name>
              </span>
            </>
          ),
        },
        { title: 'Made', cell: ({ createdAt }) => <Ago at={createdAt} /> },
        {
          title: 'Place',
          cell: (archive) => (
            <>
              <LocationBadge archive={archive} />
              <span class="under">{serversText(archive)}</span>
            </>
          ),
        },
        { title: 'Remarks', cell: (archive) => remarksOf(archive) },
        {
          ...{ title: 'Files', isNumber: true },
          cell: ({ fileCount }) => (fileCount === null ? '' : countText(fileCount)),
        },
        {
          ...{ title: 'Size', isNumber: true },
          cell: ({ sizeBytes }) => (sizeBytes === null ? '' : sizeText(sizeBytes)),
        },
      ]}
    />
  )
}

function serversText({ copies }: Archive): string {
  return copies
    .filter(({ state }) => state === 'stored')
    .map(({ label }) => label)
    .join(', ')
}

/** Nothing, where there is none. */
function remarksOf({ problems, warningCount, reason, state }: Archive) {
  if (problems > 0) return <Badge tone="bad">{plural(problems, 'problem')}</Badge>
  if (state === 'failed') return <span class="under">{reason ?? ''}</span>
  if (warningCount > 0) return <Badge tone="warning">{plural(warningCount, 'warning')}</Badge>
  return null
}
