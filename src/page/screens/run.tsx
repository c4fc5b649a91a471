// One run of any origin: one of the daemon is shown as its job, live; one of a timer or of the command line
// from its record.

import { useMemo } from 'preact/hooks'
import { get } from '../api.ts'
import type { RunDetail } from '../api-types.ts'
import { useLoad } from '../load.ts'
import { Facts, Head, Panel } from '../parts/screen.tsx'
import { Ago, Badge, ProblemNote, Waiting } from '../parts/shown.tsx'
import { linkTo } from '../route.ts'
import { RunModel } from '../run-model.ts'
import { originText, runBadge } from './job-words.ts'
import { JobScreen } from './job.tsx'
import { SourceList, StoryPanel } from './run-view.tsx'

const EVERY_MS = 4_000

export function RunScreen({ id }: { readonly id: string }) {
  const { value: run, problem } = useLoad(
    `run ${id}`,
    (signal) => get<RunDetail>(`/api/runs/${id}`, signal),
    EVERY_MS,
  )
  if (run !== undefined && run.jobId !== null) return <JobScreen id={run.jobId} />
  return (
    <>
      <Head
        title="Run"
        back={{ href: linkTo(['runs']), title: 'Runs' }}
        sub={run !== undefined && <RunState run={run} />}
      />
      <ProblemNote problem={run === undefined ? problem : undefined} />
      {run === undefined ? (
        problem === undefined && <Waiting what="the run" />
      ) : (
        <Content run={run} />
      )}
    </>
  )
}

function RunState({ run }: { readonly run: RunDetail }) {
  const [tone, word] = runBadge(run)
  return <Badge tone={tone}>{word}</Badge>
}

function Content({ run }: { readonly run: RunDetail }) {
  const model = useMemo(() => {
    const made = new RunModel()
    for (const event of run.events) made.add(event)
    return made
  }, [run.events])
  const isOver = run.endedAt !== null
  return (
    <div class="stack">
      {model.sources.length + model.attempts.length > 0 && (
        <Panel title="Sources">
          <SourceList model={model} isOver={isOver} />
        </Panel>
      )}
      <StoryPanel stories={model.stories} isLive={!isOver} />
      <Panel title="About this run">
        <Facts
          facts={[
            ['Began', <Ago key="began" at={run.startedAt} />],
            ['Started by', originText(run.origin)],
            ['Exit code', run.exit === null ? 'none' : String(run.exit)],
          ]}
        />
      </Panel>
    </div>
  )
}
