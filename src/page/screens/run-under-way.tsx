// What is under way, on the overview: the same sources and tries as on the screen of the job.

import type { Job, Status } from '../api-types.ts'
import { useJournal } from '../journal.ts'
import { Icon } from '../parts/icon.tsx'
import { Panel } from '../parts/screen.tsx'
import { Ago } from '../parts/shown.tsx'
import { linkTo } from '../route.ts'
import { jobTitle } from './job-words.ts'
import { SourceList } from './run-view.tsx'

export function RunUnderWay(input: {
  readonly job: Job | undefined
  readonly holder: Status['run']
}) {
  const { job, holder } = input
  if (job !== undefined) return <JobUnderWay job={job} />
  if (holder === null) return null
  return (
    <p class="under-way">
      <Icon name="busy" /> A run that was started outside of this page (process {holder.pid}) is
      under way, since <Ago at={holder.since} />.
    </p>
  )
}

function JobUnderWay({ job }: { readonly job: Job }) {
  const { model, isOver } = useJournal(job.id)
  return (
    <Panel
      title={`Under way: ${jobTitle(job)}`}
      aside={<a href={linkTo(['jobs', job.id])}>Watch it</a>}
    >
      {model.sources.length + model.attempts.length === 0 ? (
        <p class="panel-text">
          <Icon name="busy" /> It began <Ago at={job.startedAt ?? job.createdAt} />.
        </p>
      ) : (
        <SourceList model={model} isOver={isOver} />
      )}
    </Panel>
  )
}
