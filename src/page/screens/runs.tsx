// All runs, whoever started them, and the other jobs of the daemon.

import { useState } from 'preact/hooks'
import { get, withQuery } from '../api.ts'
import type { Job, Jobs, Run, Runs } from '../api-types.ts'
import { useLoad } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { Head, Panel } from '../parts/screen.tsx'
import { Ago, Badge, Empty, ProblemNote, Waiting } from '../parts/shown.tsx'
import { Table } from '../parts/table.tsx'
import { Tabs } from '../parts/tabs.tsx'
import { linkTo } from '../route.ts'
import { durationText, plural, sizeText } from '../text.ts'
import { jobBadge, jobTitle, originText, runBadge } from './job-words.ts'

const EVERY_MS = 5_000
const PAGE = 50

export function RunsScreen({ query }: { readonly query: URLSearchParams }) {
  const tab = query.get('show') === 'jobs' ? 'jobs' : 'runs'
  return (
    <>
      <Head title="Runs" />
      <Tabs
        label="Kinds"
        current={tab}
        tabs={[
          { id: 'runs', title: 'Runs', href: linkTo(['runs']) },
          {
            id: 'jobs',
            title: 'Restores and other jobs',
            href: linkTo(['runs'], { show: 'jobs' }),
          },
        ]}
      />
      {tab === 'runs' ? <RunList /> : <JobList />}
    </>
  )
}

function RunList() {
  const [limit, setLimit] = useState(PAGE)
  const { value, problem } = useLoad(
    `runs ${limit}`,
    (signal) => get<Runs>(withQuery('/api/runs', { limit }), signal),
    EVERY_MS,
  )
  if (value === undefined)
    return problem === undefined ? <Waiting what="the runs" /> : <ProblemNote problem={problem} />
  if (value.runs.length === 0)
    return (
      <Empty icon="runs" title="No run yet">
        <p>
          The schedule starts one every night. To see one now, go to the{' '}
          <a href={linkTo(['overview'])}>overview</a> and press “Run now”.
        </p>
      </Empty>
    )
  return (
    <Panel title="All runs of this host" isBare>
      <Table
        caption="Runs, newest first"
        rows={value.runs}
        keyOf={({ id }) => id}
        columns={[
          {
            ...{ title: 'Began', isHead: true },
            cell: ({ id, startedAt }) => (
              <a href={linkTo(['runs', id])}>
                <Ago at={startedAt} />
              </a>
            ),
          },
          { title: 'State', cell: (run) => <RunBadge run={run} /> },
          { title: 'Started by', cell: ({ origin }) => originText(origin) },
          { title: 'Took', cell: (run) => tookText(run) },
          {
            ...{ title: 'Archives', isNumber: true },
            cell: (run) => archivesText(run),
          },
          {
            ...{ title: 'Size', isNumber: true },
            cell: ({ storedBytes }) => (storedBytes === 0 ? '' : sizeText(storedBytes)),
          },
        ]}
      />
      {value.next !== null && <Button onPress={() => setLimit(limit + PAGE)}>Show more</Button>}
    </Panel>
  )
}

function RunBadge({ run }: { readonly run: Run }) {
  const [tone, word] = runBadge(run)
  return (
    <Badge tone={tone} {...(run.state === 'running' ? { icon: 'busy' as const } : {})}>
      {word}
    </Badge>
  )
}

function archivesText({ stored, waiting, failed }: Run): string {
  const parts = [
    `${stored} stored`,
    ...(waiting === 0 ? [] : [`${waiting} waiting`]),
    ...(failed === 0 ? [] : [`${plural(failed, 'source')} failed`]),
  ]
  return parts.join(', ')
}

function tookText({
  startedAt,
  endedAt,
}: {
  readonly startedAt: string
  readonly endedAt: string | null
}): string {
  return endedAt === null ? '' : durationText((Date.parse(endedAt) - Date.parse(startedAt)) / 1_000)
}

function JobList() {
  const [limit, setLimit] = useState(PAGE)
  const { value, problem } = useLoad(
    `jobs ${limit}`,
    (signal) => get<Jobs>(withQuery('/api/jobs', { limit }), signal),
    EVERY_MS,
  )
  if (value === undefined)
    return problem === undefined ? <Waiting what="the jobs" /> : <ProblemNote problem={problem} />
  if (value.jobs.length === 0)
    return (
      <Empty icon="restore" title="No job yet">
        <p>
          What this page or the API asks for is listed here: runs, restores, verifications, pruning.
        </p>
      </Empty>
    )
  return (
    <Panel title="Jobs of the daemon" isBare>
      <Table
        caption="Jobs, newest first"
        rows={value.jobs}
        keyOf={({ id }) => id}
        columns={[
          {
            ...{ title: 'Job', isHead: true },
            cell: (job) => <a href={linkTo(['jobs', job.id])}>{jobTitle(job)}</a>,
          },
          { title: 'State', cell: (job) => <JobBadge job={job} /> },
          { title: 'Asked for', cell: ({ createdAt }) => <Ago at={createdAt} /> },
          { title: 'By', cell: ({ requestedBy }) => requestedBy },
        ]}
      />
      {value.next !== null && <Button onPress={() => setLimit(limit + PAGE)}>Show more</Button>}
    </Panel>
  )
}

function JobBadge({ job }: { readonly job: Job }) {
  const [tone, word] = jobBadge(job)
  return <Badge tone={tone}>{word}</Badge>
}
