import { describe, expect, it } from 'vitest'
import { FAILURES } from '../../src/domain/errors.ts'
import type { FailureCode } from '../../src/domain/errors.ts'
import { EXIT_MEANINGS, exitOf } from '../../src/domain/exit-code.ts'

describe('exitOf', () => {
  it('is 0 when nothing went wrong', () => {
    expect(exitOf([])).toBe(0)
    expect(exitOf([0, 0])).toBe(0)
  })

  // The order of DESIGN.md, section 10, each against the next one.
  it.each([
    [130, 1],
    [1, 40],
    [1, 75],
    [75, 42],
    [49, 23],
    [23, 20],
    [23, 29],
    [25, 31],
    [39, 10],
    [19, 74],
    [74, 3],
    [3, 0],
  ])('tells %d before %d', (first, second) => {
    expect(exitOf([first, second])).toBe(first)
    expect(exitOf([second, first])).toBe(first)
    expect(exitOf([0, second, 3, first, 0])).toBe(first)
  })

  it('does not depend on the order of two failures of one kind', () => {
    expect(exitOf([12, 10])).toBe(exitOf([10, 12]))
  })

  it('refuses a code that means nothing', () => {
    expect(() => exitOf([0, 99])).toThrow('99 is no exit code of ours')
    expect(() => exitOf([3, 256])).toThrow()
  })

  // A new row of the table needs a place in the order, and a line in --help.
  it.each(Object.keys(FAILURES) as FailureCode[])('has a place for %s', (code) => {
    const { exit } = FAILURES[code]
    expect(exitOf([3, exit])).toBe(exit)
    const listed = EXIT_MEANINGS.some(([range]) => {
      const [low = 0, high = low] = range.split('-').map(Number)
      return exit >= low && exit <= high
    })
    expect(listed).toBe(true)
  })
})
