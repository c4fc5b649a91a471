// A run of very many sources, and names that are more than names: what is sent stays within what is taken.

import { describe, expect, it } from 'vitest'
import { isBad, newsFor, outcomeOf, standingAfter } from '../../src/domain/notification.ts'
import type { NotifyMessage, NotifyOn, NotifyTarget } from '../../src/domain/notification.ts'
import type { RunOutcome, RunReport } from '../../src/domain/run-report.ts'
import { cutBytes, cutLines } from '../../src/notify/cut-text.ts'
import { webMessage } from '../../src/notify/web-messages.ts'
import { boundedReport } from '../../src/operations/notify-document.ts'
import { oneLine, textOf, titleOf } from '../../src/operations/notify-text.ts'

function reportOf(sourceCount: number, message: string): RunReport {
  const names = Array.from({ length: sourceCount }, (_each, at) => `source ${at} \u{1f4a5}`)
  return {
    ...{ outcome: 'failed', exit: 10, startedAt: '2026-03-02T02:30:00.000Z', seconds: 61 },
    sources: names.map((name) => ({
      ...{ name, outcome: 'failed', code: 'SOURCE_MISSING', message, hint: 'mount it' },
    })),
    archives: [],
    retention: {
      ...{ deleted: [], partlyDeleted: [], freedBytes: 0, refused: [], held: [], remaining: 0 },
    },
    notices: [],
    warnings: Array.from({ length: 500 }, () => message),
  }
}

const LONG = `first line\nsecond "line" \u0007${'x'.repeat(5_000)}`
const more = {
  config: { servers: [] },
  lastGoodAt: new Map(),
  standing: { run: 'ok', sources: {} },
} as const

it('a text says how many lines it leaves out, and is one line per thing', () => {
  const text = textOf(reportOf(1_000, LONG), more)
  expect(text).toContain('- and 960 more')
  expect(text).toContain('- and 460 more')
  expect(text.split('\n').every((line) => line.length < 600)).toBe(true)
  expect(text).not.toContain('\u0007')
  expect(titleOf('web1', reportOf(3, ''), 'bad')).toBe('web1: FAILED, 3 of 3 sources')
})

describe('every kind takes what it gets', () => {
  const text = textOf(reportOf(1_000, LONG), more)
  const title = oneLine(`h${'\u{1f4a5}'.repeat(300)}`)
  const message: NotifyMessage = { phase: 'end', level: 'failed', title, text, document: {} }
  const url = 'https://h.example.net/x'
  const targets: readonly [Exclude<NotifyTarget, { kind: 'mail' }>, number][] = [
    [{ kind: 'ping', url }, 10_000],
    [{ kind: 'ntfy', url, topic: 'x', login: undefined }, 4_096],
    [{ kind: 'slack', url }, 8_000],
    [{ kind: 'discord', url }, 6_000],
    [{ kind: 'gotify', url, token: 'x' }, 11_000],
    [{ kind: 'telegram', url, token: 'x', chat: '1' }, 5_000],
  ]
  it.each(targets.map(([target, max]) => ({ kind: target.kind, target, max })))(
    '$kind',
    ({ target, max }) => {
      const { body } = webMessage(target, message, ['always'])
      expect(Buffer.byteLength(body)).toBeLessThan(max)
      expect(body).toContain('(cut here: the whole report is in the log')
      expect(body).not.toContain('\ufffd')
    },
  )

  it.each([1, 50, 300, 5_000])('a webhook, of %d sources', (count) => {
    const document = boundedReport(reportOf(count, LONG))
    expect(Buffer.byteLength(JSON.stringify(document))).toBeLessThan(90_001)
    expect(document).toMatchObject({ outcome: 'failed', exit: 10 })
    if (count === 1) expect(document).toMatchObject({ sources: [{ name: 'source 0 \u{1f4a5}' }] })
    if (count === 5_000) expect(document).toMatchObject({ isCut: true, failedSourceCount: 5_000 })
  })
})

it('a text is cut between lines and characters', () => {
  expect(cutLines('short', 100)).toBe('short')
  const cut = cutLines(`${'line\n'.repeat(100)}`, 200)
  expect(cut).toMatch(/^(line\n)+\.\.\. \(cut here/)
  expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(200)
  for (let max = 4; max < 12; max += 1)
    expect(cutBytes('a\u{1f4a5}b\u{1f4a5}c', max)).not.toContain('\ufffd')
})

describe('who is told', () => {
  const nights: readonly RunOutcome[] = ['ok', 'warnings', 'failed', 'warnings', 'ok', 'ok']
  const story = (on: readonly NotifyOn[]) =>
    nights.map((outcome, at) => newsFor(on, { outcome, before: nights[at - 1], after: outcome }))
  const no = undefined
  it.each([
    [['failure'], [no, no, 'bad', no, no, no]],
    [['recovery'], [no, no, no, 'recovery', no, no]],
    // Warnings are no recovery for whoever asked to hear of them.
    [
      ['warning', 'recovery'],
      [no, 'bad', 'bad', 'bad', 'recovery', no],
    ],
    [
      ['failure', 'recovery'],
      [no, no, 'bad', 'recovery', no, no],
    ],
    [['always'], ['news', 'news', 'bad', 'recovery', 'news', 'news']],
  ] as [NotifyOn[], (string | undefined)[]][])('%j', (on, told) => expect(story(on)).toEqual(told))

  it('a source that is not configured any more is forgotten, one that was left alone is not', () => {
    const before = { run: 'ok', sources: { a: 'failed', b: 'failed' } } as const
    const report = { outcome: 'ok', sources: [] } as const
    const after = standingAfter(before, report, ['a', 'c'])
    expect(after).toEqual({ run: 'ok', sources: { a: 'failed' } })
    expect(isBad(['failure'], outcomeOf(after))).toBe(true)
  })
})
