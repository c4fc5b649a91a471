// spillway run: the nightly job.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, DRY_RUN_FLAG, EVENTS_FLAG, JSON_FLAG } from '../command.ts'
import { openEvents, openProgress } from '../progress.ts'
import { RunNotices } from '../../operations/notify-run.ts'
import { RunJournal } from '../../operations/run-journal.ts'
import { planRun } from '../../operations/plan-run.ts'
import { printPlan, printReport } from '../run-report-text.ts'
import { run } from '../../operations/run.ts'
import { isFailure } from '../../domain/errors.ts'
import { startedBy } from '../../config/started-by.ts'
import { withWarnings } from '../../domain/run-report.ts'
import { oneLine } from '../text.ts'
import type { TellOfWrongSettings } from '../../operations/notify-run.ts'
import type { Io } from '../command.ts'
import type { Progress } from '../progress.ts'
import type { RunEvent } from '../../domain/run-events.ts'
import type { RunReport } from '../../domain/run-report.ts'
import type { Services } from '../../operations/services.ts'

/** The command cannot take that from services(): those need settings that are right. */
export const createRunCommand = (tellOfWrongSettings: TellOfWrongSettings) =>
  defineCommand({
    ...COMMAND_TITLES.run,
    details: [
      'Archives that wait in the spool are sent first, then every source is archived, or those named. ' +
        'An archive goes to the first server that has room and is well, and on to the next one when that ' +
        'one is full or fails, even in the middle. When none takes it, it waits and the run ends with 23.',
    ],
    flags: { json: JSON_FLAG, 'dry-run': DRY_RUN_FLAG, events: EVENTS_FLAG },
    examples: [
      'spillway run',
      'spillway run wordpress',
      'spillway run --dry-run',
      'spillway run --json',
    ],

    async run(flags, operands, io: Io<Services>) {
      const services = await io.services().catch(async (error: unknown) => {
        const missed =
          flags['dry-run'] || !isFailure(error, 'CONFIG_INVALID', 'NOT_BUILT')
            ? []
            : await tellOfWrongSettings(io.configFile, error, io.signal, io.now)
        for (const message of missed) io.printError(`warning: ${oneLine(message)}`)
        throw error
      })
      const input = { sourceNames: operands }
      if (flags['dry-run']) {
        const [catalog, packer] = [await services.catalog(), await services.packer()]
        const plan = await planRun({ config: services.config, catalog, packer }, input, io.signal)
        if (flags.json) io.printJson(plan)
        else printPlan(io, plan)
        return plan.exit
      }
      const progress = flags.events ? openEvents(io) : openProgress(io)
      const notices = new RunNotices(services, io.signal, io.now)
      const begun = { ...startedBy(io.isJournal), ...input }
      const journal = new RunJournal(services, begun, io.now)
      const onEvent = (event: RunEvent): void => {
        journal.onEvent(event)
        progress.onEvent(event)
      }
      try {
        const report = await services.withRun(onEvent, async (running) => {
          await journal.begin(running.runId)
          notices.begin()
          const tell = (own: RunReport) =>
            notices.end(journal.checked(own, onEvent), running.catalog, onEvent)
          const told = await run(running, { ...input, tell }, io.signal)
          const missed = await journal.end(told)
          warn(progress, missed)
          return withWarnings(told, missed)
        })
        progress.close()
        if (flags.json) io.printJson(report)
        else printReport(io, report)
        return report.exit
      } catch (error) {
        // Its exit code is that of the failure, whoever could be told of it.
        warn(progress, [...(await notices.failed(error)), ...(await journal.failed(error))])
        throw error
      } finally {
        progress.close()
      }
    },
  })

function warn(progress: Progress, messages: readonly string[]): void {
  for (const message of messages) progress.onEvent({ kind: 'warning', about: undefined, message })
}
