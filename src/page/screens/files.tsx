// "Find a file": across all archives of all sources, also while every server is away; and the history of one.

import { useState } from 'preact/hooks'
import { get, withQuery } from '../api.ts'
import type { Found, FoundFile, Status } from '../api-types.ts'
import { useLoad } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { CheckField, SelectField, TextField } from '../parts/field.tsx'
import { Icon } from '../parts/icon.tsx'
import { Head } from '../parts/screen.tsx'
import { Ago, Badge, Empty, Name, Note, ProblemNote, Waiting } from '../parts/shown.tsx'
import { Table } from '../parts/table.tsx'
import { go, linkTo } from '../route.ts'
import { pathText, plural, sizeText, visible } from '../text.ts'
import { FileHistoryView } from './file-history.tsx'

const PAGE = 100
const MOST = 1_000

export function FilesScreen({ query }: { readonly query: URLSearchParams }) {
  const path = query.get('path')
  const source = query.get('source') ?? ''
  if (path !== null)
    return <FileHistoryView key={`${source} ${path}`} path={path} source={source} />
  const pattern = query.get('pattern') ?? ''
  const ignoreCase = query.get('ignoreCase') === 'true'
  return (
    <>
      <Head title="Find a file" />
      <SearchForm
        key={`${pattern} ${source}`}
        pattern={pattern}
        source={source}
        ignoreCase={ignoreCase}
      />
      {pattern === '' ? (
        <Empty icon="files" title="Search all archives at once">
          <p>
            A name (<code>invoice.pdf</code>), a pattern (<code>*.sql</code>) or a path (
            <code>etc/nginx/</code>). No server is asked: it works while all of them are away.
          </p>
        </Empty>
      ) : (
        <Results
          key={`${pattern} ${source} ${String(ignoreCase)}`}
          {...{ pattern, source, ignoreCase }}
        />
      )}
    </>
  )
}

type Search = { readonly pattern: string; readonly source: string; readonly ignoreCase: boolean }

function SearchForm(search: Search) {
  const [pattern, setPattern] = useState(search.pattern)
  const [source, setSource] = useState(search.source)
  const [ignoreCase, setIgnoreCase] = useState(search.ignoreCase)
  const { value: status } = useLoad('status', (signal) => get<Status>('/api/status', signal))
  const choices = (status?.sources ?? []).map(({ name }) => ({ value: name, label: visible(name) }))
  const submit = (event: Event): void => {
    event.preventDefault()
    go(['files'], {
      pattern: pattern.trim(),
      source,
      ignoreCase: ignoreCase ? 'true' : undefined,
    })
  }
  return (
    <form class="search" role="search" aria-label="Files of all archives" onSubmit={submit}>
      <TextField label="Name, pattern or path" type="search" value={pattern} onInput={setPattern} />
      <SelectField
        label="Source"
        value={source}
        choices={[{ value: '', label: 'all sources' }, ...choices]}
        onChange={setSource}
      />
      <CheckField label="Ignore case" isChecked={ignoreCase} onChange={setIgnoreCase} />
      <Button kind="primary" isSubmit icon="files">
        Search
      </Button>
    </form>
  )
}

function Results({ pattern, source, ignoreCase }: Search) {
  const [limit, setLimit] = useState(PAGE)
  const { value, problem, isLoading } = useLoad(
    `find ${pattern} ${source} ${String(ignoreCase)} ${limit}`,
    (signal) => get<Found>(withQuery('/api/files', { pattern, source, ignoreCase, limit }), signal),
  )
  if (value === undefined)
    return problem === undefined ? (
      <Waiting what="what was found" />
    ) : (
      <ProblemNote problem={problem} />
    )
  return (
    <div class="stack">
      <p role="status" class="result-count">
        {value.files.length === 0
          ? 'Nothing was found'
          : `${plural(value.files.length, 'file')} found`}
        {value.hasMore ? ', and there are more' : ''}
      </p>
      {value.unknown.length > 0 && (
        <Note tone="info">
          <p>
            The files of {plural(value.unknown.length, 'archive')} are not known yet: the next run
            reads them.
          </p>
        </Note>
      )}
      {value.files.length > 0 && (
        <div class="panel">
          <FoundTable files={value.files} />
        </div>
      )}
      {value.hasMore && limit < MOST && (
        <p class="below">
          <Button isBusy={isLoading} onPress={() => setLimit(Math.min(MOST, limit * 3))}>
            Show more
          </Button>
        </p>
      )}
    </div>
  )
}

function FoundTable({ files }: { readonly files: readonly FoundFile[] }) {
  return (
    <Table
      caption="Files that were found"
      rows={files}
      keyOf={({ host, source, path, pathBytes }) => `${host} ${source} ${pathBytes ?? path}`}
      columns={[
        {
          ...{ title: 'File', isHead: true },
          cell: ({ source, kind, ...file }) => (
            <>
              <span class="file-name">
                <Icon name={kind === 'file' ? 'file' : 'folder'} size={16} />
                <a href={linkTo(['files'], { path: pathText(file), source })}>
                  <Name isPath>{pathText(file) || '.'}</Name>
                </a>
              </span>
              <span class="under">
                <Name>{source}</Name>
              </span>
            </>
          ),
        },
        {
          title: 'Newest archive',
          cell: ({ newest }) =>
            newest === null ? (
              'deleted'
            ) : (
              <a href={linkTo(['archives', newest.id])}>
                <Ago at={newest.createdAt} />
              </a>
            ),
        },
        {
          title: 'Now',
          cell: ({ goneAt }) =>
            goneAt === null ? <Badge tone="good">there</Badge> : <Badge tone="warning">gone</Badge>,
        },
        { ...{ title: 'Versions', isNumber: true }, cell: ({ versions }) => String(versions) },
        { ...{ title: 'Archives', isNumber: true }, cell: ({ archives }) => String(archives) },
        {
          ...{ title: 'Size', isNumber: true },
          cell: ({ kind, sizeBytes }) => (kind === 'file' ? sizeText(sizeBytes) : ''),
        },
      ]}
    />
  )
}
