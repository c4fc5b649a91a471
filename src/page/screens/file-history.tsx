// The history of one path: when it appeared, changed and went, and which archives have which version.

import { useState } from 'preact/hooks'
import { get, withQuery } from '../api.ts'
import type { FileHistory, FileVersion } from '../api-types.ts'
import { download } from '../download.ts'
import { useAction, useLoad } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { Head, Panel } from '../parts/screen.tsx'
import { Ago, Badge, Name, ProblemNote, Waiting } from '../parts/shown.tsx'
import { linkTo } from '../route.ts'
import { useRefusal } from '../session.ts'
import { pathText, plural, sizeText } from '../text.ts'
import { RestoreDialog } from './restore-dialog.tsx'
import type { RestoreWish } from './restore-dialog.tsx'

export function FileHistoryView({
  path,
  source,
}: {
  readonly path: string
  readonly source: string
}) {
  const [wish, setWish] = useState<RestoreWish | undefined>(undefined)
  const { value, problem } = useLoad(`history ${source} ${path}`, (signal) =>
    get<FileHistory>(withQuery('/api/files/history', { path, source }), signal),
  )
  return (
    <>
      <Head
        title="History of a path"
        back={{ href: linkTo(['files']), title: 'Find a file' }}
        sub={<Name isPath>{path}</Name>}
      />
      <ProblemNote problem={problem} />
      {value === undefined && problem === undefined && <Waiting what="the history" />}
      <div class="stack">
        {value?.histories.map((history) => (
          <Panel key={`${history.host} ${history.source}`} title={`In ${history.source}`}>
            <ol class="versions">
              {history.versions.toReversed().map((version) => (
                <VersionItem
                  key={version.since}
                  version={version}
                  path={pathText(history)}
                  onRestore={(archive) =>
                    setWish({ archive, source: history.source, paths: [pathText(history)] })
                  }
                />
              ))}
            </ol>
          </Panel>
        ))}
      </div>
      {wish !== undefined && <RestoreDialog wish={wish} onClose={() => setWish(undefined)} />}
    </>
  )
}

const EVENTS = { appeared: 'appeared', changed: 'changed', returned: 'came back' }

function VersionItem(input: {
  readonly version: FileVersion
  readonly path: string
  readonly onRestore: (archive: string) => void
}) {
  const { version, path, onRestore } = input
  const { event, changes, since, until, isGoneThen, archives, sizeBytes, kind, modifiedAt } =
    version
  const newest = archives.at(-1)
  return (
    <li class="version">
      <div class="version-text">
        <p class="version-head">
          <Badge tone={until === null ? 'good' : 'quiet'}>
            {until === null ? 'as it is now' : EVENTS[event]}
          </Badge>
          {kind === 'file' ? sizeText(sizeBytes) : kind}, changed{' '}
          <time dateTime={modifiedAt}>{modifiedAt.slice(0, 19).replace('T', ' ')} UTC</time>
        </p>
        <p class="under">
          {EVENTS[event]} <Ago at={since} />
          {changes.length > 0 && ` (${changes.join(', ')})`}
          {until !== null && (
            <>
              {' '}
              · {isGoneThen ? 'gone' : 'changed again'} <Ago at={until} />
            </>
          )}{' '}
          · in {plural(archives.length, 'archive')}
        </p>
      </div>
      {newest === undefined ? (
        <Badge tone="quiet">in no archive any more</Badge>
      ) : (
        <VersionActions
          archive={newest.id}
          path={path}
          isFile={kind === 'file'}
          onRestore={onRestore}
        />
      )}
    </li>
  )
}

function VersionActions(input: {
  readonly archive: string
  readonly path: string
  readonly isFile: boolean
  readonly onRestore: (archive: string) => void
}) {
  const { archive, path, isFile, onRestore } = input
  const refusal = useRefusal('restore')
  const fetched = useAction(() => download(archive, path))
  return (
    <div class="version-actions">
      <Button icon="restore" refusal={refusal} onPress={() => onRestore(archive)}>
        Restore
      </Button>
      {isFile && (
        <Button
          icon="download"
          refusal={refusal}
          isBusy={fetched.isBusy}
          onPress={() => void fetched.run()}
        >
          Download
        </Button>
      )}
      <ProblemNote problem={fetched.problem} />
    </div>
  )
}
