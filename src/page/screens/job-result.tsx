// What came of a job, in figures: taken from the document that the command prints, with the details behind it.

import type { JobWithResult } from '../api-types.ts'
import { Facts, Panel } from '../parts/screen.tsx'
import { Note } from '../parts/shown.tsx'
import { countText, durationText, sentence, sizeText } from '../text.ts'

// Lists of a report that say what somebody should look into.
const TOLD = ['warnings', 'notices', 'problems', 'notes'] as const

export function ResultPanel({ job }: { readonly job: JobWithResult }) {
  const result = isDocument(job.result) ? job.result : {}
  const facts = factsOf(result)
  const told = TOLD.flatMap((name) => textsOf(result[name]))
  return (
    <Panel title="What came of it">
      {facts.length > 0 && <Facts facts={facts} />}
      {told.slice(0, 20).map((text) => (
        <Note key={text} tone="warning">
          <p>{sentence(text)}</p>
        </Note>
      ))}
      <details class="details">
        <summary>The whole report, as JSON</summary>
        <pre class="code code-tall" tabIndex={0} role="region" aria-label="The report as JSON">
          {JSON.stringify(job.result, null, 2)}
        </pre>
      </details>
    </Panel>
  )
}

type Document = Readonly<Record<string, unknown>>

function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const WORDS: Readonly<Record<string, string>> = {
  outcome: 'Outcome',
  to: 'Restored into',
  fileCount: 'Files',
  writtenCount: 'Files written',
  sourceBytes: 'Bytes restored',
  writtenBytes: 'Bytes written',
  freedBytes: 'Bytes freed',
  seconds: 'Time',
  lostCount: 'Files that could not be restored',
  keptCount: 'Files left as they were',
}

function factsOf(result: Document): readonly (readonly [string, string])[] {
  const known = Object.entries(WORDS).flatMap(([name, title]) => {
    const text = factText(name, result[name])
    return text === undefined ? [] : [[title, text] as const]
  })
  const counts = ['archives', 'copies', 'deleted', 'sources'].flatMap((name) => {
    const value = result[name]
    return Array.isArray(value) ? [[sentence(name), countText(value.length)] as const] : []
  })
  return [...known, ...counts]
}

function factText(name: string, value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value !== 'number') return undefined
  if (name.endsWith('Bytes')) return sizeText(value)
  return name === 'seconds' ? durationText(value) : countText(value)
}

function textsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return []
  return value.flatMap((each: unknown) => {
    if (typeof each === 'string') return [each]
    if (!isDocument(each)) return []
    const { message, what } = each
    return typeof message === 'string' ? [message] : typeof what === 'string' ? [what] : []
  })
}
