// Signing in: a token is made on the host, and pasted here.

import { useEffect, useState } from 'preact/hooks'
import { request } from '../api.ts'
import type { Session } from '../api-types.ts'
import { useAction } from '../load.ts'
import { Button } from '../parts/button.tsx'
import { TextField } from '../parts/field.tsx'
import { Logo } from '../parts/icon.tsx'
import { Note, ProblemNote } from '../parts/shown.tsx'
import { signedOutReason, signIn } from '../session.ts'
import { useStore } from '../store.ts'

export function SignInScreen() {
  const [token, setToken] = useState('')
  const [missing, setMissing] = useState(false)
  const reason = useStore(signedOutReason)
  useEffect(() => {
    document.title = 'Sign in · Spillway'
  }, [])
  const enter = useAction(async () => {
    const response = await request('/api/session', { token: token.trim() })
    signIn(token.trim(), (await response.json()) as Session)
  })
  const submit = (event: Event): void => {
    event.preventDefault()
    setMissing(token.trim() === '')
    if (token.trim() !== '') void enter.run()
  }
  return (
    <main class="sign-in">
      <div class="sign-in-card">
        <div class="sign-in-brand">
          <Logo />
          <h1>Spillway</h1>
        </div>
        <p class="lead">Archives that spill over to the next server.</p>
        {reason !== undefined && (
          <Note tone="warning">
            <p>{reason}</p>
          </Note>
        )}
        <form onSubmit={submit} noValidate>
          <TextField
            label="Token"
            type="password"
            value={token}
            onInput={setToken}
            error={missing ? 'paste a token first' : undefined}
            autoComplete="off"
            placeholder="spw_…"
          />
          <ProblemNote problem={tokenProblem(enter.problem)} />
          <Button kind="primary" isSubmit isBusy={enter.isBusy}>
            Sign in
          </Button>
        </form>
        <div class="sign-in-help">
          <p>No token yet? On the host that runs Spillway:</p>
          <pre class="code" tabIndex={0} role="region" aria-label="The command that makes a token">
            spillway token create me --scope=admin
          </pre>
          <p class="hint">
            It prints the token once. Scopes are read, run, restore and admin. This page keeps it
            for this tab alone.
          </p>
        </div>
      </div>
    </main>
  )
}

function tokenProblem(problem: ReturnType<typeof useAction>['problem']) {
  if (problem?.status !== 401) return problem
  return Object.assign(problem, {
    message: 'this token is not known here',
    hint: 'paste all of it, as it was printed; or make a new one on this host',
  })
}
