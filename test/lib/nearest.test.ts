import { expect, it } from 'vitest'
import { nearestName } from '../../src/lib/nearest.ts'

const COMMANDS = ['run', 'list', 'status', 'restore', 'systemd']

it.each([
  ['lst', 'list'],
  ['lits', 'list'],
  ['LIST', 'list'],
  ['stauts', 'status'],
  ['statsu', 'status'],
  ['systemctl', 'systemd'],
  ['rn', 'run'],
  ['backup', undefined],
  ['', undefined],
])('takes %j for %j', (given, nearest) => {
  expect(nearestName(given, COMMANDS)).toBe(nearest)
})

it('prefers the nearer of two, and the first of two equal ones', () => {
  expect(nearestName('sources', ['source', 'sourced'])).toBe('source')
  expect(nearestName('cart', ['care', 'card'])).toBe('care')
})

it('knows nothing among nothing', () => {
  expect(nearestName('list', [])).toBe(undefined)
})
