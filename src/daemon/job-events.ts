// The journal of a job, and how it goes on, as server-sent events. Whoever reads slowly, or not at all, costs
// no more memory than whoever reads: what was missed is read from the journal, of progress only the last
// news is worth anything, and of what the journal had no room for some hundred lines wait.

import type { Daemon, Stream } from './route.ts'
import { isJobOver } from '../domain/job.ts'

// Between two of them a proxy would take the silence for an end.
const HEARTBEAT_MS = 15_000

// Each of them says all that there is to say of its kind.
const LATEST_ONLY = new Set(['packing', 'uploading', 'job-started', 'job-ended'])

// What the journal did not take, and a slow reader did not fetch; the oldest go first.
const LIVE_MAX = 200

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
      const live = new Map(queue.live(id).map(({ event }) => [kindOf(event), event]))
      let unkept = 0
      let isBeating = false
      let last = after
      let wake = (): void => undefined
      const unwatch = queue.watch((news) => {
        if (news.jobId !== id) return
        if (news.number === undefined) {
          const kind = kindOf(news.event)
          live.set(LATEST_ONLY.has(kind) ? kind : `${kind} ${(unkept += 1)}`, news.event)
          if (live.size > LIVE_MAX) live.delete(live.keys().next().value!)
        }
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
