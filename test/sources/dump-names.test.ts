// Names of dumps in an archive: never two alike, never too long for the place of a late header, nothing in
// them that a path, a shell or a terminal would act on, and readable where that can be.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { connectionText } from '../../src/sources/postgres-server.ts'
import { dumpFileName } from '../../src/sources/dump-names.ts'

it.each([
  ['app', 'databases/app.dump'],
  ['ünï 日本', 'databases/ünï%20日本.dump'],
  ['-rf', 'databases/%2Drf.dump'],
  ['..', 'databases/%2E..dump'],
  ['a/b', 'databases/a%2Fb.dump'],
  ['50%', 'databases/50%25.dump'],
  ['line\nbreak', 'databases/line%0Abreak.dump'],
  ["it's", 'databases/it%27s.dump'],
])('%j is %s', (name, file) => {
  expect(dumpFileName(name, '.dump')).toBe(file)
})

it('has room for every name, and tells every two apart', () => {
  const name = fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme' })
  fc.assert(
    fc.property(name, name, (one, other) => {
      const [a, b] = [one, other].map((each) => dumpFileName(each, '.dump'))
      expect(Buffer.byteLength(a!)).toBeLessThanOrEqual(100)
      expect(a).toMatch(
        /^databases\/[^\p{C}\s/\\'"$`;&|<>*?()![\]{}#.-][^\p{C}\s/\\'"$`;&|<>*?()![\]{}#]*\.dump$/u,
      )
      expect(a === b).toBe(one === other)
    }),
  )
  const long = ['/'.repeat(63), `${'/'.repeat(62)}x`, '日'.repeat(64)]
  expect(new Set(long.map((each) => dumpFileName(each, '.sql'))).size).toBe(long.length)
})

it('a connection is one text in which every value stands in quotes', () => {
  expect(connectionText({ host: '/run', dbname: "it's \\ host=evil" })).toBe(
    String.raw`host='/run' dbname='it\'s \\ host=evil'`,
  )
})
