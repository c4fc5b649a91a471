// What a journal tells, put together: how far each source is, every try of an archive at a server, and the
// story in words. Lives are unequal: a run has all of it, other jobs only lines.

import type { JournalEvent } from './api-types.ts'
import type { Tone } from './tone.ts'
import { durationText, plural, rateText, sizeText } from './text.ts'

export type SourceProgress = {
  readonly name: string
  file: string | undefined
  state: 'packing' | 'packed' | 'failed'
  sourceBytes: number
  expectedBytes: number | undefined
  memberCount: number
  bytesPerSecond: number | undefined
  failure: { readonly message: string; readonly hint: string | undefined } | undefined
}

export type AttemptState = 'sending' | 'stored' | 'full' | 'dead' | 'misconfigured' | 'failed'

export type Attempt = {
  readonly file: string
  readonly server: string
  state: AttemptState
  sentBytes: number
  totalBytes: number | undefined
  message: string | undefined
  bytesPerSecond: number | undefined
}

export type Story = { readonly at: string | undefined; readonly tone: Tone; readonly text: string }

type Mark = { readonly bytes: number; readonly atMs: number }

export class RunModel {
  readonly sources: SourceProgress[] = []
  readonly attempts: Attempt[] = []
  readonly stories: Story[] = []
  outcome: 'ok' | 'warnings' | 'failed' | undefined
  readonly #marks = new Map<string, Mark>()

  add(event: JournalEvent): void {
    const text = (name: string): string => textOf(event[name])
    switch (event.kind) {
      case 'source-started':
        this.#source(text('source'))
        break
      case 'packing':
      case 'packed':
        this.#pack(event)
        break
      case 'source-failed':
        this.#fail(event)
        break
      case 'source-postponed':
        this.#postpone(event)
        break
      case 'upload-started':
        this.#begin(event)
        break
      case 'uploading':
        this.#upload(event)
        break
      case 'attempt-ended':
        this.#end(event)
        break
      case 'run-ended':
        this.outcome = text('outcome') as RunModel['outcome']
        break
    }
    const story = storyOf(event, this)
    if (story !== undefined) this.stories.push({ at: event.at, ...story })
  }

  attemptsOf(file: string): readonly Attempt[] {
    return this.attempts.filter((attempt) => attempt.file === file)
  }

  #source(name: string): SourceProgress {
    const found = this.sources.find((source) => source.name === name)
    if (found !== undefined) return found
    const made: SourceProgress = {
      ...{ name, state: 'packing', file: undefined, sourceBytes: 0, memberCount: 0 },
      ...{ expectedBytes: undefined, bytesPerSecond: undefined, failure: undefined },
    }
    this.sources.push(made)
    return made
  }

  #pack(event: JournalEvent): void {
    const source = this.#source(textOf(event['source']))
    source.file = textOf(event['file'])
    source.sourceBytes = numberOf(event['sourceBytes']) ?? 0
    source.memberCount = numberOf(event['memberCount']) ?? 0
    source.bytesPerSecond = this.#rate(`pack ${source.name}`, event, source.sourceBytes)
    source.expectedBytes = numberOf(event['expectedSourceBytes']) ?? source.expectedBytes
    // Who connects later gets the last of how far it was after all else.
    if (event.kind === 'packed') source.state = 'packed'
  }

  #fail(event: JournalEvent): void {
    const source = this.#source(textOf(event['source']))
    source.state = 'failed'
    source.failure = { message: textOf(event['message']), hint: optional(event['hint']) }
  }

  /** What was sent of it is given up; it is read anew. */
  #postpone(event: JournalEvent): void {
    const source = this.#source(textOf(event['source']))
    source.state = 'packing'
    const { file } = source
    for (const attempt of this.attempts)
      if (attempt.file === file && attempt.state === 'sending') attempt.state = 'failed'
  }

  #begin(event: JournalEvent): void {
    this.attempts.push({
      ...{ file: textOf(event['file']), server: textOf(event['server']), state: 'sending' },
      ...{ sentBytes: 0, totalBytes: numberOf(event['totalBytes']) },
      ...{ message: undefined, bytesPerSecond: undefined },
    })
  }

  #upload(event: JournalEvent): void {
    const attempt = this.#open(event)
    if (attempt === undefined) return
    attempt.sentBytes = numberOf(event['sentBytes']) ?? attempt.sentBytes
    attempt.totalBytes = numberOf(event['totalBytes']) ?? attempt.totalBytes
    const key = `send ${attempt.file} ${attempt.server}`
    attempt.bytesPerSecond = this.#rate(key, event, attempt.sentBytes)
  }

  #end(event: JournalEvent): void {
    if (this.#open(event) === undefined) this.#begin(event)
    const attempt = this.#open(event)
    if (attempt === undefined) return
    attempt.state = textOf(event['outcome']) as AttemptState
    attempt.message = optional(event['message'])
    attempt.sentBytes = numberOf(event['bytesSent']) ?? attempt.sentBytes
  }

  #open(event: JournalEvent): Attempt | undefined {
    return this.attempts.findLast(
      ({ file, server, state }) =>
        state === 'sending' && file === event['file'] && server === event['server'],
    )
  }

  /** Since the last time that it was told: what happens now, not on average. */
  #rate(key: string, event: JournalEvent, bytes: number): number | undefined {
    const atMs = event.at === undefined ? Number.NaN : Date.parse(event.at)
    const before = this.#marks.get(key)
    this.#marks.set(key, { bytes, atMs })
    if (before === undefined || !(atMs > before.atMs) || bytes < before.bytes) return undefined
    return ((bytes - before.bytes) / (atMs - before.atMs)) * 1_000
  }
}

const OUTCOMES: Readonly<Record<string, string>> = {
  full: 'is full',
  dead: 'does not answer',
  misconfigured: 'refuses us',
  failed: 'did not keep it',
}

type Told = { readonly tone: Tone; readonly text: string }

function storyOf(event: JournalEvent, model: RunModel): Told | undefined {
  const text = (name: string): string => textOf(event[name])
  const size = (name: string): string => sizeText(numberOf(event[name]) ?? 0)
  const seconds = numberOf(event['seconds']) ?? 0
  switch (event.kind) {
    case 'recovering':
      return quiet('Settling what an interrupted run left')
    case 'source-started':
      return quiet(`${text('source')}: reading ${text('path')}`)
    case 'packed':
      return quiet(
        `${text('source')}: packed ${plural(numberOf(event['memberCount']) ?? 0, 'file')}, ${size('sourceBytes')} read, ${size('sizeBytes')} written in ${durationText(seconds)}`,
      )
    case 'upload-started':
      return beginning(event, model)
    case 'attempt-ended':
      return ending(event)
    case 'stored':
      return {
        tone: 'good',
        text: `${text('file')} is stored on ${text('server')}, and proven: ${size('sizeBytes')} in ${durationText(seconds)} (${rateText((numberOf(event['sizeBytes']) ?? 0) / Math.max(seconds, 0.001))})`,
      }
    case 'waiting':
      return {
        tone: event['isStored'] === true ? 'warning' : 'bad',
        text: `${text('file')} waits on this host's disk for the next run: ${text('reason')}`,
      }
    case 'source-failed':
      return { tone: 'bad', text: `${text('source')} failed: ${text('message')}${hintOf(event)}` }
    case 'source-postponed':
      return quiet(`${text('source')} is read when the others are done: ${text('reason')}`)
    case 'warning':
      return { tone: 'warning', text: aboutOf(event) }
    case 'damage':
      return { tone: 'bad', text: text('message') }
    case 'note':
      return quiet(aboutOf(event))
    case 'line':
      return quiet(text('message'))
    case 'run-ended':
      return runEnd(event)
    default:
      return undefined
  }
}

/** To another server than before: that is the story of a failover. */
function beginning(event: JournalEvent, model: RunModel): Told {
  const [file, server] = [textOf(event['file']), textOf(event['server'])]
  const before = model.attemptsOf(file).filter(({ state }) => state !== 'sending')
  const last = before.at(-1)
  if (last === undefined || last.state === 'stored') return quiet(`Sending ${file} to ${server}`)
  return {
    tone: 'info',
    text: `${last.server} ${OUTCOMES[last.state] ?? 'failed'}, going on to ${server} with ${file}`,
  }
}

function ending(event: JournalEvent): Told | undefined {
  const outcome = textOf(event['outcome'])
  if (outcome === 'stored') return undefined
  const sent = numberOf(event['bytesSent']) ?? 0
  const after = sent === 0 ? '' : ` after ${sizeText(sent)}`
  const why = optional(event['message'])
  return {
    tone: outcome === 'full' ? 'info' : 'warning',
    text: `${textOf(event['server'])} ${OUTCOMES[outcome] ?? outcome}${after}${why === undefined ? '' : `: ${why}`}`,
  }
}

function runEnd(event: JournalEvent): Told {
  const outcome = textOf(event['outcome'])
  const [stored, waiting, failed] = ['stored', 'waiting', 'failed'].map(
    (name) => numberOf(event[name]) ?? 0,
  )
  const parts = [
    `${plural(stored ?? 0, 'archive')} stored`,
    ...(waiting === 0 ? [] : [`${waiting ?? 0} waiting`]),
    ...(failed === 0 ? [] : [`${plural(failed ?? 0, 'source')} failed`]),
  ]
  const words =
    outcome === 'ok'
      ? 'The run ended well'
      : outcome === 'warnings'
        ? 'The run ended with warnings'
        : 'The run failed'
  return {
    tone: outcome === 'ok' ? 'good' : outcome === 'warnings' ? 'warning' : 'bad',
    text: `${words}: ${parts.join(', ')}, in ${durationText(numberOf(event['seconds']) ?? 0)}`,
  }
}

function quiet(text: string): Told {
  return { tone: 'quiet', text }
}

function aboutOf(event: JournalEvent): string {
  const about = optional(event['about'])
  return about === undefined ? textOf(event['message']) : `${about}: ${textOf(event['message'])}`
}

function hintOf(event: JournalEvent): string {
  const hint = optional(event['hint'])
  return hint === undefined ? '' : ` (${hint})`
}

function textOf(value: unknown): string {
  return typeof value === 'string'
    ? value
    : value === undefined || value === null
      ? ''
      : JSON.stringify(value)
}

function optional(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
