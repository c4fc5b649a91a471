// "Run now": all sources, or those that are ticked.

import { useState } from 'preact/hooks'
import { send } from '../api.ts'
import type { Job } from '../api-types.ts'
import { useAction } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { CheckField } from '../parts/field.tsx'
import { Name, ProblemNote } from '../parts/shown.tsx'
import { go } from '../route.ts'
import { useRefusal } from '../session.ts'

export function RunNow({ sources }: { readonly sources: readonly string[] }) {
  const [isOpen, setOpen] = useState(false)
  const refusal = useRefusal('run')
  return (
    <>
      <Button kind="primary" icon="play" refusal={refusal} onPress={() => setOpen(true)}>
        Run now
      </Button>
      {isOpen && <RunDialog sources={sources} onClose={() => setOpen(false)} />}
    </>
  )
}

function RunDialog(input: { readonly sources: readonly string[]; readonly onClose: () => void }) {
  const { sources, onClose } = input
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set())
  const chosen = sources.filter((name) => !left.has(name))
  const start = useAction(async () => {
    const body = chosen.length === sources.length ? {} : { sources: chosen }
    const job = await send<Job>('POST', '/api/runs', body)
    onClose()
    go(['jobs', job.id])
  })
  const tick = (name: string, isChosen: boolean): void => {
    const next = new Set(left)
    if (isChosen) next.delete(name)
    else next.add(name)
    setLeft(next)
  }
  return (
    <Dialog title="Run now" onClose={onClose}>
      <p>
        The run begins as soon as nothing else is under way. What waits on the disk is sent first.
      </p>
      <fieldset class="choices">
        <legend>Sources</legend>
        {sources.map((name) => (
          <CheckField
            key={name}
            label={<Name>{name}</Name>}
            isChecked={!left.has(name)}
            onChange={(isChosen) => tick(name, isChosen)}
          />
        ))}
      </fieldset>
      <ProblemNote problem={start.problem} />
      <div class="actions">
        <Button
          kind="primary"
          icon="play"
          isBusy={start.isBusy}
          refusal={chosen.length === 0 ? 'tick a source first' : undefined}
          onPress={() => void start.run()}
        >
          {chosen.length === sources.length
            ? 'Archive all sources'
            : `Archive ${chosen.length} of ${sources.length}`}
        </Button>
        <Button onPress={onClose}>Cancel</Button>
      </div>
    </Dialog>
  )
}
