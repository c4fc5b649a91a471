// What can be done with an archive: restore it, download it, verify it, pin it.

import { useState } from 'preact/hooks'
import { send, refreshAll } from '../api.ts'
import type { ApiProblem } from '../api.ts'
import type { Archive, Job } from '../api-types.ts'
import { download } from '../download.ts'
import { useAction } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { CheckField } from '../parts/field.tsx'
import { ProblemNote } from '../parts/shown.tsx'
import { tell } from '../parts/toast.tsx'
import { go } from '../route.ts'
import { useRefusal } from '../session.ts'

const NOWHERE = 'there is no whole copy of it that could be read'

export function ArchiveActions(input: {
  readonly archive: Archive
  readonly canRestore: boolean
  readonly onRestore: () => void
}) {
  const { archive, canRestore, onRestore } = input
  const [isVerifying, setVerifying] = useState(false)
  const mayRestore = useRefusal('restore')
  const mayRun = useRefusal('run')
  const mayPin = useRefusal('admin')
  const fetched = useAction(() => download(archive.id, undefined))
  const pin = useAction(async () => {
    await send(archive.pinned ? 'DELETE' : 'PUT', `/api/archives/${archive.id}/pin`)
    tell(archive.pinned ? 'It is left to the rules again' : 'It is pinned: no rule deletes it')
    refreshAll()
  })
  const missing = canRestore ? undefined : NOWHERE
  return (
    <>
      <Button kind="primary" icon="restore" refusal={mayRestore ?? missing} onPress={onRestore}>
        Restore
      </Button>
      <Button
        icon="download"
        refusal={mayRestore ?? missing}
        isBusy={fetched.isBusy}
        onPress={() => void fetched.run()}
      >
        Download
      </Button>
      <Button icon="verify" refusal={mayRun ?? missing} onPress={() => setVerifying(true)}>
        Verify
      </Button>
      <Button icon="pin" refusal={mayPin} isBusy={pin.isBusy} onPress={() => void pin.run()}>
        {archive.pinned ? 'Unpin' : 'Pin'}
      </Button>
      {isVerifying && <VerifyDialog id={archive.id} onClose={() => setVerifying(false)} />}
      <ActionProblem problem={fetched.problem ?? pin.problem} />
    </>
  )
}

function ActionProblem({ problem }: { readonly problem: ApiProblem | undefined }) {
  return <div class="head-problem">{<ProblemNote problem={problem} />}</div>
}

function VerifyDialog({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const [isDeep, setDeep] = useState(false)
  const start = useAction(async () => {
    const job = await send<Job>('POST', '/api/verifications', { archives: [id], deep: isDeep })
    onClose()
    go(['jobs', job.id])
  })
  return (
    <Dialog title="Verify this archive" onClose={onClose}>
      <p>
        Each server is asked whether its copy is what was stored: size and write token must be ours.
      </p>
      <CheckField
        label="Read every byte back, too"
        help="Takes time and traffic; some providers bill what is read."
        isChecked={isDeep}
        onChange={setDeep}
      />
      <ProblemNote problem={start.problem} />
      <div class="actions">
        <Button kind="primary" icon="verify" isBusy={start.isBusy} onPress={() => void start.run()}>
          Verify
        </Button>
        <Button onPress={onClose}>Cancel</Button>
      </div>
    </Dialog>
  )
}
