import { describe, expect, it } from 'vitest'
import { parseArguments } from '../../src/cli/command.ts'
import type { Flags } from '../../src/cli/command.ts'

const FLAGS = {
  to: { type: 'string', placeholder: 'DIR', help: 'where to' },
  set: { type: 'list', placeholder: 'NAME=VALUE', help: 'a setting' },
  limit: { type: 'count', placeholder: 'N', help: 'how many' },
  json: { type: 'boolean', help: 'as JSON' },
} as const satisfies Flags

describe('parseArguments', () => {
  it('knows a value for each flag when none is given', () => {
    expect(parse()).toEqual({
      values: { to: undefined, set: [], limit: undefined, json: false },
      operands: [],
    })
  })

  it.each([
    [['--to=a b'], { to: 'a b' }],
    [['--to', 'a'], { to: 'a' }],
    [['--to', '-'], { to: '-' }],
    [['--to='], { to: '' }],
    [['--to=--json'], { to: '--json' }],
    [['--to=a=b\nc'], { to: 'a=b\nc' }],
    [['--json'], { json: true }],
    [['--json', '--json'], { json: true }],
    [['--limit=10'], { limit: 10 }],
    [['--set', 'A=1', '--set=B=2=3'], { set: ['A=1', 'B=2=3'] }],
  ])('reads %j', (args, values) => {
    expect(parse(...args).values).toMatchObject(values)
  })

  it('takes operands from anywhere between the flags', () => {
    expect(parse('a', '--json', 'b', '--to', 'c', '-').operands).toEqual(['a', 'b', '-'])
  })

  it('takes everything after "--" as it is', () => {
    const { values, operands } = parse('a', '--', '--json', '--to', '--')
    expect(operands).toEqual(['a', '--json', '--to', '--'])
    expect(values).toMatchObject({ json: false, to: undefined })
  })

  it.each([
    [['--lmit=3'], 'list: unknown flag "--lmit"', 'did you mean --limit?'],
    [['--frobnicate'], 'list: unknown flag "--frobnicate"', 'see: spillway list --help'],
    [['-x'], 'list: unknown flag "-x"', 'see: spillway list --help'],
    [['--to'], 'list: --to needs a value: --to=DIR', 'see: spillway list --help'],
    [['--json=yes'], 'list: --json takes no value, got "yes"', 'see: spillway list --help'],
    [['--to=a', '--to=b'], 'list: --to is given twice', 'see: spillway list --help'],
    [['--limit=0'], 'list: --limit must be a whole number from 1 on, got "0"', undefined],
    [['--limit=-5'], 'list: --limit must be a whole number from 1 on, got "-5"', undefined],
    [['--limit=1e3'], 'list: --limit must be a whole number from 1 on, got "1e3"', undefined],
    // No property of every object is a flag.
    [['--constructor'], 'list: unknown flag "--constructor"', undefined],
    [['--__proto__=1'], 'list: unknown flag "--__proto__"', undefined],
  ])('refuses %j', (args, message, hint) => {
    const error = caught(() => parse(...args))
    expect(error).toMatchObject({ code: 'USAGE', message, ...(hint === undefined ? {} : { hint }) })
  })

  it('does not take a flag for a forgotten value', () => {
    const error = caught(() => parse('--to', '--json'))
    expect(error).toMatchObject({
      message: 'list: --to needs a value, got "--json" (write --to=--json if that is it)',
    })
  })
})

function parse(...args: string[]) {
  return parseArguments('list', FLAGS, args)
}

function caught(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
