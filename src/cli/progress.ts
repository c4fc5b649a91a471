// What a run shows of itself on standard error: bars on a terminal, one line per event elsewhere.
//
// Packing and uploading overlap, so each has a line of its own at the bottom of the terminal. Events
// come thousands of times a second; drawing has its own clock, and costs the same whatever they do.

import type { Io } from './command.ts'
import { eventLine, LEVEL_STYLES } from './event-text.ts'
import { bar, painter, plural } from './output.ts'
import { cut, oneLine, padEnd, padStart, widthOf } from './text.ts'
import type { RunEvent } from '../domain/run-events.ts'
import { formatBytes, formatSeconds } from '../domain/sizes.ts'

export type ProgressIo = Pick<Io<unknown>, 'printError' | 'showLive' | 'err' | 'isJournal' | 'now'>

export type Progress = {
  readonly onEvent: (event: RunEvent) => void
  /** Takes the bars away; may be called again. */
  readonly close: () => void
}

// Ten times a second looks alive; more is work for the terminal only.
const DRAW_EVERY_MS = 100

// In a journal a transfer of hours is heard of now and then: silence looks like a process that hangs.
const JOURNAL_EVERY_MS = 600_000

// A million unreadable files must not become a million lines: the run's report counts them.
const LINES_PER_KIND_MAX = 20

// Over less, the rate jumps with each part; over more, it hides that a server has just slowed down.
const RATE_WINDOW_MS = 10_000

// Enough to tell sources and servers apart; the lines above have the whole names.
const NAME_COLUMNS_MAX = 24

type Phase = {
  readonly title: string
  readonly name: string
  readonly file: string
  /** undefined: it waited since an earlier run. */
  readonly source: string | undefined
  facts: string
  doneBytes: number
  totalBytes: number | undefined
  /** Until an archive is packed its size is a guess: never shown as complete before it is. */
  isEstimate: boolean
  readonly samples: { readonly atMs: number; readonly bytes: number }[]
  linedAtMs: number
}

type UnderWay = {
  readonly phases: Map<string, Phase>
  /** By the names of their archives. */
  readonly sources: Map<string, string>
}

// For a program that draws from them; more often is work for nobody.
const EVENT_EVERY_MS = 500

/** Instead of lines for people: each event as JSON, those of a transfer now and then. */
export function openEvents({ printError, now }: Pick<ProgressIo, 'printError' | 'now'>): Progress {
  const toldAtMs = new Map<string, number>()
  return {
    close: () => undefined,
    onEvent: (event) => {
      const at = now()
      if (event.kind === 'packing' || event.kind === 'uploading') {
        const key = `${event.kind} ${event.file} ${'server' in event ? event.server : ''}`
        if (at.getTime() - (toldAtMs.get(key) ?? 0) < EVENT_EVERY_MS) return
        toldAtMs.set(key, at.getTime())
      }
      printError(JSON.stringify({ at: at.toISOString(), ...event }))
    },
  }
}

export function openProgress(io: ProgressIo): Progress {
  const phases = new Map<string, Phase>()
  const sources = new Map<string, string>()
  const linesOfKind = new Map<RunEvent['kind'], number>()
  const isLive = io.err.isTerminal
  const draw = () => {
    const all = [...phases.values()]
    const widest = Math.max(0, ...all.map(({ name }) => widthOf(name)))
    io.showLive(all.map((phase) => liveLine(phase, Math.min(widest, NAME_COLUMNS_MAX), io)))
  }
  const timer = isLive ? setInterval(draw, DRAW_EVERY_MS) : undefined
  timer?.unref()

  const close = () => {
    clearInterval(timer)
    phases.clear()
    io.showLive([])
    for (const [kind, lines] of linesOfKind)
      if (lines > LINES_PER_KIND_MAX)
        io.printError(`... and ${plural(lines - LINES_PER_KIND_MAX, `more ${kind}`)}`)
    linesOfKind.clear()
  }
  return {
    close,
    onEvent: (event) => {
      const phase = follow({ phases, sources }, event, io.now().getTime())
      if (!isLive && phase !== undefined) tellNowAndThen(phase, io)
      if (event.kind === 'warning' || event.kind === 'note') {
        const lines = (linesOfKind.get(event.kind) ?? 0) + 1
        linesOfKind.set(event.kind, lines)
        if (lines > LINES_PER_KIND_MAX) return
      }
      tell(event, io)
      if (event.kind === 'run-ended') close()
    },
  }
}

function tell(event: RunEvent, io: ProgressIo): void {
  const line = eventLine(event)
  if (line === undefined) return
  const style = LEVEL_STYLES[line.level]
  const text = style === undefined ? line.text : painter(io.err)(style, line.text)
  io.printError(io.isJournal ? `<${line.level}>${text}` : text)
}

/** Keeps the phases that are under way; returns the one that the event moved. */
function follow({ phases, sources }: UnderWay, event: RunEvent, nowMs: number): Phase | undefined {
  switch (event.kind) {
    case 'packing': {
      const { file, source } = event
      sources.set(file, source)
      const of = { title: 'packing', name: source, file, source }
      const phase = phaseOf(phases, `packing ${event.file}`, of, nowMs)
      phase.totalBytes = believable(event.expectedSourceBytes, event.sourceBytes)
      phase.isEstimate = true
      phase.facts =
        `${plural(event.memberCount, 'file')}, ${formatBytes(event.sourceBytes)} read, ` +
        `${formatBytes(event.outputBytes)} written`
      sample(phase, event.sourceBytes, nowMs)
      return phase
    }
    case 'uploading': {
      const key = `uploading ${event.file} ${event.server}`
      const { file, server } = event
      const of = { title: 'sending', name: server, file, source: sources.get(file) }
      const phase = phaseOf(phases, key, of, nowMs)
      phase.totalBytes = believable(event.totalBytes, event.sentBytes)
      phase.isEstimate = phases.has(`packing ${event.file}`)
      phase.facts =
        formatBytes(event.sentBytes) +
        (phase.totalBytes === undefined ? '' : ` of ${formatBytes(phase.totalBytes)}`)
      sample(phase, event.sentBytes, nowMs)
      return phase
    }
    case 'packed':
      phases.delete(`packing ${event.file}`)
      return undefined
    case 'attempt-ended':
    case 'stored':
      phases.delete(`uploading ${event.file} ${event.server}`)
      return undefined
    case 'source-failed':
    case 'source-postponed':
    case 'waiting':
      // What has ended badly leaves nothing under way; other sources may go on.
      for (const [key, phase] of phases) if (isOf(event, phase)) phases.delete(key)
      return undefined
    case 'recovering':
    case 'source-started':
    case 'upload-started':
    case 'warning':
    case 'damage':
    case 'note':
    case 'run-ended':
      return undefined
  }
}

type Ending = RunEvent & { kind: 'source-failed' | 'source-postponed' | 'waiting' }

function isOf(event: Ending, phase: Phase): boolean {
  if (event.kind === 'waiting') return phase.file === event.file
  return phase.source === undefined || phase.source === event.source
}

/** A source that has grown is larger than its last archive said: then no total is known. */
function believable(totalBytes: number | undefined, doneBytes: number): number | undefined {
  return totalBytes !== undefined && doneBytes <= totalBytes ? totalBytes : undefined
}

function phaseOf(
  phases: Map<string, Phase>,
  key: string,
  { title, name, file, source }: Pick<Phase, 'title' | 'name' | 'file' | 'source'>,
  nowMs: number,
): Phase {
  const known = phases.get(key)
  if (known !== undefined) return known
  const phase: Phase = {
    ...{ title, name: oneLine(name), file, source },
    facts: '',
    doneBytes: 0,
    totalBytes: undefined,
    isEstimate: false,
    samples: [],
    linedAtMs: nowMs,
  }
  phases.set(key, phase)
  return phase
}

function sample(phase: Phase, bytes: number, nowMs: number): void {
  phase.doneBytes = bytes
  const last = phase.samples.at(-1)
  // One sample per drawing is enough, so a window holds about a hundred.
  if (last !== undefined && nowMs - last.atMs < DRAW_EVERY_MS) return
  phase.samples.push({ atMs: nowMs, bytes })
  while (nowMs - (phase.samples[1]?.atMs ?? nowMs) > RATE_WINDOW_MS) phase.samples.shift()
}

/** Bytes per second over the window; measured up to now, so that it sinks when nothing comes. */
function rateOf(phase: Phase, nowMs: number): number | undefined {
  const first = phase.samples[0]
  const seconds = first === undefined ? 0 : (nowMs - first.atMs) / 1_000
  if (first === undefined || seconds < 0.5) return undefined
  return Math.max(0, phase.doneBytes - first.bytes) / seconds
}

function shareOf({ doneBytes, totalBytes, isEstimate }: Phase): number | undefined {
  if (totalBytes === undefined || totalBytes <= 0) return undefined
  return Math.min(doneBytes / totalBytes, isEstimate ? 0.99 : 1)
}

function speedOf(phase: Phase, nowMs: number): string {
  const rate = rateOf(phase, nowMs)
  if (rate === undefined) return ''
  const share = shareOf(phase)
  const missing = (phase.totalBytes ?? 0) - phase.doneBytes
  const isKnown = share !== undefined && missing > 0 && rate > 0
  return `${formatBytes(rate)}/s${isKnown ? `, ${formatSeconds(missing / rate)} left` : ''}`
}

/** `packing  etc  [####----]  42 %  12 345 files, 1.2 GB read, 0.4 GB written  210 MB/s, 12 s left` */
function liveLine(phase: Phase, nameColumns: number, io: ProgressIo): string {
  const share = shareOf(phase)
  // What comes last is cut first where the window is narrow.
  const barColumns = io.err.columns() >= 120 ? 20 : 10
  return [
    padEnd(phase.title, 7),
    padEnd(cut(phase.name, nameColumns), nameColumns),
    share === undefined ? '' : bar(share, barColumns),
    share === undefined ? '' : padStart(`${Math.floor(share * 100)} %`, 5),
    phase.facts,
    speedOf(phase, io.now().getTime()),
  ]
    .filter((part) => part !== '')
    .join('  ')
}

function tellNowAndThen(phase: Phase, io: ProgressIo): void {
  const nowMs = io.now().getTime()
  if (nowMs - phase.linedAtMs < JOURNAL_EVERY_MS) return
  phase.linedAtMs = nowMs
  const share = shareOf(phase)
  const parts = [
    ...(share === undefined ? [] : [`${Math.floor(share * 100)} %`]),
    phase.facts,
    speedOf(phase, nowMs),
  ]
  const text = `${phase.title} ${phase.name}: ${parts.filter((part) => part !== '').join(', ')}`
  io.printError(io.isJournal ? `<6>${text}` : text)
}
