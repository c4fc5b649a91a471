// Where to restore to: a folder below one of the roots that the host allows, or, for an archive of a database,
// a database. Says before it begins what will be written where.

import { useState } from 'preact/hooks'
import { get, send } from '../api.ts'
import type { Job } from '../api-types.ts'
import type { Entry, Settings } from '../settings-types.ts'
import { useAction, useLoad } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { CheckField, SelectField, TextField } from '../parts/field.tsx'
import { Name, Note, ProblemNote } from '../parts/shown.tsx'
import { go } from '../route.ts'
import { useSession } from '../session.ts'
import { plural } from '../text.ts'
import { databaseKindOf, nameOfSource } from './source-kinds.ts'

export type RestoreWish = {
  readonly archive: string
  readonly source: string
  /** Empty: the whole archive. */
  readonly paths: readonly string[]
}

export function RestoreDialog(input: { readonly wish: RestoreWish; readonly onClose: () => void }) {
  const { wish, onClose } = input
  const { value: settings } = useLoad('settings', (signal) =>
    get<Settings>('/api/settings', signal),
  )
  const databases = (settings?.sources ?? []).filter((entry) => databaseKindOf(entry) !== undefined)
  const own = databases.find((entry) => nameOfSource(entry) === wish.source)
  const [place, setPlace] = useState<'folder' | 'database'>('folder')
  const canIntoDatabase = own !== undefined && wish.paths.length === 0
  return (
    <Dialog title="Restore" onClose={onClose}>
      <p>
        {wish.paths.length === 0
          ? 'The whole archive of '
          : `${plural(wish.paths.length, 'path')} of an archive of `}
        <Name>{wish.source}</Name>.
      </p>
      {wish.paths.length > 0 && <Paths paths={wish.paths} />}
      {canIntoDatabase && (
        <SelectField
          label="Restore into"
          value={place}
          choices={[
            { value: 'folder', label: 'a folder of this host' },
            { value: 'database', label: 'a database' },
          ]}
          onChange={(value) => setPlace(value === 'database' ? 'database' : 'folder')}
        />
      )}
      {place === 'folder' || !canIntoDatabase ? (
        <IntoFolder wish={wish} onClose={onClose} />
      ) : (
        <IntoDatabase wish={wish} databases={databases} onClose={onClose} />
      )}
    </Dialog>
  )
}

const PATHS_SHOWN = 5

function Paths({ paths }: { readonly paths: readonly string[] }) {
  return (
    <ul class="path-list">
      {paths.slice(0, PATHS_SHOWN).map((path) => (
        <li key={path}>
          <Name isPath>{path}</Name>
        </li>
      ))}
      {paths.length > PATHS_SHOWN && <li>and {paths.length - PATHS_SHOWN} more</li>}
    </ul>
  )
}

const RULES = [
  { value: 'never', label: 'stays as it is' },
  { value: 'older', label: 'is replaced if it is older' },
  { value: 'always', label: 'is replaced' },
]

type FormInput = { readonly wish: RestoreWish; readonly onClose: () => void }

function IntoFolder({ wish, onClose }: FormInput) {
  const roots = useSession()?.restoreRoots ?? []
  const [root, setRoot] = useState(roots[0] ?? '')
  const [folder, setFolder] = useState(`restored-${wish.archive.slice(0, 8)}`)
  const [overwrite, setOverwrite] = useState('never')
  const to = `${root.replace(/\/+$/, '')}/${folder.replace(/^\/+|\/+$/g, '')}`
  const start = useAction(async () => {
    const paths = wish.paths.length === 0 ? {} : { paths: wish.paths }
    const job = await send<Job>('POST', '/api/restores', {
      archive: wish.archive,
      to,
      overwrite,
      ...paths,
    })
    onClose()
    go(['jobs', job.id])
  })
  if (roots.length === 0) return <NoRoots onClose={onClose} />
  return (
    <>
      <SelectField
        label="Below"
        value={root}
        choices={roots.map((each) => ({ value: each, label: each }))}
        onChange={setRoot}
        help="The host allows these folders: RESTORE_ROOTS"
      />
      <TextField
        label="Folder"
        value={folder}
        onInput={setFolder}
        help="It is made if it is not there."
      />
      <SelectField
        label="What is there already"
        value={overwrite}
        choices={RULES}
        onChange={setOverwrite}
      />
      <p class="fact-line">
        Files will be written below <Name isPath>{to}</Name>
      </p>
      <ProblemNote problem={start.problem} />
      <div class="actions">
        <Button
          kind="primary"
          icon="restore"
          isBusy={start.isBusy}
          refusal={folder.trim() === '' ? 'name a folder first' : undefined}
          onPress={() => void start.run()}
        >
          Restore
        </Button>
        <Button onPress={onClose}>Cancel</Button>
      </div>
    </>
  )
}

function NoRoots({ onClose }: { readonly onClose: () => void }) {
  return (
    <>
      <Note tone="warning" title="This host allows no folder yet">
        <p>
          Set <code>RESTORE_ROOTS</code> in the settings file on the host to the folders below which
          this page may restore, separated by commas. Or restore there:{' '}
          <code>spillway restore</code>
        </p>
      </Note>
      <div class="actions">
        <Button onPress={onClose}>Close</Button>
      </div>
    </>
  )
}

function IntoDatabase(input: FormInput & { readonly databases: readonly Entry[] }) {
  const { wish, databases, onClose } = input
  const names = databases.map(nameOfSource)
  const [source, setSource] = useState(wish.source)
  const [database, setDatabase] = useState('')
  const [replaces, setReplaces] = useState(false)
  const start = useAction(async () => {
    const into = {
      source,
      ...(database.trim() === '' ? {} : { database: database.trim() }),
      ...(replaces ? { replaceExisting: true } : {}),
    }
    const job = await send<Job>('POST', '/api/restores', { archive: wish.archive, into })
    onClose()
    go(['jobs', job.id])
  })
  return (
    <>
      <SelectField
        label="Server of databases"
        value={source}
        choices={names.map((name) => ({ value: name, label: name }))}
        onChange={setSource}
      />
      <TextField
        label="Database"
        value={database}
        onInput={setDatabase}
        help="Empty: all databases of the archive, with their own names."
      />
      <CheckField
        label="Replace databases that exist"
        help="Without this, a database that exists already is a failure, and nothing is touched."
        isChecked={replaces}
        onChange={setReplaces}
      />
      <Note tone="warning">
        <p>Restoring SQL runs what is in the archive, with the rights of that server’s user.</p>
      </Note>
      <ProblemNote problem={start.problem} />
      <div class="actions">
        <Button
          kind={replaces ? 'danger' : 'primary'}
          icon="restore"
          isBusy={start.isBusy}
          onPress={() => void start.run()}
        >
          {replaces ? 'Restore and replace' : 'Restore'}
        </Button>
        <Button onPress={onClose}>Cancel</Button>
      </div>
    </>
  )
}
