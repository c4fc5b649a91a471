import { describe, expect, it } from 'vitest'
import { defineCommand, JSON_FLAG } from '../../src/cli/command.ts'
import type { Io } from '../../src/cli/command.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import { commandLine } from '../support/command-line.ts'
import type { CommandLineOptions } from '../support/command-line.ts'

type Services = { readonly answer: () => Promise<string> }

/** What the command does, set by each test. */
type Work = (io: Io<Services>, operands: readonly string[]) => Promise<number>

describe('a command', () => {
  it('gets its services when it asks, with the file of --config, and they are closed', async () => {
    const ran = await spillway(['ask', '--config=/etc/x.env'], async (io) => {
      const services = await io.services()
      expect(await io.services()).toBe(services)
      io.print(await services.answer())
      return 3
    })

    expect(ran).toMatchObject({
      exit: 3,
      out: ['42'],
      err: [],
      opened: ['/etc/x.env'],
      closed: 1,
    })
  })

  it('may stand after --config as well as before it', async () => {
    const ran = await spillway(['--config', 'x.env', 'ask', 'a'], async (io, operands) => {
      await io.services()
      io.print(operands.join())
      return 0
    })
    expect(ran).toMatchObject({ exit: 0, out: ['a'], opened: ['x.env'] })
  })

  it('that never asks for services opens none', async () => {
    expect(await spillway(['ask'], async () => 0)).toMatchObject({ opened: [], closed: 0 })
  })

  it.each([
    [['ask', 'a', 'b', 'c'], 'spillway: ask: takes at most 2 (A [B]), got "c" [USAGE]'],
    [['ask', '--jso'], 'spillway: ask: unknown flag "--jso" [USAGE]'],
    [['aks'], 'spillway: unknown command "aks" [USAGE]'],
    [['--frobnicate'], 'spillway: needs a command, got only "--frobnicate" [USAGE]'],
    [['need'], 'spillway: need: needs ARCHIVE [USAGE]'],
    [['need', '--', '--a', 'b'], 'spillway: need: takes at most 1 (ARCHIVE), got "b" [USAGE]'],
  ])('line %j is wrong usage: exit 2', async (argv, message) => {
    const ran = await spillway(argv, async () => 0)
    expect(ran).toMatchObject({ exit: 2, out: [] })
    expect(ran.err[0]).toBe(message)
  })

  it('that is mistyped is answered with the nearest one', async () => {
    const { err } = await spillway(['aks'], async () => 0)
    expect(err[1]).toBe('  hint: did you mean "spillway ask"?')
  })
})

describe('a failure', () => {
  const failure = new SpillwayError('SERVER_KEYS', '2: s3.example.com refuses the key "AKIA"')

  it('is told with its code and its remedy, and gives its exit code', async () => {
    const ran = await spillway(['ask'], async () => Promise.reject(failure))
    expect(ran).toMatchObject({
      exit: 21,
      out: [],
      err: [
        'spillway: 2: s3.example.com refuses the key "AKIA" [SERVER_KEYS]',
        '  hint: check the access key and the secret key',
      ],
    })
  })

  it('is one JSON document with --json, besides the words', async () => {
    const ran = await spillway(['ask', '--json'], async () => Promise.reject(failure))
    expect(ran.json()).toEqual({
      error: {
        code: 'SERVER_KEYS',
        message: '2: s3.example.com refuses the key "AKIA"',
        hint: 'check the access key and the secret key',
      },
      exit: 21,
    })
    expect(ran.err[0]).toContain('[SERVER_KEYS]')
  })

  it('is one JSON document when the flags themselves are wrong', async () => {
    const ran = await spillway(['ask', '--json', '--wrong'], async () => 0)
    expect(ran.json()).toMatchObject({ error: { code: 'USAGE' }, exit: 2 })
  })

  it('adds no second document to one that was printed', async () => {
    const ran = await spillway(['ask', '--json'], async (io) => {
      io.printJson({ done: true })
      throw failure
    })
    expect(ran.exit).toBe(21)
    expect(ran.json()).toEqual({ done: true })
  })

  it('is no JSON for a command that has no --json', async () => {
    const ran = await spillway(['need', '--json'], async () => 0)
    expect(ran).toMatchObject({ exit: 2, out: [] })
  })

  it('with several lines stays readable, and cannot fake lines of ours [F102]', async () => {
    const several = new SpillwayError(
      'CONFIG_INVALID',
      '2 problems:\nA is missing\n\x1b[2Jspillway: ok',
    )
    const { err } = await spillway(['ask'], async () => Promise.reject(several))
    expect(err).toEqual([
      'spillway: 2 problems: [CONFIG_INVALID]',
      '  A is missing',
      '  \\x1b[2Jspillway: ok',
      '  hint: correct the file, or run: spillway configure',
    ])
  })

  it('has the priority "err" in a journal, on each line', async () => {
    const { err } = await spillway(['ask'], async () => Promise.reject(failure), {
      isJournal: true,
    })
    expect(err.map((line) => line.slice(0, 14))).toEqual(['<3>spillway: 2', '<3>  hint: che'])
  })

  it('closes the services', async () => {
    const ran = await spillway(['ask'], async (io) => {
      await io.services()
      throw failure
    })
    expect(ran).toMatchObject({ exit: 21, closed: 1 })
  })

  it('while closing is told, but does not hide the first one', async () => {
    const close = async () => Promise.reject(new SpillwayError('CATALOG_UNAVAILABLE', 'disk gone'))
    const ran = await spillway(
      ['ask'],
      async (io) => {
        await io.services()
        throw failure
      },
      { close },
    )
    expect(ran.exit).toBe(21)
    expect(ran.err[0]).toBe('spillway: and while closing: disk gone')

    const alone = await spillway(['ask'], async (io) => (await io.services(), 0), { close })
    expect(alone).toMatchObject({ exit: 40 })
  })

  it('to open the services is told once', async () => {
    const broken = new SpillwayError('CATALOG_NEWER', 'catalog.db is of version 9')
    const ran = await commandLine(
      commands(async (io) => (await io.services(), 0)),
      () => Promise.reject(broken),
      ['ask'],
    )
    expect(ran).toMatchObject({ exit: 41, closed: 0 })
    expect(ran.err).toHaveLength(2)
  })
})

describe('a bug', () => {
  it('shows its stack, asks to be reported, and exits with 1', async () => {
    const ran = await spillway(['ask'], async () => {
      throw new TypeError('size is not a function', { cause: new Error('deeper') })
    })
    expect(ran.exit).toBe(1)
    expect(ran.err[0]).toBe('spillway: size is not a function [BUG]')
    expect(ran.err[1]).toBe('  TypeError')
    expect(ran.err.some((line) => /^ {4}at .*cli\.test\.ts/.test(line))).toBe(true)
    expect(ran.err.at(-2)).toBe('  caused by: deeper')
    expect(ran.err.at(-1)).toContain('please report it')
  })

  it('may be anything that was thrown', async () => {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what is no Error is the case
    const ran = await spillway(['ask', '--json'], async () => Promise.reject('a string'))
    expect(ran.exit).toBe(1)
    expect(ran.json()).toMatchObject({ error: { code: 'BUG', message: 'a string' }, exit: 1 })
  })
})

describe('an interruption', () => {
  it('exits with 130, whoever notices the signal', async () => {
    for (const thrown of [signalled().signal.reason as Error, abortError()]) {
      const { signal } = signalled()
      const ran = await spillway(['ask'], async () => Promise.reject(thrown), { signal })
      expect(ran.exit).toBe(130)
      expect(ran.err.join()).not.toContain('BUG')
    }
  })

  it('does not hide a bug that shows at the same moment', async () => {
    const work = async () => Promise.reject(new TypeError('no'))
    const ran = await spillway(['ask'], work, { signal: signalled().signal })
    expect(ran.exit).toBe(1)
  })

  it('is not made of an AbortError that nobody asked for', async () => {
    const ran = await spillway(['ask'], async () => Promise.reject(abortError()))
    expect(ran.exit).toBe(1)
  })
})

function commands(work: Work) {
  const ask = defineCommand({
    name: 'ask',
    summary: 'ask a question',
    operands: { usage: 'A [B]', min: 0, max: 2 },
    flags: { json: JSON_FLAG },
    examples: ['spillway ask'],
    run: (_flags, operands, io: Io<Services>) => work(io, operands),
  })
  const need = defineCommand({
    name: 'need',
    summary: 'need an operand',
    operands: { usage: 'ARCHIVE', min: 1, max: 1 },
    flags: {},
    examples: ['spillway need etc'],
    run: (_flags, operands, io: Io<Services>) => work(io, operands),
  })
  return [ask, need]
}

function spillway(argv: readonly string[], work: Work, options: CommandLineOptions = {}) {
  return commandLine(commands(work), () => ({ answer: async () => '42' }), argv, options)
}

function signalled(): AbortController {
  const controller = new AbortController()
  controller.abort(new SpillwayError('INTERRUPTED', 'interrupted by SIGINT'))
  return controller
}

function abortError(): Error {
  return Object.assign(new Error('The operation was aborted'), { name: 'AbortError' })
}
