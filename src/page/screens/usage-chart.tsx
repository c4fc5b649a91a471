// Usage over time: one area for all servers together, as SVG, with the same figures as a table for those who
// cannot see it.

import { useState } from 'preact/hooks'
import { get } from '../api.ts'
import type { Usage } from '../api-types.ts'
import { useLoad } from '../load.ts'
import { SelectField } from '../parts/field.tsx'
import { Panel } from '../parts/screen.tsx'
import { Empty, ProblemNote, Waiting } from '../parts/shown.tsx'
import { sizeText } from '../text.ts'

const EVERY_MS = 300_000

const SPANS = [
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: 'a year' },
]

export function UsagePanel() {
  const [days, setDays] = useState('90')
  const { value, problem } = useLoad(
    `usage ${days}`,
    (signal) => get<Usage>(`/api/usage?days=${days}`, signal),
    EVERY_MS,
  )
  const span = <SelectField label="Time span" value={days} choices={SPANS} onChange={setDays} />
  return (
    <Panel title="Usage over time" aside={span}>
      <ProblemNote problem={problem} />
      {value === undefined ? (
        problem === undefined && <Waiting what="usage" />
      ) : (
        <Chart usage={value} />
      )}
    </Panel>
  )
}

// Units of the drawing; it is scaled to the width that there is.
const WIDTH = 800
const HEIGHT = 160

function Chart({ usage }: { readonly usage: Usage }) {
  const days = sinceFirst(usage)
  const most = Math.max(0, ...days.map(({ totalBytes }) => totalBytes))
  if (days.length < 2 || most === 0)
    return (
      <Empty icon="archives" title="No history yet">
        <p>After some nights you see here how the room on all servers is used.</p>
      </Empty>
    )
  const top = niceTop(most)
  const xOf = (index: number): number => (index / (days.length - 1)) * WIDTH
  const yOf = (bytes: number): number => HEIGHT - (bytes / top) * HEIGHT
  const line = days.map(
    ({ totalBytes }, index) => `${xOf(index).toFixed(1)},${yOf(totalBytes).toFixed(1)}`,
  )
  const [first, last] = [days[0], days.at(-1)]
  const summary = `From ${sizeText(first?.totalBytes ?? 0)} on ${first?.date ?? ''} to ${sizeText(last?.totalBytes ?? 0)} on ${last?.date ?? ''}`
  return (
    <figure class="chart">
      <div class="chart-frame">
        <div class="chart-scale" aria-hidden="true">
          <span>{sizeText(top)}</span>
          <span>{sizeText(top / 2)}</span>
          <span>0</span>
        </div>
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          width="100%"
          height={HEIGHT}
          role="img"
          aria-label={summary}
        >
          <path
            class="chart-grid"
            d={`M0 .5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}`}
          />
          <polygon class="chart-area" points={`0,${HEIGHT} ${line.join(' ')} ${WIDTH},${HEIGHT}`} />
          <polyline class="chart-line" points={line.join(' ')} />
        </svg>
      </div>
      <figcaption>
        {summary}, all servers together.
        <Figures days={days} />
      </figcaption>
    </figure>
  )
}

/** From the day before anything was stored: what was before is no news. */
function sinceFirst({ days }: Usage): Usage['days'] {
  const first = days.findIndex(({ totalBytes }) => totalBytes > 0)
  return first === -1 ? [] : days.slice(Math.max(0, first - 1))
}

/** One line a week at most: a table that somebody listens to. */
function Figures({ days }: Usage) {
  const every = Math.max(1, Math.ceil(days.length / 12))
  return (
    <details>
      <summary>Figures</summary>
      <table class="small-table">
        <caption class="unseen">Usage by day</caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            <th scope="col">All servers</th>
          </tr>
        </thead>
        <tbody>
          {days
            .filter((_day, index) => (days.length - 1 - index) % every === 0)
            .map(({ date, totalBytes }) => (
              <tr key={date}>
                <th scope="row">{date}</th>
                <td class="number">{sizeText(totalBytes)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </details>
  )
}

/** The next round figure above: 1, 2 or 5 times a power of ten. */
function niceTop(bytes: number): number {
  const power = 10 ** Math.floor(Math.log10(bytes))
  return ([1, 2, 5, 10].find((factor) => factor * power >= bytes) ?? 10) * power
}
