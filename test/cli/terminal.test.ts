import { execFileSync, spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { fstatSync, openSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openTerminal } from '../../src/cli/terminal.ts'
import type { OutputStream, TerminalSettings } from '../../src/cli/terminal.ts'
import { watchSignals } from '../../src/cli/interrupt.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

const NOTHING_SET: TerminalSettings = {
  noColor: undefined,
  term: 'xterm',
  journalStream: undefined,
}

describe('colours', () => {
  it.each<[string, boolean, Partial<TerminalSettings>, boolean]>([
    ['are shown on a terminal', true, {}, true],
    ['are not shown in a pipe', false, {}, false],
    ['are not shown with NO_COLOR', true, { noColor: '1' }, false],
    ['are shown when NO_COLOR is empty', true, { noColor: '' }, true],
    ['are not shown on a terminal that has no escape codes', true, { term: 'dumb' }, false],
  ])('%s', (_claim, isTTY, settings, hasColour) => {
    const { terminal } = open(settings, isTTY)
    expect([terminal.out.hasColour, terminal.err.hasColour]).toEqual([hasColour, hasColour])
  })
})

describe('live lines', () => {
  it('are replaced in place, and taken away before a line of either stream', () => {
    const { terminal, screen } = open()

    terminal.showLive(['packing', 'sending'])
    terminal.showLive(['packing 2'])
    terminal.print('a result')
    terminal.printError('a warning')
    terminal.showLive([])

    expect(screen()).toEqual(['a result', 'a warning'])
  })

  it('stay below what is printed while they are shown', () => {
    const { terminal, screen } = open()

    terminal.showLive(['one', 'two'])
    terminal.printError('stored')

    expect(screen()).toEqual(['stored', 'one', 'two'])
  })

  it('are cut to the terminal, so that they never wrap', () => {
    const { terminal, screen } = open()
    terminal.showLive(['x'.repeat(300)])
    expect(screen()[0]).toHaveLength(79)
    terminal.close()
    expect(screen()).toEqual([])
  })

  it('write nothing at all when it is no terminal', () => {
    const { terminal, written } = open({}, false)
    terminal.showLive(['packing'])
    terminal.showLive([])
    terminal.print('done')
    expect(written()).toBe('done\n')
  })
})

describe('the journal', () => {
  it('is recognised by the very stream that systemd named', () => {
    const fd = openSync('/dev/null', 'w')
    const { dev, ino } = fstatSync(fd)
    const isJournal = (journalStream: string | undefined) => {
      const stream = Object.assign(fakeStream(false).stream, { fd })
      return openTerminal({ ...NOTHING_SET, journalStream }, stream, stream).isJournal
    }
    expect(isJournal(`${dev}:${ino}`)).toBe(true)
    // Standard error was redirected to a file since: no priorities in there.
    expect(isJournal(`${dev}:${ino + 1}`)).toBe(false)
    expect(isJournal(undefined)).toBe(false)
    closeSync(fd)
    expect(isJournal(`${dev}:${ino}`)).toBe(false)
  })
})

describe('a reader that goes away', () => {
  it('ends a listing without a word', () => {
    // A pipe whose reader is gone, as in `spillway list | head -1`.
    const script = `
      const { openTerminal } = await import(process.argv[1])
      const terminal = openTerminal({})
      for (let line = 0; line < 50_000; line++) terminal.print('line ' + line)
    `
    const { status, stderr } = spawnSync(
      'bash',
      [
        '-c',
        'set -o pipefail; "$0" --input-type=module -e "$1" "$2" | head -1',
        process.execPath,
        script,
        moduleUrl(),
      ],
      { encoding: 'utf8' },
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  it('stops what writes bytes', async () => {
    const { stream } = fakeStream(false, Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    const terminal = openTerminal(NOTHING_SET, stream, stream)
    await expect(terminal.write(Buffer.from('a'))).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })

  it('may do so after the last line: its late error is no crash', () => {
    const { stream, terminal } = open()
    terminal.close()
    expect(() =>
      stream.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    ).not.toThrow()
  })
})

it('bytes are written as they are', () => {
  const script = `
    const { openTerminal } = await import(process.argv[1])
    const terminal = openTerminal({})
    await terminal.write(Buffer.from([0, 255, 10, 27]))
  `
  const bytes = execFileSync(process.execPath, ['--input-type=module', '-e', script, moduleUrl()])
  expect([...bytes]).toEqual([0, 255, 10, 27])
})

describe('what is printed', () => {
  const printed = (args: string, to: string) =>
    spawnSync(
      'bash',
      ['-c', `set -o pipefail; "$0" "$1" ${args} ${to}`, process.execPath, PROGRAM],
      {
        encoding: 'utf8',
      },
    )

  it.each(['--help', 'systemd --help'])('by %s fails where its disk is full', (args) => {
    const { status, stderr } = printed(args, '> /dev/full')
    expect(status).toBe(74)
    expect(stderr).toContain('spillway: standard output could not be written: ENOSPC')
    expect(stderr).toContain('[OUTPUT_FAILED]')
  })

  it('may be cut short by who reads it', () => {
    expect(printed('--help', '| head -1')).toMatchObject({ status: 0, stderr: '' })
  })
})

describe('watchSignals', () => {
  it('stops in order at the first signal and at once at the second', () => {
    const source = new EventEmitter()
    const lines: string[] = []
    const ends: number[] = []
    const { signal, stop } = watchSignals(source, {
      printError: (line) => void lines.push(line),
      endNow: (exit) => void ends.push(exit),
    })

    expect(signal.aborted).toBe(false)
    source.emit('SIGTERM', 'SIGTERM')
    expect([signal.aborted, ends]).toEqual([true, []])
    expect(signal.reason).toMatchObject({ code: 'INTERRUPTED', message: 'interrupted by SIGTERM' })
    expect(lines).toEqual(['spillway: SIGTERM: stopping in order (once more ends at once)'])

    source.emit('SIGINT', 'SIGINT')
    expect(ends).toEqual([130])

    stop()
    expect(source.eventNames()).toEqual([])
  })
})

/** The compiled module: child processes cannot run TypeScript. */
function moduleUrl(): string {
  return new URL('../../dist/modules/src/cli/terminal.js', import.meta.url).href
}

function open(settings: Partial<TerminalSettings> = {}, isTTY = true) {
  const { stream, written } = fakeStream(isTTY)
  const terminal = openTerminal({ ...NOTHING_SET, ...settings }, stream, stream)
  return { terminal, stream, written, screen: () => screenOf(written()) }
}

function fakeStream(isTTY: boolean, failure?: Error) {
  let text = ''
  const stream = Object.assign(new EventEmitter(), {
    isTTY,
    columns: 80,
    write: (chunk: string | Uint8Array, done?: (error?: Error | null) => void) => {
      text += chunk.toString()
      done?.(failure)
      return true
    },
  }) satisfies OutputStream
  return { stream, written: () => text }
}

/** What a terminal shows of these bytes: knows the escape sequences that we use, and no others. */
function screenOf(text: string): readonly string[] {
  let lines = ['']
  // eslint-disable-next-line no-control-regex -- the escapes of a terminal begin with one
  for (const [token] of text.matchAll(/\x1b\[(\d+)A|\x1b\[J|\r|\n|[^\x1b\r\n]+|\x1b/g)) {
    const up = /\[(\d+)A$/.exec(token)
    // Everything below the cursor is erased right after going up, so going up may drop it here.
    if (up) lines = [...lines.slice(0, Math.max(0, lines.length - 1 - Number(up[1]))), '']
    else if (token === '\n') lines.push('')
    else if (token === '\r') lines[lines.length - 1] = ''
    else if (!token.startsWith('\x1b')) lines[lines.length - 1] += token
    else if (token !== '\x1b[J') throw new Error(`unknown escape sequence ${JSON.stringify(token)}`)
  }
  return lines.slice(0, -1)
}
