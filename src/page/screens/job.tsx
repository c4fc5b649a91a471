// One job of the daemon: as it happens, and what came of it.

import { useState } from 'preact/hooks'
import { get, send } from '../api.ts'
import type { JobWithResult } from '../api-types.ts'
import { useJournal } from '../journal.ts'
import { useAction, useLoad } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { Confirm } from '../parts/dialog.tsx'
import { Facts, Head, Panel } from '../parts/screen.tsx'
import { Ago, Badge, Note, ProblemNote, Waiting } from '../parts/shown.tsx'
import { linkTo } from '../route.ts'
import { useRefusal } from '../session.ts'
import { durationText, sentence } from '../text.ts'
import { jobBadge, jobTitle, originText } from './job-words.ts'
import { ResultPanel } from './job-result.tsx'
import { SourceList, StoryPanel } from './run-view.tsx'

const EVERY_MS = 5_000

export function JobScreen({ id }: { readonly id: string }) {
  const { value: job, problem } = useLoad(
    `job ${id}`,
    (signal) => get<JobWithResult>(`/api/jobs/${id}`, signal),
    EVERY_MS,
  )
  return (
    <>
      <Head
        title={job === undefined ? 'Job' : jobTitle(job)}
        back={{ href: linkTo(['runs']), title: 'Runs' }}
        sub={job !== undefined && <JobState job={job} />}
      >
        {job !== undefined && <Cancel job={job} />}
      </Head>
      <ProblemNote problem={job === undefined ? problem : undefined} />
      {job === undefined ? (
        problem === undefined && <Waiting what="the job" />
      ) : (
        <Content job={job} />
      )}
    </>
  )
}

function JobState({ job }: { readonly job: JobWithResult }) {
  const [tone, word] = jobBadge(job)
  return (
    <span role="status">
      <Badge tone={tone} {...(job.state === 'running' ? { icon: 'busy' as const } : {})}>
        {word}
      </Badge>
    </span>
  )
}

function Cancel({ job }: { readonly job: JobWithResult }) {
  const [isAsking, setAsking] = useState(false)
  const refusal = useRefusal('run')
  const cancel = useAction(async () => {
    await send('DELETE', `/api/jobs/${job.id}`)
    setAsking(false)
  })
  if (job.state !== 'running' && job.state !== 'queued') return null
  return (
    <>
      <Button kind="danger" refusal={refusal} onPress={() => setAsking(true)}>
        Cancel
      </Button>
      {isAsking && (
        <Confirm
          title="Cancel this job?"
          verb="Cancel the job"
          isBusy={cancel.isBusy}
          onConfirm={() => void cancel.run()}
          onClose={() => setAsking(false)}
        >
          <p>
            It ends as with Ctrl-C: what is whole stays whole, what was begun is given up or waits
            for the next run. Nothing that was stored is touched.
          </p>
          <ProblemNote problem={cancel.problem} />
        </Confirm>
      )}
    </>
  )
}

function Content({ job }: { readonly job: JobWithResult }) {
  const { model, isOver, isLive } = useJournal(job.id)
  const over = isOver || job.endedAt !== null
  return (
    <div class="stack">
      {!isLive && !over && (
        <Note tone="warning">
          <p>The journal is not live at the moment; it goes on by itself.</p>
        </Note>
      )}
      {job.reason !== null && (
        <Note tone={job.state === 'failed' || job.state === 'lost' ? 'bad' : 'info'}>
          <p class="lines">{sentence(job.reason)}</p>
        </Note>
      )}
      {model.sources.length + model.attempts.length > 0 && (
        <Panel title="Sources">
          <SourceList model={model} isOver={over} />
        </Panel>
      )}
      {job.result !== null && <ResultPanel job={job} />}
      {(job.kind === 'run' || model.stories.length > 0) && (
        <StoryPanel stories={model.stories} isLive={!over} />
      )}
      <Panel title="About this job">
        <JobFacts job={job} />
      </Panel>
    </div>
  )
}

function JobFacts({ job }: { readonly job: JobWithResult }) {
  const { startedAt, endedAt, exit } = job
  const seconds =
    startedAt === null || endedAt === null
      ? undefined
      : (Date.parse(endedAt) - Date.parse(startedAt)) / 1_000
  return (
    <Facts
      facts={[
        ['Asked for', <Ago key="asked" at={job.createdAt} />],
        ['By', `${originText(job.origin)} (${job.requestedBy})`],
        ['Began', startedAt === null ? 'not yet' : <Ago key="began" at={startedAt} />],
        ['Took', seconds === undefined ? 'not over yet' : durationText(seconds)],
        ['Exit code', exit === null ? 'none yet' : String(exit)],
      ]}
    />
  )
}
