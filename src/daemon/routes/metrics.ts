// /metrics, at the place where Prometheus looks.

import { defineRoute } from '../route.ts'
import type { Route, Stream } from '../route.ts'
import { METRICS_CONTENT_TYPE } from '../../lib/metrics-text.ts'
import { metricsText } from '../../operations/metrics.ts'
import { statusOf } from '../../operations/status.ts'

export const metricsRoutes: readonly Route[] = [
  defineRoute({
    ...{ method: 'GET', at: '/metrics', scope: 'read', tag: 'status' },
    summary: 'how things stand, for Prometheus',
    reply: {
      status: 200,
      description: 'Metrics in the text format of Prometheus, version 0.0.4',
      contentType: METRICS_CONTENT_TYPE,
    },
    handle: async (_asked, { services, version, now: clock }): Promise<Stream> => {
      const { config, catalogIfPresent, currentRun } = await services()
      const [catalog, run, now] = [await catalogIfPresent(), await currentRun(), clock()]
      const status = await statusOf({ config, catalog, run, now })
      const text = metricsText({ status, schedule: config.schedule, version, now })
      return { contentType: METRICS_CONTENT_TYPE, write: (send) => send(text) }
    },
  }),
]
