// What a test of a server found: each thing that was tried, and what to do where it failed.

import type { TestedCheck, TestedServer } from '../api-types.ts'
import { Badge, Note } from '../parts/shown.tsx'
import type { Tone } from '../tone.ts'
import { durationText, sentence } from '../text.ts'

export function TestResult({ result }: { readonly result: TestedServer }) {
  const { checks, wouldTake, remarks } = result
  const failed = checks.filter(({ outcome }) => outcome === 'failed')
  const words = wouldTake
    ? failed.length === 0
      ? 'Everything works: this server would take tonight’s archives'
      : 'It would take tonight’s archives, but not everything works'
    : failed.length === 0
      ? 'It would not take tonight’s archives'
      : 'It does not work yet'
  const tone: Tone = wouldTake ? (failed.length === 0 ? 'good' : 'warning') : 'bad'
  return (
    <>
      <Note tone={tone} title={words}>
        {remarks.map((remark) => (
          <p key={remark}>{sentence(remark)}</p>
        ))}
      </Note>
      <ul class="checks">
        {checks.map((check) => (
          <CheckItem key={check.name} check={check} />
        ))}
      </ul>
    </>
  )
}

const OUTCOMES: Readonly<Record<TestedCheck['outcome'], readonly [Tone, string]>> = {
  ok: ['good', 'works'],
  failed: ['bad', 'failed'],
  skipped: ['quiet', 'not tried'],
}

function CheckItem({ check }: { readonly check: TestedCheck }) {
  const { needed, outcome, message, hint, seconds } = check
  const [tone, word] = OUTCOMES[outcome]
  return (
    <li class="check-item">
      <Badge tone={tone}>{word}</Badge>
      <div>
        <p>
          {sentence(needed)}{' '}
          {outcome === 'ok' && <span class="under-inline">{durationText(seconds)}</span>}
        </p>
        {outcome === 'failed' && message !== null && <p class="card-reason">{sentence(message)}</p>}
        {outcome === 'failed' && hint !== null && <p class="remedy">What to do: {hint}</p>}
      </div>
    </li>
  )
}
