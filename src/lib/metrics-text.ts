// The text format of Prometheus, version 0.0.4. Strict, because a scrape with one wrong line is refused as
// a whole: a bad name, a family or a series that comes twice, or a value that is no number is our mistake,
// and thrown here.

import { assert } from './assert.ts'

export type Sample = {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

export type Family = {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly samples: readonly Sample[]
}

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/

/** A family without samples is left out: there is nothing to say. */
export function formatMetrics(families: readonly Family[]): string {
  const names = new Set<string>()
  const lines: string[] = []
  for (const { name, help, type, samples } of families) {
    assert(NAME.test(name), `${name} is no name of a metric`)
    assert(!names.has(name), `the metric ${name} comes twice`)
    assert((type === 'counter') === name.endsWith('_total'), `${name} is a ${type}`)
    names.add(name)
    if (samples.length === 0) continue
    lines.push(`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`)
    const series = new Set<string>()
    for (const { labels = {}, value } of samples) {
      const text = formatLabels(labels)
      assert(!series.has(text), `the series ${name}${text} comes twice`)
      assert(Number.isFinite(value), `${name}${text} is ${value}`)
      series.add(text)
      lines.push(`${name}${text} ${value}`)
    }
  }
  return lines.map((line) => `${line}\n`).join('')
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => {
    assert(NAME.test(name), `${name} is no name of a label`)
    return `${name}="${escaped(value).replaceAll('"', '\\"')}"`
  })
  return pairs.length === 0 ? '' : `{${pairs.toSorted().join(',')}}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
