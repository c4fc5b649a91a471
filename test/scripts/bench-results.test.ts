// What the benchmark says about its figures: medians, ratios to the best peer, tables, the picture; and that README.md and the
// picture that it shows are what the results say that are kept.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compare, median } from '../../scripts/bench/compare.ts'
import { drawPicture } from '../../scripts/bench/picture.ts'
import { joinResults, readResults } from '../../scripts/bench/results.ts'
import {
  conditions,
  PICTURE,
  readmePart,
  terminalTables,
  withReadmePart,
} from '../../scripts/bench/table.ts'
import type { ContenderRecord, Figure, Results, Run } from '../../scripts/bench/results.ts'

const PACKAGE = join(import.meta.dirname, '../..')
const KEPT = readResults(join(PACKAGE, 'scripts/bench/results/bench.json'))

describe('the results that are kept', () => {
  it('are what README.md says (npm run bench -- --from=... --readme=README.md writes it)', () => {
    const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8')
    expect(readme).toBe(withReadmePart(readme, readmePart(KEPT, PICTURE)))
  })

  it('are what the picture shows (npm run bench -- --from=... --picture=... draws it)', () => {
    expect(readFileSync(join(PACKAGE, PICTURE), 'utf8')).toBe(drawPicture(KEPT))
  })

  it('have a run of every round', () => {
    for (const { runs } of KEPT.figures) expect(runs.length).toBeGreaterThanOrEqual(KEPT.rounds)
  })
})

describe('results of one machine', () => {
  const [three, one] = [[1, 2, 3], [4]].map((seconds) =>
    resultsOf([figure('archive', 'ours', seconds)]),
  ) as [Results, Results]
  const named = (id: string, results: Results): Results => ({
    ...results,
    dataSets: results.dataSets.map((each) => ({ ...each, id })),
    figures: results.figures.map((each) => ({ ...each, dataSet: id })),
  })

  it('are joined, each data set with its own rounds', () => {
    const joined = joinResults([named('large', one), named('small', three)])
    expect(joined.dataSets.map(({ id }) => id)).toEqual(['large', 'small'])
    expect(joined).toMatchObject({
      rounds: 1,
      figures: [{ dataSet: 'large' }, { dataSet: 'small' }],
    })
    expect(conditions(joined)).toMatch(/^Medians of 1 to 3 rounds, /)
  })

  it.each([
    ['of another size', { ...three, scale: 0.5 }],
    ['with other programs', { ...three, versions: { tar: '2' } }],
  ])('are not joined with those %s', (_, other) => {
    expect(() => joinResults([named('large', one), other])).toThrow('not to be joined')
  })

  it('are not joined where both have figures of the same data', () => {
    expect(() => joinResults([one, three])).toThrow('"data" is in several of these results')
  })
})

describe('the median', () => {
  it.each([
    [[3], 3],
    [[9, 1, 5], 5],
    [[4, 1, 2, 100], 3],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected)
  })

  it('of nothing is an error', () => {
    expect(() => median([])).toThrow('nothing')
  })
})

describe('a ratio', () => {
  it('is the median of the ratios within each round, not that of the medians', () => {
    // The medians are 27 and 20.
    const results = resultsOf([
      figure('archive', 'ours', [8, 27, 30]),
      figure('archive', 'quick', [10, 30, 20]),
    ])
    expect(ratioOf(results, 'ours')).toEqual({ median: 0.9, low: 0.8, high: 1.5 })
  })

  it('is to the peer with the lowest median, for CPU time to another one', () => {
    const results = resultsOf([
      figure('archive', 'ours', [2, 2, 2], 6),
      figure('archive', 'quick', [4, 1, 4], 8),
      figure('archive', 'seeking', [5, 5, 5], 3),
    ])
    const [comparison] = compare(results)
    const [ours] = comparison!.rows
    expect(ours!.wallRatio).toEqual({ median: 0.5, low: 0.5, high: 2 })
    expect(ours!.cpuRatio).toEqual({ median: 2, low: 2, high: 2 })
  })

  it('is never to what has no server between', () => {
    const results = resultsOf([
      figure('verify', 'ours', [2]),
      figure('verify', 'local', [1]),
      figure('verify', 'quick', [4]),
    ])
    expect(ratioOf(results, 'ours')?.median).toBe(0.5)
    expect(ratioOf(results, 'local')?.median).toBe(0.25)
  })

  it('of one file is to those who must read everything', () => {
    const figures = [
      figure('one-file', 'ours', [1]),
      figure('one-file', 'quick', [20]),
      figure('one-file', 'seeking', [2]),
    ]
    expect(ratioOf(resultsOf(figures), 'ours')?.median).toBe(0.05)
  })

  it('is unknown without a peer', () => {
    const results = resultsOf([figure('archive', 'ours', [2])])
    expect(ratioOf(results, 'ours')).toBeUndefined()
    expect(terminalTables(results)).toContain('2.00             -')
  })
})

const SAMPLE = resultsOf([
  figure('archive', 'ours', [1.8]),
  figure('archive', 'quick', [2]),
  figure('archive', 'local', [123.4]),
])

describe('the tables', () => {
  it('are aligned on a terminal, with what is unknown as a dash', () => {
    const [, ...table] = terminalTables(SAMPLE).split('\n\n')
    expect(table.join('\n').trimEnd().split('\n')).toEqual([
      'Archive and upload: 3 files <& all>',
      'PROGRAM      WALL S  OF BEST PEER  CPU S  OF BEST PEER  LARGEST PROCESS MIB  SENT MB  RECEIVED MB  REQUESTS  STORED MB',
      'Ours           1.80          0.90   1.00          1.00                  100     12.0          0.5     1 234       12.5',
      'Quick          2.00          1.00   1.00          1.00                  100     12.0          0.5     1 234       12.5',
      'Local, slow     123          61.7   1.00          1.00                  100        -            -         -       12.5',
    ])
  })

  it('of the README have a row for each program and a column for each data set', () => {
    const part = readmePart(SAMPLE, 'a/picture.svg')
    expect(part).toContain(
      [
        '| program | 3 files <& all> |',
        '| --- | --- |',
        '| **Ours** | 1.80 (0.90) / 1.00 (1.00) / 100 |',
        '| Quick | 2.00 (1.00) / 1.00 (1.00) / 100 |',
        '| Local, slow | 123 (61.7) / 1.00 (1.00) / 100 |',
      ].join('\n'),
    )
    expect(part).toContain('| **Ours** | 12.0 / 0.5 / 1 234 |')
    expect(part).toContain("best peer's. archive of 3 files <& all>: 0.90](a/picture.svg)")
  })

  it('say what they are worth', () => {
    const tried = conditions({ ...SAMPLE, scale: 0.05 })
    expect(tried).toMatch(/^Only a try of the benchmark, with 0\.05 of the data .* One round, /)
    const five = resultsOf([figure('archive', 'ours', [1, 2, 3, 4, 5])])
    expect(conditions(five)).toMatch(/^Medians of 5 rounds, measured on 2026-/)
  })

  it('go between the marks of a README, and nowhere else', () => {
    const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8')
    const changed = withReadmePart(readme, 'new\n')
    expect(changed).toMatch(/<!-- bench: [^\n]* -->\nnew\n<!-- end of bench -->/)
    expect(withReadmePart(changed, readmePart(KEPT, PICTURE))).toBe(readme)
    expect(() => withReadmePart('# Title\n', 'new\n')).toThrow('bench')
  })
})

describe('the picture', () => {
  it('is well-formed, and has its words for those who do not see it', () => {
    const names = elementsOf(drawPicture(SAMPLE))
    expect(names.slice(0, 4)).toEqual(['svg', 'title', 'desc', 'style'])
    expect(drawPicture(SAMPLE)).toContain('role="img" aria-labelledby="title desc"')
    expect(drawPicture(SAMPLE)).toContain('3 files &lt;&amp; all&gt;: Ours 0.90; Quick 1.00; Local')
    expect(elementsOf(drawPicture(KEPT)).length).toBeGreaterThan(names.length)
  })

  it('has bars as long as their ratios, and cuts what would squeeze them', () => {
    const bars = [
      ...drawPicture(SAMPLE).matchAll(/<rect class="(\w+)" x="[\d.]+" .* width="([\d.]+)"/g),
    ]
    const [ours, quick, local] = bars.map(([, , width]) => Number(width))
    expect(bars.map(([, role]) => role)).toEqual(['ours', 'peer', 'shown'])
    expect(ours! / quick!).toBeCloseTo(0.9, 2)
    expect(local! / quick!).toBeCloseTo(3, 1)
    expect(drawPicture(SAMPLE).match(/class="cut"/g)).toHaveLength(1)
  })

  it('leaves nothing outside of its edges', () => {
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(drawPicture(KEPT)) ?? []
    const of = (name: string) =>
      [...drawPicture(KEPT).matchAll(new RegExp(` ${name}="([\\d.]+)"`, 'g'))].map(([, at]) =>
        Number(at),
      )
    expect(Math.max(...of('x'), ...of('x2'))).toBeLessThan(Number(width))
    expect(Math.max(...of('y'), ...of('y2'))).toBeLessThan(Number(height))
  })
})

/** Names of all elements in order; throws where a tag is not closed, an attribute odd or an & bare. */
function elementsOf(xml: string): string[] {
  const names: string[] = []
  const open: string[] = []
  const token = /<(\/?)([a-z]+)((?: [\w:-]+="[^"<]*")*)(\/?)>|([^<]+)/gy
  for (const [whole, closes, name = '', attributes = '', isEmpty, text = ''] of xml.matchAll(
    token,
  )) {
    if (/&(?!(?:amp|lt|gt|quot);)/.test(attributes + text)) throw new Error(`a bare & in ${whole}`)
    if (closes === '/' && open.pop() !== name) throw new Error(`</${name}> closes nothing`)
    if (name === '' || closes === '/') continue
    names.push(name)
    if (isEmpty !== '/') open.push(name)
  }
  const consumed = [...xml.matchAll(token)].reduce((sum, [whole]) => sum + whole.length, 0)
  if (consumed !== xml.length) throw new Error(`no XML: ${xml.slice(consumed, consumed + 80)}`)
  if (open.length > 0) throw new Error(`never closed: ${open.join(', ')}`)
  return names
}

function ratioOf(results: Results, contender: string) {
  return compare(results)[0]!.rows.find((row) => row.contender.id === contender)!.wallRatio
}

function figure(
  operation: Figure['operation'],
  contender: string,
  seconds: readonly number[],
  cpuSeconds = 1,
): Figure {
  const traffic =
    contender === 'local' ? null : { sentBytes: 12e6, receivedBytes: 5e5, requests: 1_234 }
  const runs = seconds.map((each): Run => ({
    seconds: each,
    cpuSeconds,
    peakMiB: 100,
    traffic,
    storedBytes: 12.5e6,
  }))
  return { dataSet: 'data', operation, contender, runs }
}

function resultsOf(figures: readonly Figure[]): Results {
  const contender = (id: string, more: Partial<ContenderRecord>): ContenderRecord => ({
    ...{ id, name: id, role: 'peer', hasRandomAccess: false, commands: {} },
    ...more,
  })
  return {
    ...{
      format: 1,
      measuredOn: '2026-01-02',
      scale: 1,
      server: 'a server',
      versions: { tar: '1' },
    },
    rounds: figures[0]!.runs.length,
    machine: {
      ...{
        processor: 'CPU',
        cores: 2,
        memoryGiB: 4,
        system: 'Linux',
        kernel: '6',
        fileSystem: 'xfs',
      },
    },
    contenders: [
      contender('ours', { name: 'Ours', role: 'ours', hasRandomAccess: true }),
      contender('quick', { name: 'Quick' }),
      contender('seeking', { hasRandomAccess: true }),
      contender('local', { name: 'Local, slow', role: 'shown', hasRandomAccess: true }),
    ],
    dataSets: [{ id: 'data', title: '3 files <& all>', fileCount: 3, bytes: 10 }],
    figures,
  }
}
