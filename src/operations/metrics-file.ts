// The metrics of a run in METRICS_FILE, where the textfile collector of node_exporter reads them: written
// when the run begins and when it has ended.
//
// The collector may read at any moment, as another user: whole or not at all, and mode 0644 whatever the
// umask is. It reads what ends in .prom alone, so the new file has another name until it is whole.

import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Catalog } from '../catalog/catalog.ts'
import type { RunHolder } from '../catalog/run-lock.ts'
import type { Config } from '../domain/config.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { metricsText } from './metrics.ts'
import { statusOf } from './status.ts'

export type MetricsServices = {
  readonly config: Config
  readonly catalog: Catalog
  readonly version: string
}

/** `run`: the one that is just beginning. Resolves with why it was not written, for the report. */
export async function writeMetrics(
  { config, catalog, version }: MetricsServices,
  run: RunHolder | undefined,
  now = new Date(),
): Promise<readonly SpillwayError[]> {
  const { metricsFile, schedule } = config
  if (metricsFile === undefined) return []
  try {
    const status = await statusOf({ config, catalog, run, now })
    await replaceFile(metricsFile, metricsText({ status, schedule, version, now }))
    return []
  } catch (cause) {
    const message = `the metrics were not written to ${metricsFile}: ${messageOf(cause)}`
    return [new SpillwayError('METRICS_NOT_WRITTEN', message, { cause })]
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const newPath = join(dirname(path), `.${basename(path)}.new`)
  // What a killed run left; and never through a link of somebody else's.
  await rm(newPath, { force: true })
  const file = await open(newPath, 'wx', 0o644)
  try {
    try {
      await file.chmod(0o644)
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(newPath, path)
  } catch (error) {
    await rm(newPath, { force: true })
    throw error
  }
}
