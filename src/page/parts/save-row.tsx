// The end of every form of settings: what is wrong as a whole, and saving.

import type { ComponentChildren } from 'preact'
import type { ApiProblem } from '../api.ts'
import type { FieldError } from '../api-types.ts'
import { refreshAll } from '../api.ts'
import { refusedSave } from '../refused-save.ts'
import { errorText } from '../settings-form.ts'
import { sentence } from '../text.ts'
import { Button } from './button.tsx'
import { Note } from './shown.tsx'

export function SaveRow(input: {
  readonly problem: ApiProblem | undefined
  /** Those that stand beside no field. */
  readonly others: readonly FieldError[]
  readonly isBusy: boolean
  readonly refusal: string | undefined
  readonly verb?: string
  readonly children?: ComponentChildren
}) {
  const { problem, others, isBusy, refusal, verb = 'Save', children } = input
  return (
    <>
      <SaveProblem problem={problem} others={others} />
      <div class="actions actions-save">
        <Button kind="primary" isSubmit isBusy={isBusy} refusal={refusal}>
          {verb}
        </Button>
        {children}
      </div>
    </>
  )
}

function SaveProblem(input: {
  readonly problem: ApiProblem | undefined
  readonly others: readonly FieldError[]
}) {
  const { problem, others } = input
  const refused = problem === undefined ? undefined : refusedSave(problem)
  return (
    <div role="alert">
      {problem !== undefined && refused !== undefined && (
        <Note tone="bad" title={refused.title}>
          <p>{sentence(problem.message)}</p>
          {problem.hint !== undefined && <p class="hint">{sentence(problem.hint)}</p>}
          {others.map((error) => (
            <p key={error.variable}>
              <code>{error.variable}</code> {errorText(error)}
            </p>
          ))}
          {refused.mayLoadAgain && <Button onPress={refreshAll}>Load it again</Button>}
        </Note>
      )}
    </div>
  )
}
