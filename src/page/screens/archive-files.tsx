// The files inside of an archive: searched by the daemon, shown some hundreds at a time, ticked to be restored.

import { useState } from 'preact/hooks'
import { get, withQuery } from '../api.ts'
import type { Archive, ArchiveFile, ArchiveFiles } from '../api-types.ts'
import { download } from '../download.ts'
import { useAction, useLoad } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { TextField } from '../parts/field.tsx'
import { Icon } from '../parts/icon.tsx'
import { Panel } from '../parts/screen.tsx'
import { Empty, Name, Note, ProblemNote, Waiting } from '../parts/shown.tsx'
import { linkTo } from '../route.ts'
import { useRefusal } from '../session.ts'
import { pathText, plural, sizeText, visible } from '../text.ts'

const PAGE = 200
// The most that the API gives at once; whoever has more searches.
const MOST = 1_000
// Of one restore: what the API takes.
const PATHS_MAX = 100

export function ArchiveFilesPanel(input: {
  readonly archive: Archive
  readonly onRestore: (paths: readonly string[]) => void
}) {
  const { archive, onRestore } = input
  const [typed, setTyped] = useState('')
  const [pattern, setPattern] = useState('')
  const [limit, setLimit] = useState(PAGE)
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set())
  const { value, problem, isLoading } = useLoad(
    `files ${archive.id} ${pattern} ${limit}`,
    (signal) =>
      get<ArchiveFiles>(withQuery(`/api/archives/${archive.id}/files`, { pattern, limit }), signal),
  )
  const search = (event: Event): void => {
    event.preventDefault()
    setLimit(PAGE)
    setPattern(typed.trim())
  }
  const tick = (path: string, isTicked: boolean): void => {
    const next = new Set(ticked)
    if (isTicked) next.add(path)
    else next.delete(path)
    setTicked(next)
  }
  return (
    <Panel title="Files inside">
      <form
        class="search"
        role="search"
        aria-label="Files inside of this archive"
        onSubmit={search}
      >
        <TextField
          label="Name, part of a path, or a pattern such as *.sql"
          type="search"
          value={typed}
          onInput={setTyped}
        />
        <Button isSubmit icon="files">
          Search
        </Button>
      </form>
      <ProblemNote problem={problem} />
      {value === undefined ? (
        problem === undefined && <Waiting what="the files" />
      ) : (
        <FileTable archive={archive} found={value} ticked={ticked} onTick={tick} />
      )}
      {value?.hasMore === true && (
        <MoreFiles
          limit={limit}
          isLoading={isLoading}
          onMore={() => setLimit(Math.min(MOST, limit * 2 + PAGE))}
        />
      )}
      {ticked.size > 0 && (
        <TickedBar paths={[...ticked]} onRestore={onRestore} onClear={() => setTicked(new Set())} />
      )}
    </Panel>
  )
}

function MoreFiles(input: {
  readonly limit: number
  readonly isLoading: boolean
  readonly onMore: () => void
}) {
  return (
    <p class="below">
      {input.limit < MOST ? (
        <Button isBusy={input.isLoading} onPress={input.onMore}>
          Show more
        </Button>
      ) : (
        <span>The first {MOST} are shown: search for the others.</span>
      )}
    </p>
  )
}

function TickedBar(input: {
  readonly paths: readonly string[]
  readonly onRestore: (paths: readonly string[]) => void
  readonly onClear: () => void
}) {
  const { paths, onRestore, onClear } = input
  const refusal = useRefusal('restore')
  const tooMany =
    paths.length > PATHS_MAX ? `at most ${PATHS_MAX} at once: restore a folder instead` : undefined
  return (
    <div class="ticked" role="status">
      <span>{plural(paths.length, 'file')} ticked</span>
      <Button
        kind="primary"
        icon="restore"
        refusal={refusal ?? tooMany}
        onPress={() => onRestore(paths)}
      >
        Restore these
      </Button>
      <Button kind="quiet" onPress={onClear}>
        Untick all
      </Button>
    </div>
  )
}

type TableInput = {
  readonly archive: Archive
  readonly found: ArchiveFiles
  readonly ticked: ReadonlySet<string>
  readonly onTick: (path: string, isTicked: boolean) => void
}

function FileTable({ archive, found, ticked, onTick }: TableInput) {
  if (found.files.length === 0) return <Empty icon="files" title="No file fits" />
  return (
    <div class="table-frame">
      <table class="table table-files">
        <caption class="unseen">Files inside of the archive</caption>
        <thead>
          <tr>
            <th scope="col">
              <span class="unseen">Tick to restore</span>
            </th>
            <th scope="col">Path</th>
            <th scope="col">Changed</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col">
              <span class="unseen">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {found.files.map((file) => (
            <FileRow
              key={file.pathBytes ?? file.path}
              file={file}
              archive={archive}
              isTicked={ticked.has(pathText(file))}
              onTick={onTick}
            />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function FileRow(input: {
  readonly file: ArchiveFile
  readonly archive: Archive
  readonly isTicked: boolean
  readonly onTick: (path: string, isTicked: boolean) => void
}) {
  const { file, archive, isTicked, onTick } = input
  const { kind, sizeBytes, modifiedAt } = file
  const path = pathText(file)
  const shown = path === '' ? '.' : path
  return (
    <tr>
      <td class="tick">
        {path !== '' && (
          <input
            type="checkbox"
            aria-label={`Restore ${visible(path)}`}
            checked={isTicked}
            onChange={(event) => onTick(path, event.currentTarget.checked)}
          />
        )}
      </td>
      <th scope="row" class="head">
        <span class="file-name">
          <Icon name={kind === 'folder' || kind === 'directory' ? 'folder' : 'file'} size={16} />
          <Name isPath>{shown}</Name>
        </span>
      </th>
      <td data-label="Changed">
        <time dateTime={modifiedAt}>{modifiedAt.slice(0, 16).replace('T', ' ')}</time>
      </td>
      <td class="number" data-label="Size">
        {kind === 'file' ? sizeText(sizeBytes) : <span class="under">{kind}</span>}
      </td>
      <td class="row-actions">
        {kind === 'file' && <DownloadFile archive={archive} path={path} />}
        <a
          class="button button-quiet button-icon"
          href={linkTo(['files'], { path, source: archive.source })}
          aria-label={`History of ${visible(path)}`}
          title="History"
        >
          <Icon name="clock" />
        </a>
      </td>
    </tr>
  )
}

function DownloadFile({ archive, path }: { readonly archive: Archive; readonly path: string }) {
  const refusal = useRefusal('restore')
  const fetched = useAction(() => download(archive.id, path))
  return (
    <>
      <Button
        kind="quiet"
        icon="download"
        label={`Download ${path}`}
        refusal={refusal}
        isBusy={fetched.isBusy}
        onPress={() => void fetched.run()}
      />
      {fetched.problem !== undefined && (
        <Note tone="bad">
          <p role="alert">{fetched.problem.message}</p>
        </Note>
      )}
    </>
  )
}
