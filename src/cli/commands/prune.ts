// spillway prune: retention, with a reason for every archive before anything is deleted.

import { COMMAND_TITLES } from '../command-titles.ts'
import { EXIT_WITH_WARNINGS } from '../../domain/exit-code.ts'
import { defineCommand, DRY_RUN_FLAG, EVENTS_FLAG, JSON_FLAG } from '../command.ts'
import { chooseSources } from '../../operations/run.ts'
import { Deletions } from '../../operations/deletions.ts'
import { finishDeletes } from '../../operations/finish-deletes.ts'
import { oneLine } from '../text.ts'
import { openEvents, openProgress } from '../progress.ts'
import { painter } from '../output.ts'
import { dryPlan, dryPruneExit } from '../../operations/dry-prune.ts'
import { printPrunePlan, printRetention } from '../retention-text.ts'
import { pruneDocument } from '../../operations/prune-document.ts'
import { prune } from '../../operations/prune.ts'
import type { Io } from '../command.ts'
import type { PrunePlan } from '../../operations/plan-prune.ts'
import type { RunServices } from '../../operations/run.ts'
import type { Services } from '../../operations/services.ts'

export const pruneCommand = defineCommand({
  ...COMMAND_TITLES.prune,
  details: [
    'Prints a line with its reasons for every archive of the sources, or of those named, and then deletes ' +
      'the ones marked so, oldest first; --dry-run only prints. Every run does the same at its end. Days, ' +
      'weeks (from Monday) and months are those of UTC.',
    'Never deleted: the last good archive of a source, a pinned one, one that waits for a server or is ' +
      'being restored; nothing of a source whose newest run failed or whose newest archive shrank to less ' +
      'than half; nothing while the clock is wrong; and no more than PRUNE_MAX_PER_RUN at once.',
    'What a server refuses to delete (a policy, an object lock) stays counted as used, and is tried again ' +
      'by the next run. When something was deleted, the catalog is copied to the servers as after a run.',
  ],
  flags: { json: JSON_FLAG, 'dry-run': DRY_RUN_FLAG, events: EVENTS_FLAG },
  examples: ['spillway prune --dry-run', 'spillway prune', 'spillway prune wordpress --json'],

  async run(flags, operands, io: Io<Services>) {
    const services = await io.services()
    const sources = chooseSources(services, operands)
    const print = (plan: PrunePlan): void => {
      if (!flags.json) printPrunePlan(io, plan)
    }
    if (flags['dry-run']) {
      const plan = await dryPlan(services, sources, io.now())
      print(plan)
      const exit = dryPruneExit(plan)
      if (flags.json) io.printJson(pruneDocument(plan, undefined, exit))
      else io.print('Nothing was deleted and no server was asked (--dry-run).')
      return exit
    }
    const progress = flags.events ? openEvents(io) : openProgress(io)
    try {
      const deletions = new Deletions()
      const { plan, warnings } = await services.withRun(progress.onEvent, (running) =>
        apply(running, { sources, deletions, onPlan: print }, io.signal),
      )
      progress.close()
      const exit = deletions.hasWarnings || warnings.length > 0 ? EXIT_WITH_WARNINGS : 0
      if (flags.json) io.printJson(pruneDocument(plan, deletions.report(), exit, warnings))
      else {
        printRetention(io, deletions.report(), { isWhole: true })
        for (const warning of warnings)
          io.print(painter(io.out)('warning', `! ${oneLine(warning)}`))
      }
      return exit
    } finally {
      progress.close()
    }
  },
})

async function apply(
  services: RunServices,
  input: Parameters<typeof prune>[1],
  signal: AbortSignal,
): Promise<{ readonly plan: PrunePlan; readonly warnings: readonly string[] }> {
  const { catalog, config } = services
  // Deletes go by the ledger's word: it must be sound.
  await catalog.check()
  await catalog.registerServers(config.servers)
  const unsettled = await catalog.unsettledCopies()
  // Whoever asks for it by hand has had the time to pin.
  await catalog.acceptPins()
  await finishDeletes(services, input.deletions, unsettled, signal)
  const plan = await prune(services, input, signal)
  const { deleted, freedBytes } = input.deletions.report()
  const found = input.deletions.warnings.map(({ message }) => message)
  if (deleted.length === 0 && freedBytes === 0) return { plan, warnings: found }
  // Their newest copy of it names what was deleted: a rebuild would take that for lost.
  const { copyCatalog } = await import('../../operations/catalog-snapshot.ts')
  const { problems } = await copyCatalog(services, signal)
  return { plan, warnings: [...found, ...problems.map(({ message }) => message)] }
}
