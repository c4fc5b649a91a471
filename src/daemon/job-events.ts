// The journal of a job, and how it goes on, as server-sent events. Whoever reads slowly, or not at all, costs
// no more memory than whoever reads: what was missed is read from the journal, and of progress only the last
// news is worth anything.

import type { Daemon, Stream } from './route.ts'
import { isJobOver } from '../domain/job.ts'

// Between two of them a proxy would take the silence for an end.
const HEARTBEAT_MS = 15_000

// Read from the journal at a time: a line may be a message of some KB.
const PAGE_LINES = 20

export function eventStream(
  { jobs, queue }: Pick<Daemon, 'jobs' | 'queue'>,
  id: string,
  after: number,
  signal: AbortSignal,
  heartbeatMs: number = HEARTBEAT_MS,
): Stream {
  return {
    contentType: 'text/event-stream; charset=utf-8',
    write: async (send) => {
      // By kind: of events without a number the last one of each says it all.
      const live = new Map(queue.live(id).map(({ event }) => [kindOf(event), event]))
      let isBeating = false
      let last = after
      let wake = (): void => undefined
      const unwatch = queue.watch((news) => {
        if (news.jobId !== id) return
        if (news.number === undefined) live.set(kindOf(news.event), news.event)
        wake()
      })
      const heart = setInterval(() => {
        isBeating = true
        wake()
      }, heartbeatMs)
      const stop = (): void => wake()
      signal.addEventListener('abort', stop)
      try {
        for (;;) {
          const woken = new Promise<void>((resolve) => (wake = resolve))
          // Asked before the last lines are read: they are all there when it is over.
          const job = jobs.find(id)
          for (let isMore = true; isMore && !signal.aborted;) {
            const lines = jobs.lines(id, last, PAGE_LINES)
            for (const { number, event } of lines) {
              await send(`id: ${number}\n${dataOf(event)}`)
              last = number
            }
            isMore = lines.length === PAGE_LINES
          }
          // Said at the end, also to those who come later.
          live.delete('job-ended')
          const news = [...live.values()]
          live.clear()
          for (const event of news) await send(dataOf(event))
          if (isBeating) await send(': still here\n\n')
          isBeating = false
          if (signal.aborted) return
          if (job === undefined) return
          if (isJobOver(job)) {
            await send(dataOf({ kind: 'job-ended', state: job.state }))
            return
          }
          await woken
          // The journal may be closed by now, as everything is when the daemon stops.
          if (signal.aborted) return
        }
      } finally {
        clearInterval(heart)
        unwatch()
        signal.removeEventListener('abort', stop)
      }
    },
  }
}

function dataOf(event: unknown): string {
  return `data: ${JSON.stringify(event)}\n\n`
}

function kindOf(event: unknown): string {
  return String((event as { readonly kind?: unknown }).kind)
}
