import { expect, it } from 'vitest'
import { withCode, withoutPlace } from '../../src/domain/failure-text.ts'

it('a code is told once', () => {
  expect(withCode('refuses connections (ECONNREFUSED)', 'ECONNREFUSED')).toBe(
    'refuses connections (ECONNREFUSED)',
  )
  expect(withCode('no byte for 60 s', 'SERVER_SILENT')).toBe('no byte for 60 s [SERVER_SILENT]')
  expect(withCode('', 'SERVER_SILENT')).toBe('[SERVER_SILENT]')
  expect(withCode('no byte for 60 s', null)).toBe('no byte for 60 s')
})

it('where a server is stands once in a line that begins with its name', () => {
  const label = '2: s3.example.com/$&-backups'
  expect(withoutPlace('s3.example.com/$&-backups: no answer', label)).toBe('no answer')
  expect(withoutPlace('not asked again: s3.example.com/$&-backups: no answer', label)).toBe(
    'not asked again: no answer',
  )
  expect(withoutPlace('another.example.com/backups: no answer', label)).toBe(
    'another.example.com/backups: no answer',
  )
})
