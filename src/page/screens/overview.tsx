// Is everything all right? The verdict first, then each source, each server, what waits, and what comes next.

import { get, problemFrom } from '../api.ts'
import type { ApiProblem } from '../api.ts'
import type { Check, Job, Jobs, Status } from '../api-types.ts'
import type { Settings } from '../settings-types.ts'
import { useLoad } from '../load.ts'
import { Ago, Badge, Empty, Name, Note, ProblemNote, useNow, Waiting } from '../parts/shown.tsx'
import { Icon } from '../parts/icon.tsx'
import { Head, Panel } from '../parts/screen.tsx'
import { Table } from '../parts/table.tsx'
import { linkTo } from '../route.ts'
import { useSession } from '../session.ts'
import { countText, plural, sentence, sizeText } from '../text.ts'
import { lateSources, topOf, verdictOf } from '../verdict.ts'
import { FirstSteps } from './first-steps.tsx'
import { RunNow } from './run-now.tsx'
import { RunUnderWay } from './run-under-way.tsx'
import { ServerCards } from './server-cards.tsx'
import { UsagePanel } from './usage-chart.tsx'

const EVERY_MS = 8_000

type Loaded = {
  readonly status: Status
  readonly check: Check
  /** undefined: its file cannot be read, and `settingsProblem` says why. */
  readonly settings: Settings | undefined
  readonly settingsProblem: ApiProblem | undefined
  readonly job: Job | undefined
}

async function load(signal: AbortSignal): Promise<Loaded> {
  const [status, check, read, { jobs }] = await Promise.all([
    get<Status>('/api/status', signal),
    get<Check>('/api/check', signal),
    loadSettings(signal),
    get<Jobs>('/api/jobs?limit=20', signal),
  ])
  return { status, check, ...read, job: jobs.find(({ state }) => state === 'running') }
}

/** How things stand is known without them: the daemon goes on with the settings of before. */
async function loadSettings(
  signal: AbortSignal,
): Promise<Pick<Loaded, 'settings' | 'settingsProblem'>> {
  try {
    return { settings: await get<Settings>('/api/settings', signal), settingsProblem: undefined }
  } catch (error) {
    return { settings: undefined, settingsProblem: problemFrom(error) }
  }
}

export function OverviewScreen() {
  const { value, problem } = useLoad('overview', load, EVERY_MS)
  return (
    <>
      <Head title="Overview">
        {value !== undefined && value.status.sources.length > 0 && (
          <RunNow sources={value.status.sources.map(({ name }) => name)} />
        )}
      </Head>
      <ProblemNote problem={problem?.status === 0 && value !== undefined ? undefined : problem} />
      {value === undefined ? (
        problem === undefined && <Waiting what="the state of things" />
      ) : (
        <Content {...value} />
      )}
    </>
  )
}

function Content({ status, check, settings, settingsProblem, job }: Loaded) {
  const { step, hasVerdict } = topOf(settings, status)
  const hasArchive = status.sources.some(({ lastGoodAt }) => lastGoodAt !== null)
  const isRunning = job !== undefined || status.run !== null
  return (
    <div class="stack">
      {/* With a problem of the settings, the verdict says so already. */}
      <ProblemNote problem={status.configProblem === null ? settingsProblem : undefined} />
      {hasVerdict && <VerdictBox status={status} check={check} />}
      {step !== undefined && <FirstSteps step={step} isRunning={isRunning} />}
      <RunUnderWay job={job} holder={status.run} />
      {status.sources.length > 0 && <SourcesPanel status={status} check={check} />}
      {status.servers.length > 0 && <ServerCards status={status} />}
      <WaitingPanel status={status} />
      {step === undefined && hasArchive && <UsagePanel />}
    </div>
  )
}

function VerdictBox({ status, check }: { readonly status: Status; readonly check: Check }) {
  const now = useNow()
  const nextRunAt = useSession()?.nextRunAt ?? undefined
  const { tone, sentence: words, findings, comfort } = verdictOf({ status, check, now })
  return (
    <section class={`verdict tone-${tone}`} aria-label="How things stand">
      <span class="verdict-sign">
        <Icon name={tone === 'good' ? 'good' : tone === 'warning' ? 'warning' : 'bad'} size={26} />
      </span>
      <div class="verdict-text">
        <p class="verdict-sentence" role="status">
          {words}
        </p>
        {comfort !== undefined && <p>{sentence(comfort)}</p>}
        {findings.length > 0 && (
          <ul class="findings">
            {findings.slice(0, 8).map(({ level, message, source }) => (
              <li key={message}>
                <Icon name={level === 'critical' ? 'bad' : 'warning'} size={14} />{' '}
                {/* It begins with the name of the source, which is as it is. */}
                {source === null ? sentence(message) : message}
              </li>
            ))}
            {findings.length > 8 && <li>and {findings.length - 8} more: spillway check</li>}
          </ul>
        )}
        <p class="verdict-next">
          <Icon name="clock" size={14} /> Next run{' '}
          {nextRunAt === undefined ? 'by the schedule' : <Ago at={nextRunAt} />} ·{' '}
          <a href={linkTo(['settings', 'schedule'])}>Schedule</a>
        </p>
      </div>
    </section>
  )
}

function SourcesPanel({ status, check }: { readonly status: Status; readonly check: Check }) {
  const late = lateSources(check.findings)
  return (
    <Panel title="Sources" aside={<a href={linkTo(['settings', 'sources'])}>Change</a>}>
      <Table
        caption="Sources with their last good archives"
        rows={status.sources}
        keyOf={({ name }) => name}
        columns={[
          {
            ...{ title: 'Source', isHead: true },
            cell: ({ name, path }) => (
              <>
                <a href={linkTo(['archives'], { source: name })}>
                  <Name>{name}</Name>
                </a>
                <span class="under">
                  <Name isPath>{path}</Name>
                </span>
              </>
            ),
          },
          {
            title: 'State',
            cell: (source) => <SourceState source={source} isLate={late.has(source.name)} />,
          },
          {
            title: 'Last good archive',
            cell: ({ lastGoodAt }) => (lastGoodAt === null ? 'none yet' : <Ago at={lastGoodAt} />),
          },
          {
            ...{ title: 'Size', isNumber: true },
            cell: ({ lastSizeBytes }) => (lastSizeBytes === null ? '' : sizeText(lastSizeBytes)),
          },
          {
            ...{ title: 'Growth a night', isNumber: true },
            cell: ({ growthBytesPerNight: growth }) =>
              growth === null ? '' : `${growth > 0 ? '+' : ''}${sizeText(Math.round(growth))}`,
          },
        ]}
      />
    </Panel>
  )
}

function SourceState(input: {
  readonly source: Status['sources'][number]
  readonly isLate: boolean
}) {
  const { source, isLate } = input
  const { lastGoodAt, failedAt, failedReason, lastWarnings } = source
  if (failedAt !== null && (lastGoodAt === null || failedAt > lastGoodAt))
    return (
      <>
        <Badge tone="bad">failed</Badge>
        <span class="under">
          <Ago at={failedAt} />: {failedReason ?? 'see the run'}
        </span>
      </>
    )
  if (lastGoodAt === null) return <Badge tone="quiet">not archived yet</Badge>
  if (isLate)
    return (
      <Badge tone="bad" icon="clock" title="older than the schedule allows">
        late
      </Badge>
    )
  if (lastWarnings > 0)
    return (
      <Badge tone="warning" title="files that changed while they were read, or could not be read">
        {plural(lastWarnings, 'warning')}
      </Badge>
    )
  return <Badge tone="good">archived</Badge>
}

function WaitingPanel({ status }: { readonly status: Status }) {
  const { waiting, lackingCopies } = status
  if (waiting.length === 0 && lackingCopies === 0) return null
  return (
    <Panel title="Waiting on this host's disk">
      {waiting.length === 0 ? (
        <Empty icon="disk" title="Nothing waits" />
      ) : (
        <>
          <p class="panel-text">The next run sends these first, oldest first.</p>
          <Table
            caption="Archives that wait for a server"
            rows={waiting}
            keyOf={({ id }) => id}
            columns={[
              {
                ...{ title: 'Archive', isHead: true },
                cell: ({ id, file }) => (
                  <a href={linkTo(['archives', id])}>
                    <Name>{file}</Name>
                  </a>
                ),
              },
              { title: 'Made', cell: ({ createdAt }) => <Ago at={createdAt} /> },
              {
                ...{ title: 'Size', isNumber: true },
                cell: ({ sizeBytes }) => (sizeBytes === null ? '' : sizeText(sizeBytes)),
              },
            ]}
          />
        </>
      )}
      {lackingCopies > 0 && (
        <Note tone="warning">
          <p>
            {countText(lackingCopies)} archives lie on fewer servers than they should, and no run
            mends that. On the host: <code>spillway copies</code>
          </p>
        </Note>
      )}
    </Panel>
  )
}
