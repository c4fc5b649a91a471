// spillway metrics: how things stand, for Prometheus.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand } from '../command.ts'
import type { Io } from '../command.ts'
import { metricsText } from '../../operations/metrics.ts'
import { statusOf } from '../../operations/status.ts'
import type { Services } from '../../operations/services.ts'

/** Only what this command needs: the real services have more. */
export type MetricsCommandServices = Pick<
  Services,
  'config' | 'catalogIfPresent' | 'currentRun' | 'version'
>

export const metricsCommand = defineCommand({
  ...COMMAND_TITLES.metrics,
  details: [
    'In the text format of Prometheus, from what the last run found out; no server is asked. With METRICS_FILE ' +
      'each run writes the same to that file, for the textfile collector of node_exporter; the daemon answers ' +
      'with it on /metrics. A dashboard and alert rules are in scripts/monitoring.',
  ],
  flags: {},
  examples: ['spillway metrics'],

  async run(_flags, _operands, io: Io<MetricsCommandServices>) {
    const { config, catalogIfPresent, currentRun, version } = await io.services()
    const [run, now] = [await currentRun(), io.now()]
    const status = await statusOf({ config, catalog: await catalogIfPresent(), run, now })
    const text = metricsText({ status, schedule: config.schedule, version, now })
    io.print(text.trimEnd())
    return 0
  },
})
