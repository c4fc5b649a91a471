// Where the data of a file lies, against a model of a file system: data is never left out, whatever the
// file system says and however short the list must be.

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findExtents } from '../../src/sources/sparse-extents.ts'
import type { HoleFinder } from '../../src/sources/sparse-extents.ts'

const PAGE = 4_096

/** A file of pages, each of them data or not. */
function fileOf(pages: readonly boolean[]): HoleFinder {
  const next = (from: number, wanted: boolean) => {
    const page = pages.findIndex((is, at) => is === wanted && (at + 1) * PAGE > from)
    return page === -1 ? undefined : Math.max(from, page * PAGE)
  }
  return {
    seekData: (_, from) => next(from, true),
    seekHole: (_, from) => next(from, false) ?? pages.length * PAGE,
  }
}

const pagesOf = (extents: Float64Array, count: number) =>
  Array.from({ length: count }, (_, page) => {
    for (let at = 0; at < extents.length; at += 2) {
      const end = extents[at]! + extents[at + 1]!
      if (extents[at]! <= page * PAGE && end >= (page + 1) * PAGE) return true
    }
    return false
  })

const anyPages = fc.array(fc.boolean(), { minLength: 1, maxLength: 200 })

describe('the map of a file', () => {
  it('is exactly its data', () => {
    fc.assert(
      fc.property(anyPages, (pages) => {
        const map = findExtents(fileOf(pages), 0, pages.length * PAGE)
        if (map === undefined) {
          expect(pages).not.toContain(false)
          return
        }
        expect(pagesOf(map.extents, pages.length)).toEqual(pages)
        expect(map.dataBytes).toBe(pages.filter(Boolean).length * PAGE)
      }),
    )
  })

  it('has all data when it must be short, and keeps the largest holes', () => {
    fc.assert(
      fc.property(anyPages, fc.integer({ min: 1, max: 5 }), (pages, extentsMax) => {
        const map = findExtents(fileOf(pages), 0, pages.length * PAGE, extentsMax)
        if (map === undefined) return
        expect(map.extents.length / 2).toBeLessThanOrEqual(extentsMax)
        const found = pagesOf(map.extents, pages.length)
        for (const [page, isData] of pages.entries()) if (isData) expect(found[page]).toBe(true)
      }),
    )
    const pages = Array.from({ length: 1_000 }, (_, at) => at % 2 === 0 && (at < 300 || at > 600))
    const map = findExtents(fileOf(pages), 0, pages.length * PAGE, 10)!
    expect(pagesOf(map.extents, 1_000).slice(300, 601)).not.toContain(true)
  })

  it('ends, and within the promised size, when the file system says anything at all', () => {
    const answer = fc.integer({ min: -10, max: 2_000 })
    fc.assert(
      fc.property(fc.array(fc.option(answer), { minLength: 1 }), (answers) => {
        let asked = 0
        const next = () => answers[asked++ % answers.length] ?? undefined
        const map = findExtents(
          { seekData: () => next(), seekHole: () => next() ?? 0 },
          0,
          1_000,
          100,
        )
        let end = 0
        for (let at = 0; at < (map?.extents.length ?? 0); at += 2) {
          expect(map!.extents[at]).toBeGreaterThanOrEqual(end)
          end = map!.extents[at]! + map!.extents[at + 1]!
        }
        expect(end).toBeLessThanOrEqual(1_000)
        expect(asked).toBeLessThan(2_100)
      }),
    )
  })

  it('is none where the file system cannot tell', () => {
    const fail = () => {
      throw Object.assign(new Error('EINVAL'), { code: 'EINVAL', syscall: 'lseek' })
    }
    expect(findExtents({ seekData: fail, seekHole: fail }, 0, 5_000)).toBeUndefined()
  })
})
