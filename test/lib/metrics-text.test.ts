import fc from 'fast-check'
import { expect, it } from 'vitest'
import { formatMetrics } from '../../src/lib/metrics-text.ts'
import type { Family } from '../../src/lib/metrics-text.ts'
import { readMetrics } from '../support/metrics-reader.ts'

const family = (more: Partial<Family> = {}): Family => ({
  name: 'x_bytes',
  help: 'Bytes.',
  type: 'gauge',
  samples: [{ value: 1 }],
  ...more,
})

it('writes a family once, with what it is before its samples', () => {
  const samples = [{ labels: { server: '1', label: 'a' }, value: 1.5 }, { value: 1e21 }]
  expect(formatMetrics([family({ help: 'a \\ and\na line', samples })])).toBe(
    '# HELP x_bytes a \\\\ and\\na line\n' +
      '# TYPE x_bytes gauge\n' +
      'x_bytes{label="a",server="1"} 1.5\n' +
      'x_bytes 1e+21\n',
  )
  expect(formatMetrics([family({ samples: [] })])).toBe('')
})

it('gives any label back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (label) => {
      const text = formatMetrics([family({ samples: [{ labels: { label }, value: 1 }] })])
      expect(readMetrics(text)).toEqual([{ name: 'x_bytes', labels: { label }, value: 1 }])
    }),
  )
})

it.each([
  ['a name with a dot', [family({ name: 'x.bytes' })]],
  ['a name with capitals', [family({ name: 'xBytes' })]],
  ['a family twice', [family(), family()]],
  ['a series twice', [family({ samples: [{ value: 1 }, { value: 2 }] })]],
  ['a value that is none', [family({ samples: [{ value: Number.NaN }] })]],
  ['a label with a dash', [family({ samples: [{ labels: { 'a-b': '' }, value: 1 }] })]],
  ['a counter without _total', [family({ type: 'counter' })]],
  ['a gauge with _total', [family({ name: 'x_total' })]],
])('refuses %s', (_what, families) => {
  expect(() => formatMetrics(families)).toThrow()
})
