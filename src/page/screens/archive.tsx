// One archive: where its copies are and what is proven of them, the files inside, and what can be done.

import { useState } from 'preact/hooks'
import { get } from '../api.ts'
import type { Archive } from '../api-types.ts'
import { useLoad } from '../load.ts'
import { LocationBadge } from '../parts/location.tsx'
import { Facts, Head, Panel } from '../parts/screen.tsx'
import { Ago, Badge, Name, Note, ProblemNote, Waiting } from '../parts/shown.tsx'
import type { Tone } from '../tone.ts'
import { Table } from '../parts/table.tsx'
import { linkTo } from '../route.ts'
import { countText, plural, sentence, sizeText } from '../text.ts'
import { ArchiveActions } from './archive-actions.tsx'
import { ArchiveFilesPanel } from './archive-files.tsx'
import { RestoreDialog } from './restore-dialog.tsx'
import type { RestoreWish } from './restore-dialog.tsx'

const EVERY_MS = 15_000

export function ArchiveScreen({ id }: { readonly id: string }) {
  const { value: archive, problem } = useLoad(
    `archive ${id}`,
    (signal) => get<Archive>(`/api/archives/${id}`, signal),
    EVERY_MS,
  )
  const [wish, setWish] = useState<RestoreWish | undefined>(undefined)
  const canRestore =
    archive !== undefined && archive.location !== null && archive.state !== 'packing'
  return (
    <>
      <Head
        title={archive?.source ?? 'Archive'}
        back={{ href: linkTo(['archives']), title: 'Archives' }}
        sub={archive !== undefined && <Name>{archive.file}</Name>}
      >
        {archive !== undefined && (
          <ArchiveActions
            archive={archive}
            canRestore={canRestore}
            onRestore={() => setWish({ archive: archive.id, source: archive.source, paths: [] })}
          />
        )}
      </Head>
      <ProblemNote problem={archive === undefined ? problem : undefined} />
      {archive === undefined ? (
        problem === undefined && <Waiting what="the archive" />
      ) : (
        <div class="stack">
          <State archive={archive} />
          <Copies archive={archive} />
          <ArchiveFilesPanel
            archive={archive}
            onRestore={(paths) => setWish({ archive: archive.id, source: archive.source, paths })}
          />
        </div>
      )}
      {wish !== undefined && <RestoreDialog wish={wish} onClose={() => setWish(undefined)} />}
    </>
  )
}

function State({ archive }: { readonly archive: Archive }) {
  const { sizeBytes, sourceBytes, fileCount, warningCount, reason, problems } = archive
  return (
    <Panel title="About this archive">
      {reason !== null && archive.state === 'failed' && (
        <Note tone="bad">
          <p>{sentence(reason)}</p>
        </Note>
      )}
      {problems > 0 && (
        <Note tone="bad" title={`Verifying found ${plural(problems, 'problem')}`}>
          <p>
            Damaged bytes of a copy. If another copy is sound, <code>spillway copies</code> on the
            host replaces the damaged one.
          </p>
        </Note>
      )}
      <Facts
        facts={[
          ['Made', <Ago key="made" at={archive.createdAt} />],
          ['Place', <LocationBadge key="place" archive={archive} />],
          ['Size', sizeBytes === null ? 'not known' : sizeText(sizeBytes)],
          ['Content', sourceBytes === null ? 'not known' : sizeText(sourceBytes)],
          ['Files', fileCount === null ? 'not known' : countText(fileCount)],
          ['Warnings', warningCount === 0 ? 'none' : plural(warningCount, 'warning')],
          ['Retention', archive.pinned ? 'pinned: no rule deletes it' : 'by the rules'],
          [
            'Verified',
            archive.verifiedAt === null ? (
              'not since it was stored'
            ) : (
              <Ago key="v" at={archive.verifiedAt} />
            ),
          ],
          [
            'Read back',
            archive.deepVerifiedAt === null ? (
              'not all of it yet'
            ) : (
              <Ago key="d" at={archive.deepVerifiedAt} />
            ),
          ],
          [
            'SHA-256',
            <Name key="sha" isPath>
              {archive.sha256 ?? 'not known'}
            </Name>,
          ],
        ]}
      />
    </Panel>
  )
}

const COPY_STATES: Readonly<Record<string, readonly [Tone, string]>> = {
  stored: ['good', 'stored, and proven when it was'],
  uploading: ['info', 'being sent'],
  uncertain: ['warning', 'uncertain: the server did not confirm'],
  missing: ['bad', 'missing on the server'],
  deleting: ['quiet', 'being deleted'],
  deleted: ['quiet', 'deleted'],
}

function Copies({ archive }: { readonly archive: Archive }) {
  const { copies } = archive
  const isLocal = archive.location === 'local' || archive.location === 'both'
  return (
    <Panel title="Copies">
      {copies.length === 0 && !isLocal && <p class="panel-text">There is none.</p>}
      {isLocal && (
        <p class="panel-text">
          <Badge tone="info" icon="disk">
            on this host
          </Badge>{' '}
          The file is on the disk of this host.
        </p>
      )}
      {copies.length > 0 && (
        <Table
          caption="Copies on servers"
          rows={copies.map((copy, index) => ({ ...copy, index }))}
          keyOf={({ index }) => String(index)}
          columns={[
            { ...{ title: 'Server', isHead: true }, cell: ({ label }) => <Name>{label}</Name> },
            {
              title: 'State',
              cell: ({ state }) => {
                const [tone, words] = COPY_STATES[state] ?? (['quiet', state] as const)
                return <Badge tone={tone}>{words}</Badge>
              },
            },
            {
              title: 'Configured',
              cell: ({ server }) => (server === null ? 'not any more' : `as server ${server}`),
            },
          ]}
        />
      )}
    </Panel>
  )
}
