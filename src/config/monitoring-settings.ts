// The settings of what watches Spillway from outside.

import { dirname } from 'node:path'
import { no, path } from './values.ts'
import type { ValueContext } from './values.ts'
import type { Settings } from './settings.ts'

export const MONITORING_SETTINGS = {
  METRICS_FILE: {
    help: 'file that each run writes metrics to, for the textfile collector of node_exporter; ends in .prom',
    otherwise: 'none',
    example: '/var/lib/node_exporter/textfile/spillway.prom',
    parse: metricsFile,
  },
} as const satisfies Settings

function metricsFile(text: string, context: ValueContext): string {
  const found = path(text, context)
  if (!/[^/]\.prom$/.test(found)) no('must end in .prom', 'node_exporter reads no other files')
  // Under systemd its folder is one that may be written to.
  return dirname(found) === '/' ? no('must not lie in /') : found
}
