// The way to the first archive, for whoever opens the page of a new installation.

import type { Step } from '../verdict.ts'
import { Icon } from '../parts/icon.tsx'
import { LinkButton } from '../parts/button.tsx'
import { linkTo } from '../route.ts'
import { useRefusal } from '../session.ts'
import { Note } from '../parts/shown.tsx'

const STEPS: readonly {
  readonly step: Step
  readonly title: string
  readonly text: string
  readonly link: string
  readonly to: readonly string[]
}[] = [
  {
    step: 'server',
    title: 'Add a server',
    text: 'An S3-compatible server that takes the archives. You can test it before anything is saved, and add more later: when one is full or fails, the next one takes over.',
    link: 'Add the first server',
    to: ['settings', 'servers', 'new'],
  },
  {
    step: 'source',
    title: 'Choose what to archive',
    text: 'A folder, or a database. Each source becomes an archive of its own every night.',
    link: 'Add the first source',
    to: ['settings', 'sources', 'new'],
  },
  {
    step: 'schedule',
    title: 'Check the schedule',
    text: 'Every night at half past two, unless you set another time; everything is kept until you set rules.',
    link: 'Look at the schedule',
    to: ['settings', 'schedule'],
  },
  {
    step: 'run',
    title: 'Start the first run',
    text: 'Do not wait for the night: start it now and watch it.',
    link: '',
    to: [],
  },
]

const SENTENCES: Readonly<Record<Step, string>> = {
  server: 'No servers yet: add the first one',
  source: 'Nothing to archive yet: add the first source',
  schedule: 'Check the schedule',
  run: 'Ready: nothing is archived yet',
}

export function FirstSteps({
  step,
  isRunning,
}: {
  readonly step: Step
  readonly isRunning: boolean
}) {
  const refusal = useRefusal('admin')
  const at = STEPS.findIndex((each) => each.step === step)
  const words = step === 'run' && isRunning ? 'The first run is under way' : SENTENCES[step]
  return (
    <section class="first" aria-label="First steps">
      <p class="first-sentence" role="status">
        {words}
      </p>
      {refusal !== undefined && step !== 'run' && (
        <Note tone="info">
          <p>Somebody with the scope admin has to do this: {refusal}.</p>
        </Note>
      )}
      <ol class="steps">
        {STEPS.map((each, index) => {
          const isDone = index < at && each.step !== 'schedule'
          const isNow = index === at
          return (
            <li
              key={each.step}
              class={isDone ? 'step step-done' : isNow ? 'step step-now' : 'step'}
            >
              <span class="step-sign">{isDone ? <Icon name="good" /> : index + 1}</span>
              <div>
                <p class="step-title">
                  {each.title}
                  {isDone && <span class="unseen"> (done)</span>}
                </p>
                <p>{each.text}</p>
                {isNow && each.link !== '' && refusal === undefined && (
                  <LinkButton kind="primary" href={linkTo(each.to)} icon="plus">
                    {each.link}
                  </LinkButton>
                )}
                {each.step === 'schedule' && at === 3 && <a href={linkTo(each.to)}>{each.link}</a>}
                {isNow && each.step === 'run' && !isRunning && (
                  <p class="hint">Press “Run now” at the top of this screen.</p>
                )}
              </div>
            </li>
          )
        })}
      </ol>
    </section>
  )
}
