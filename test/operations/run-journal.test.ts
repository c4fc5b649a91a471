// What is kept of a run that tells more than fits.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openState } from '../../src/state/open-state.ts'
import { RunJournal } from '../../src/operations/run-journal.ts'
import type { RunEvent } from '../../src/domain/run-events.ts'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const ID = '01a1ffed-0d53-73be-8648-000000000001'

/** What is kept of a run that told these. */
async function kept(told: readonly RunEvent[]): Promise<readonly Partial<RunEvent>[]> {
  const services = {
    openState: async () => openState(folder),
    redact: (text: string) => text,
    config: { sources: [] },
  }
  const run = { origin: 'command', jobId: undefined, sourceNames: [] } as const
  const journal = new RunJournal(services, run, () => new Date())
  await journal.begin(ID)
  for (const event of told) journal.onEvent(event)
  await journal.failed(new Error('it was enough'))
  const state = openState(folder)
  try {
    const lines = state.runs.events(ID)
    expect(lines.map(({ number }) => number)).toEqual(lines.map((_, at) => at + 1))
    return lines.map(({ event }) => event as Partial<RunEvent>)
  } finally {
    state.close()
  }
}

const file = 'a.tar.zst'
const STORED: RunEvent = { kind: 'stored', file, server: '1', sizeBytes: 1, seconds: 1 }
const ENDED: RunEvent = {
  ...{ kind: 'run-ended' as const, outcome: 'ok' as const, exit: 0, seconds: 1 },
  ...{ stored: 1, waiting: 0, failed: 0, storedBytes: 1 },
}
const of = (kind: RunEvent['kind'], events: readonly Partial<RunEvent>[]): number =>
  events.filter((event) => event.kind === kind).length

describe('the journal of a run', () => {
  it('has what became of each archive, however many warnings came before', async () => {
    const warnings = Array.from({ length: 2_500 }, (_, each) => ({
      ...{ kind: 'warning', about: undefined, message: `cannot read ${each}` },
    })) as RunEvent[]
    const events = await kept([...warnings, STORED, ENDED])
    expect([of('warning', events), of('note', events)]).toEqual([2_000, 1])
    expect(events.at(-3)).toMatchObject({
      message:
        'the journal has room for 2000 of each kind: the warnings that came after these are not in it',
    })
    expect(events.slice(-2)).toMatchObject([{ kind: 'stored' }, { kind: 'run-ended' }])
  })

  it('has the end of a run of very many archives', async () => {
    const events = await kept([...Array<RunEvent>(3_000).fill(STORED), ENDED])
    expect([of('stored', events), of('run-ended', events), of('note', events)]).toEqual([
      ...[3_000, 1, 0],
    ])
  })
})
