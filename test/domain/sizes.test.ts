import { describe, expect, it } from 'vitest'
import { formatBytes, formatRate, formatSeconds } from '../../src/domain/sizes.ts'

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.00 kB'],
    [1_500, '1.50 kB'],
    [9_994, '9.99 kB'],
    [9_995, '10.0 kB'],
    [99_949, '99.9 kB'],
    [99_950, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [12_345_678_901, '12.3 GB'],
    [100e9, '100 GB'],
    [1e15, '1.00 PB'],
    [5e18, '5000 PB'],
    [-1_500, '-1.50 kB'],
  ])('writes %d as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  it('shows three figures at every size, so that columns compare at a glance', () => {
    for (let bytes = 1_000; bytes < 9e17; bytes *= 1.37) {
      const figures = formatBytes(bytes).replace(/[^0-9]/g, '')
      expect(figures, String(bytes)).toHaveLength(3)
    }
  })
})

describe('formatRate', () => {
  it('is bytes per second', () => {
    expect(formatRate(10_000_000, 4)).toBe('2.50 MB/s')
  })

  it('knows no rate before any time has passed', () => {
    expect(formatRate(10, 0)).toBe('0 B/s')
  })
})

describe('formatSeconds', () => {
  it.each([
    [0, '0.0 s'],
    [0.44, '0.4 s'],
    [9.94, '9.9 s'],
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1 min 0 s'],
    [200, '3 min 20 s'],
    [3_599.4, '59 min 59 s'],
    [3_599.6, '1 h 00 min'],
    [7_500, '2 h 05 min'],
    [7_199, '2 h 00 min'],
  ])('writes %d as %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text)
  })
})
