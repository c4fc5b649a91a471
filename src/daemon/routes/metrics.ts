// /metrics, at the place where Prometheus looks.

import { defineRoute } from '../route.ts'
import type { Route, Stream } from '../route.ts'
import { METRICS_CONTENT_TYPE } from '../../lib/metrics-text.ts'
import { metricsText } from '../../operations/metrics.ts'

export const metricsRoutes: readonly Route[] = [
  defineRoute({
    ...{ method: 'GET', at: '/metrics', scope: 'read', tag: 'status' },
    summary: 'how things stand, for Prometheus',
    reply: {
      status: 200,
      description: 'Metrics in the text format of Prometheus, version 0.0.4',
      contentType: METRICS_CONTENT_TYPE,
    },
    handle: async (_asked, { services, status: cache, version, now: clock }): Promise<Stream> => {
      const [given, now] = [await services(), clock()]
      const { schedule } = given.config
      const text = metricsText({ status: await cache.get(given), schedule, version, now })
      return { contentType: METRICS_CONTENT_TYPE, write: (send) => send(text) }
    },
  }),
]
