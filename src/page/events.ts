// The journal of a job as it is written: server-sent events over fetch, since EventSource sends no token.
// A connection that breaks is opened again where the journal stopped.

import { request } from './api.ts'
import type { JournalEvent } from './api-types.ts'

const RETRY_MS = 1_500

export type EventSink = {
  readonly onEvent: (event: JournalEvent) => void
  /** The job is over, and everything was told. */
  readonly onEnd: () => void
  readonly onConnected: (isConnected: boolean) => void
}

/** Returns what ends it. */
export function followJob(id: string, sink: EventSink): () => void {
  const ended = new AbortController()
  void follow(id, sink, ended.signal)
  return () => ended.abort()
}

async function follow(id: string, sink: EventSink, signal: AbortSignal): Promise<void> {
  let after = 0
  while (!signal.aborted) {
    try {
      const response = await request(`/api/jobs/${id}/events?after=${after}`, { signal })
      sink.onConnected(true)
      await readEvents(response, (number, event) => {
        if (number !== undefined) after = number
        sink.onEvent(event)
      })
      // The daemon closes it when the job is over, and also when it is stopped itself.
      const job = (await (await request(`/api/jobs/${id}`, { signal })).json()) as { state: string }
      if (job.state !== 'running' && job.state !== 'queued') {
        sink.onEnd()
        return
      }
    } catch {
      if (signal.aborted) return
      sink.onConnected(false)
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

async function readEvents(
  response: Response,
  onEvent: (number: number | undefined, event: JournalEvent) => void,
): Promise<void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (reader === undefined) return
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (rest + value).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const [, data] = /^data: (.*)$/m.exec(block) ?? []
      const [, id] = /^id: (\d+)$/m.exec(block) ?? []
      if (data !== undefined)
        onEvent(id === undefined ? undefined : Number(id), JSON.parse(data) as JournalEvent)
    }
  }
}
