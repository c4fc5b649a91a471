// Reads the text format of Prometheus as strictly as a scrape does; throws at the first line that is wrong.

export type ReadSample = {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export function readMetrics(text: string): readonly ReadSample[] {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line is not ended')
  const samples: ReadSample[] = []
  const known = new Set<string>()
  const series = new Set<string>()
  let family = ''
  for (const line of text.split('\n').slice(0, -1)) {
    const [, kind, of = '', rest = ''] = /^# (HELP|TYPE) ([a-z0-9_]+) (.+)$/.exec(line) ?? []
    if (kind === 'HELP') {
      if (known.has(of)) throw new Error(`${of} comes twice`)
      known.add(of)
      family = of
    } else if (kind === 'TYPE') {
      if (of !== family || !/^(gauge|counter)$/.test(rest)) throw new Error(`wrong: ${line}`)
    } else {
      const found = sampleOf(line)
      if (found.name !== family) throw new Error(`not in its family: ${line}`)
      const id = JSON.stringify([found.name, Object.entries(found.labels).toSorted()])
      if (series.has(id)) throw new Error(`comes twice: ${line}`)
      series.add(id)
      samples.push(found)
    }
  }
  return samples
}

function sampleOf(line: string): ReadSample {
  const match = /^([a-z][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\]|\\[\\"n])*",?)*)\})? (\S+)$/s.exec(
    line,
  )
  const [name, inner, number] = [match?.[1], match?.[2] ?? '', match?.[3]]
  const value = Number(number)
  if (name === undefined || !Number.isFinite(value)) throw new Error(`wrong: ${line}`)
  const labels = [...inner.matchAll(/([a-z_]+)="((?:[^"\\]|\\[\\"n])*)"/gs)].map(
    (found): [string, string] => [found[1]!, unescaped(found[2]!)],
  )
  return { name, labels: Object.fromEntries<string>(labels), value }
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_all, character: string) => (character === 'n' ? '\n' : character))
}

/** The samples of one metric, with the labels that are asked for as keys. */
export function valuesOf(
  samples: readonly ReadSample[],
  name: string,
  ...labels: readonly string[]
): Readonly<Record<string, number>> {
  const found = samples.filter((sample) => sample.name === name)
  return Object.fromEntries(
    found.map((sample) => [labels.map((label) => sample.labels[label]).join(' '), sample.value]),
  )
}
