import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventLine } from '../../src/cli/event-text.ts'
import { openProgress } from '../../src/cli/progress.ts'
import { widthOf } from '../../src/cli/text.ts'
import type { RunEvent } from '../../src/domain/run-events.ts'

const FILE = 'etc-20260301-023000.tar.zst'
const MB = 1_000_000

beforeEach(() => void vi.useFakeTimers({ now: new Date('2026-03-01T02:30:00Z') }))
afterEach(() => void vi.useRealTimers())

describe('on a terminal', () => {
  it('shows packing and sending at once, each with bar, rate and time left', () => {
    const { progress, shown } = open({ isTerminal: true, columns: 140 })

    progress.onEvent(packing(0, 0))
    progress.onEvent(uploading(0))
    vi.advanceTimersByTime(5_000)
    progress.onEvent(packing(500 * MB, 12_345))
    progress.onEvent(uploading(50 * MB))
    vi.advanceTimersByTime(100)

    const [pack = '', send = '', ...more] = shown()
    expect(more).toEqual([])
    expect(pack).toMatch(/^packing {2}etc +\[#{10}-{10}\] {3}50 % {2}12 345 files, 500 MB read, /)
    expect(pack).toMatch(/, 125 MB written {2}98\.0 MB\/s, 5\.1 s left$/)
    expect(send).toMatch(/^sending {2}1: near +\[#{5}-{15}\] {3}25 % {2}50\.0 MB of 200 MB {2}/)
    expect(send).toMatch(/9\.80 MB\/s, 15 s left$/)
  })

  it('draws at most ten times a second, however many events there are', () => {
    const { progress, draws } = open({ isTerminal: true })

    for (let ms = 0; ms < 2_000; ms += 1) {
      progress.onEvent(uploading(ms))
      vi.advanceTimersByTime(1)
    }

    expect(draws()).toBeGreaterThanOrEqual(19)
    expect(draws()).toBeLessThanOrEqual(20)
  })

  it('shows a rate that sinks when nothing comes any more', () => {
    const { progress, shown } = open({ isTerminal: true, columns: 140 })
    progress.onEvent(uploading(0))
    vi.advanceTimersByTime(1_000)
    progress.onEvent(uploading(100 * MB))
    vi.advanceTimersByTime(100)
    expect(shown()[0]).toContain('90.9 MB/s')

    vi.advanceTimersByTime(9_000)
    expect(shown()[0]).toContain('9.90 MB/s')
  })

  it('measures the rate over the last seconds, not over the whole transfer', () => {
    const { progress, shown } = open({ isTerminal: true, columns: 140 })
    for (let second = 0; second <= 60; second += 1) {
      // 1 MB/s for half a minute, then 3 MB/s.
      progress.onEvent(uploading(MB * (second + 2 * Math.max(0, second - 30))))
      vi.advanceTimersByTime(1_000)
    }
    expect(shown()[0]).toMatch(/2\.7\d MB\/s/)
  })

  it('never says that packing is complete before it is: the size is an estimate', () => {
    const { progress, shown } = open({ isTerminal: true })
    progress.onEvent(packing(1_000 * MB, 1))
    progress.onEvent(uploading(200 * MB))
    vi.advanceTimersByTime(1_000)
    expect(shown()[0]).toContain(' 99 % ')
    expect(shown()[0]).not.toContain('left')
    expect(shown()[1]).toContain(' 99 % ')

    progress.onEvent(PACKED)
    progress.onEvent(uploading(200 * MB))
    vi.advanceTimersByTime(100)
    expect(shown()[0]).toContain(' 100 % ')
  })

  it('forgets an estimate that has turned out too small', () => {
    const { progress, shown } = open({ isTerminal: true })
    progress.onEvent(packing(1_001 * MB, 1))
    progress.onEvent(uploading(201 * MB))
    vi.advanceTimersByTime(100)
    expect(shown()).toEqual([
      'packing  etc      1 file, 1.00 GB read, 250 MB written',
      'sending  1: near  201 MB',
    ])
  })

  it('shows no bar where the total is not known', () => {
    const { progress, shown } = open({ isTerminal: true })
    progress.onEvent({ ...uploading(MB), totalBytes: undefined })
    vi.advanceTimersByTime(1_000)
    expect(shown()[0]).toMatch(/^sending {2}1: near +1\.00 MB {2}/)
  })

  it('takes each line away when its work ends, and all of them at the end', () => {
    const { progress, shown } = open({ isTerminal: true })
    progress.onEvent(packing(MB, 1))
    progress.onEvent(uploading(MB))
    vi.advanceTimersByTime(100)
    expect(shown()).toHaveLength(2)

    progress.onEvent(PACKED)
    vi.advanceTimersByTime(100)
    expect(shown()).toHaveLength(1)

    progress.onEvent(attempt('dead', 'SERVER_SILENT'))
    vi.advanceTimersByTime(100)
    expect(shown()).toEqual([])

    progress.onEvent(uploading(MB))
    progress.close()
    expect(shown()).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('of several sources at once, takes away the lines of the one that failed, or is read later', () => {
    const { progress, shown } = open({ isTerminal: true })
    const file = 'www-20260302-023000.tar.zst'
    const titles = () => shown().map((line) => line.split(/ {2,}/).slice(0, 2).join(' '))
    progress.onEvent(packing(MB, 1))
    progress.onEvent(uploading(MB))
    progress.onEvent({ ...packing(MB, 1), source: 'www', file })
    progress.onEvent({ ...uploading(MB), server: '2: far', file })
    vi.advanceTimersByTime(100)
    expect(titles()).toEqual(['packing etc', 'sending 1: near', 'packing www', 'sending 2: far'])

    const failure = { code: 'SOURCE_MISSING', message: 'gone', hint: undefined }
    progress.onEvent({ kind: 'source-failed', source: 'www', ...failure })
    vi.advanceTimersByTime(100)
    expect(titles()).toEqual(['packing etc', 'sending 1: near'])

    progress.onEvent({ kind: 'source-postponed', source: 'etc', reason: 'no room' })
    vi.advanceTimersByTime(100)
    expect(titles()).toEqual([])
  })

  it('keeps what matters within a narrow window', () => {
    const { progress, shown } = open({ isTerminal: true, columns: 60 })
    progress.onEvent(uploading(MB, 'a server with a label that nobody would ever choose'))
    vi.advanceTimersByTime(100)
    const line = shown()[0] ?? ''
    expect(line).toContain('…')
    expect(line.slice(0, 60)).toContain(' % ')
  })

  it('cannot be garbled by the name of a source', () => {
    const { progress, shown, lines } = open({ isTerminal: true })
    progress.onEvent({ ...packing(0, 0), source: 'a\x1b[2J\nb' })
    progress.onEvent({ kind: 'source-started', source: 'a\nb', path: '/x\x1b[2J' })
    vi.advanceTimersByTime(100)
    // eslint-disable-next-line no-control-regex -- control characters must not be there
    expect([...shown(), ...lines].join('')).not.toMatch(/[\n\x1b]/)
    expect(widthOf(shown()[0] ?? '')).toBeGreaterThan(0)
  })
})

describe('in a journal', () => {
  it('writes one line per event, with its priority and no escape code', () => {
    const { progress, lines, shown } = open({ isJournal: true })

    for (const event of NIGHT) progress.onEvent(event)

    expect(lines).toMatchInlineSnapshot(`
      [
        "<6>settling what an interrupted run left: 1 archive, 2 copies",
        "<6>source etc: archiving /etc",
        "<6>sending etc-20260301-023000.tar.zst to 1: near, while it is packed",
        "<4>1: near is dead after 12.0 MB in 1 min 0 s, no byte for 60 s [SERVER_SILENT]: no copy of etc-20260301-023000.tar.zst to count on",
        "<6>packed etc-20260301-023000.tar.zst: 12 345 files, 1.00 GB read, 250 MB written in 4.0 s (250 MB/s)",
        "<5>2: far is full, Not enough space: 250 MB needed, 3 B spare [STORAGE_LIMIT]: no copy of etc-20260301-023000.tar.zst to count on",
        "<6>sending etc-20260301-023000.tar.zst to 3: farther",
        "<5>stored etc-20260301-023000.tar.zst on 3: farther: 250 MB in 10 s (25.0 MB/s)",
        "<3>waiting: www-20260301-023000.tar.zst (1.00 GB) stays in the spool: no server took it",
        "<3>source db failed: /srv/db does not exist [SOURCE_MISSING] (is the folder mounted, and is its path right?)",
        "<4>waiting: etc-20260301-023000.tar.zst (5.00 MB) stays in the spool: the archive is on 1 of 2 servers",
        "<3>damage: etc-20260228-023000.tar.zst on 1: near, frame 7: it is damaged",
        "<4>warning: etc/shadow: permission denied",
        "<6>note: etc/x.sock: a socket",
        "<6>note: nothing was pruned",
        "<3>run ended: failed, 1 archive stored (250 MB), 1 waiting, 1 source failed, in 2 min 5 s (exit 10)",
      ]
    `)
    expect(shown()).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is heard of every ten minutes in a transfer of hours', () => {
    const { progress, lines } = open({ isJournal: true })
    for (let second = 0; second < 3_600; second += 10) {
      progress.onEvent(uploading(second * 10_000))
      vi.advanceTimersByTime(10_000)
    }
    expect(lines).toHaveLength(5)
    expect(lines[0]).toBe('<6>sending 1: near: 3 %, 6.00 MB of 200 MB, 10.0 kB/s, 5 h 23 min left')
  })

  it('does not print a million warnings, and counts the rest', () => {
    const { progress, lines } = open()
    for (let number = 0; number < 1_000; number += 1)
      progress.onEvent({ kind: 'warning', about: `etc/${number}`, message: 'permission denied' })
    progress.close()
    progress.close()

    expect(lines).toHaveLength(21)
    expect(lines.at(-1)).toBe('... and 980 more warnings')
  })
})

it('has no priority in a plain file, and no colour', () => {
  const { progress, lines } = open()
  progress.onEvent({ kind: 'warning', about: 'etc/shadow', message: 'permission denied' })
  expect(lines).toEqual(['warning: etc/shadow: permission denied'])
})

it('tells each event on one line, whatever is in it [F102]', () => {
  for (const event of NIGHT) {
    const hostile = JSON.parse(
      JSON.stringify(event, (key, value: unknown) =>
        typeof value === 'string' && key !== 'kind' && key !== 'outcome'
          ? `${value}\n\x1b[31m`
          : value,
      ),
    ) as RunEvent
    // eslint-disable-next-line no-control-regex -- control characters must not be there
    expect(eventLine(hostile)?.text ?? '').not.toMatch(/[\n\x1b]/)
  }
})

const PACKED: RunEvent = {
  kind: 'packed',
  source: 'etc',
  file: FILE,
  sizeBytes: 250 * MB,
  sourceBytes: 1_000 * MB,
  memberCount: 12_345,
  warningCount: 0,
  seconds: 4,
}

const NIGHT: readonly RunEvent[] = [
  { kind: 'recovering', archives: 1, copies: 2 },
  { kind: 'source-started', source: 'etc', path: '/etc' },
  packing(0, 0),
  { kind: 'upload-started', file: FILE, server: '1: near', totalBytes: undefined },
  uploading(12 * MB),
  attempt('dead', 'SERVER_SILENT'),
  PACKED,
  {
    ...attempt('full', 'STORAGE_LIMIT'),
    server: '2: far',
    message: 'Not enough space: 250 MB needed, 3 B spare',
    bytesSent: 0,
    seconds: 0,
  },
  { kind: 'upload-started', file: FILE, server: '3: farther', totalBytes: 250 * MB },
  { ...attempt('stored', undefined), server: '3: farther' },
  { kind: 'stored', file: FILE, server: '3: farther', sizeBytes: 250 * MB, seconds: 10 },
  {
    kind: 'waiting',
    isStored: false,
    file: 'www-20260301-023000.tar.zst',
    sizeBytes: 1_000 * MB,
    reason: 'no server took it',
  },
  {
    kind: 'source-failed',
    source: 'db',
    code: 'SOURCE_MISSING',
    message: '/srv/db does not exist',
    hint: 'is the folder mounted, and is its path right?',
  },
  {
    kind: 'waiting',
    isStored: true,
    file: 'etc-20260301-023000.tar.zst',
    sizeBytes: 5 * MB,
    reason: 'the archive is on 1 of 2 servers',
  },
  { kind: 'damage', message: 'etc-20260228-023000.tar.zst on 1: near, frame 7: it is damaged' },
  { kind: 'warning', about: 'etc/shadow', message: 'permission denied' },
  { kind: 'note', about: 'etc/x.sock', message: 'a socket' },
  { kind: 'note', about: undefined, message: 'nothing was pruned' },
  {
    kind: 'run-ended',
    outcome: 'failed',
    exit: 10,
    stored: 1,
    waiting: 1,
    failed: 1,
    storedBytes: 250 * MB,
    seconds: 125,
  },
]

function packing(sourceBytes: number, memberCount: number) {
  return {
    kind: 'packing',
    source: 'etc',
    file: FILE,
    sourceBytes,
    memberCount,
    outputBytes: sourceBytes / 4,
    expectedSourceBytes: 1_000 * MB,
  } as const
}

function uploading(sentBytes: number, server = '1: near') {
  return { kind: 'uploading', file: FILE, server, sentBytes, totalBytes: 200 * MB } as const
}

function attempt(outcome: 'dead' | 'full' | 'stored', code: string | undefined) {
  return {
    kind: 'attempt-ended',
    file: FILE,
    server: '1: near',
    outcome,
    code,
    message: 'no byte for 60 s',
    bytesSent: 12 * MB,
    seconds: 60,
  } as const
}

function open(options: { isTerminal?: boolean; isJournal?: boolean; columns?: number } = {}) {
  const lines: string[] = []
  let shown: readonly string[] = []
  let draws = 0
  const progress = openProgress({
    printError: (line) => void lines.push(line),
    showLive: (live) => {
      shown = live
      draws += 1
    },
    err: {
      isTerminal: options.isTerminal ?? false,
      hasColour: false,
      columns: () => options.columns ?? 120,
    },
    isJournal: options.isJournal ?? false,
    now: () => new Date(),
  })
  return { progress, lines, shown: () => shown, draws: () => draws }
}
