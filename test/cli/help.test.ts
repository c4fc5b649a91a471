import { describe, expect, it } from 'vitest'
import { deadlines } from '../../src/cli/help.ts'
import { checkCommand } from '../../src/cli/commands/check.ts'
import { listCommand } from '../../src/cli/commands/list.ts'
import { statusCommand } from '../../src/cli/commands/status.ts'
import { systemdCommand } from '../../src/cli/commands/systemd.ts'
import { EXIT_MEANINGS } from '../../src/domain/exit-code.ts'
import { NETWORK_LIMITS } from '../../src/storage/limits.ts'
import { commandLine } from '../support/command-line.ts'

const COMMANDS = [listCommand, statusCommand, systemdCommand]

describe('spillway --help', () => {
  it('names every command, aligned, and fits 80 columns', async () => {
    const { exit, out, opened } = await help('--help')

    expect([exit, opened]).toEqual([0, []])
    const columns = COMMANDS.map(({ name, summary }) => {
      const line = out.find((candidate) => candidate.startsWith(`  ${name} `)) ?? ''
      const start = summary.slice(0, 12)
      expect(line).toContain(start)
      return line.indexOf(start)
    })
    expect(new Set(columns).size).toBe(1)
    expect(out.filter((line) => line.length > 80)).toEqual([])
  })

  it('lists every exit code', async () => {
    const { out } = await help('--help')
    for (const [code, meaning] of EXIT_MEANINGS)
      expect(out.join('\n')).toMatch(new RegExp(`^  ${code} +${escape(meaning)}`, 'm'))
  })

  it('states the deadlines that hold, in words', () => {
    const text = deadlines(NETWORK_LIMITS).join('\n')
    expect(text).toContain('connecting            given up after 10 s')
    expect(text).toContain('no byte either way    given up after 1 min, not repeated in this run')
    expect(text).toMatch(/at most 2 min without\s+progress/)
    expect(deadlines({ ...NETWORK_LIMITS, withoutProgressMs: 90_000 }).join('\n')).toContain(
      '1 min 30 s',
    )
  })

  it.each([['--help'], ['-h'], ['help'], ['help', '--help']])(
    'is what %j says',
    async (...argv) => {
      expect((await help(...argv)).out).toEqual((await help('--help')).out)
    },
  )

  it('without being asked for is a complaint: to standard error, exit 2', async () => {
    const { exit, out, err } = await help()
    expect({ exit, out }).toEqual({ exit: 2, out: [] })
    expect(err).toEqual((await help('--help')).out)
  })
})

describe('spillway COMMAND --help', () => {
  it('ends a question with its mark alone', async () => {
    const { out } = await commandLine(
      [checkCommand],
      () => Promise.reject(new Error('not opened')),
      ['check', '--help'],
    )
    expect(out.join('\n')).toMatch(/of every source\?$/m)
  })

  it.each(COMMANDS.map((command) => [command.name, command] as const))(
    'of %s tells usage, every flag, examples that work, and exit codes',
    async (name, command) => {
      const { exit, out, opened } = await help(name, '--help')
      const text = out.join('\n')

      expect([exit, opened]).toEqual([0, []])
      expect(out[0]).toMatch(new RegExp(`^usage: spillway ${name} .*\\[FLAGS\\]$`))
      for (const [flag, { help: words }] of Object.entries(command.flags)) {
        expect(text).toMatch(new RegExp(`^  --${flag}\\b`, 'm'))
        expect(text.replace(/\s+/g, ' ')).toContain(words)
      }
      expect(text).toContain('--config=FILE')
      for (const example of command.examples) expect(text).toContain(`  ${example}`)
      expect(text).toContain('23: none took an archive')
      expect(out.filter((line) => line.length > 80)).toEqual([])
    },
  )

  it('is given however wrong the rest of the line is', async () => {
    expect(await help('list', '--wrong', '--limit', '--help', 'x')).toMatchObject({
      exit: 0,
      err: [],
    })
    expect((await help('list', '-h')).out).toEqual((await help('help', 'list')).out)
  })

  it('is not meant after "--"', async () => {
    expect((await help('list', '--', '--help')).exit).toBe(2)
  })

  it.each(COMMANDS.flatMap(({ examples }) => [...examples]))(
    'has examples that the parser takes: %s',
    async (example) => {
      const argv = example.split(' ').slice(1)
      // Help of the same line: parsed by hand below, nothing is done.
      const [name = '', ...args] = argv
      const command = COMMANDS.find((candidate) => candidate.name === name)
      let reached = false
      await command
        ?.run(args, () => {
          reached = true
          throw new Error('far enough')
        })
        .catch(() => undefined)
      expect(reached).toBe(true)
    },
  )
})

it('prints the version', async () => {
  expect(await help('--version')).toMatchObject({ exit: 0, out: ['1.2.3'] })
})

function help(...argv: string[]) {
  return commandLine(COMMANDS, () => Promise.reject(new Error('help opens nothing')), argv)
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
