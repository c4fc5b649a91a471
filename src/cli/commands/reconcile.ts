// spillway reconcile: the catalog against the servers, and an empty catalog filled again from them.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, DRY_RUN_FLAG, EVENTS_FLAG, JSON_FLAG } from '../command.ts'
import { openEvents, openProgress } from '../progress.ts'
import { planJson } from '../../operations/reconcile-plan.ts'
import { printPlan, printProblems, printRebuilt, printSurvey } from '../reconcile-text.ts'
import { rebuildJson, surveyJson } from '../../operations/rebuild-json.ts'
import { reconcile } from '../../operations/reconcile.ts'
import { SpillwayError } from '../../domain/errors.ts'
import type { Io } from '../command.ts'
import type { Services } from '../../operations/services.ts'

export const reconcileCommand = defineCommand({
  ...COMMAND_TITLES.reconcile,
  details: [
    'Each enabled server is listed, and asked for every object about which listing and catalog differ. ' +
      'The plan is printed, then applied: copies that are gone are marked missing (their bytes count until ' +
      'they are still gone a day later), bytes of others are counted. No object is ever deleted because of ' +
      'a listing.',
    'Archives of this host’s name that this catalog never knew are counted as others’: another machine may ' +
      'have the same SERVER_ID. --adopt makes them ours, and from then on retention deletes them by its rule.',
    '--rebuild fills an empty catalog: from the newest copy of it that lies on a server, if there is one, ' +
      'and from the ends of the archives themselves. Disabled servers are read, too. When it is interrupted, run it again.',
  ],
  flags: {
    rebuild: { type: 'boolean', help: 'fill an empty catalog again from the servers alone' },
    adopt: { type: 'boolean', help: 'take what this catalog never knew for ours' },
    'all-hosts': { type: 'boolean', help: 'with --rebuild: archives of other hosts as well' },
    'dry-run': DRY_RUN_FLAG,
    events: EVENTS_FLAG,
    json: JSON_FLAG,
  },
  examples: ['spillway reconcile --dry-run', 'spillway reconcile', 'spillway reconcile --rebuild'],

  async run(flags, _operands, io: Io<Services>) {
    if (flags['all-hosts'] && !flags.rebuild)
      throw new SpillwayError('USAGE', 'reconcile: --all-hosts needs --rebuild')
    if (flags.adopt && flags.rebuild)
      throw new SpillwayError(
        'USAGE',
        'reconcile: --rebuild adopts all that it finds, without --adopt',
      )
    if (flags.rebuild) return runRebuild(flags, io)
    const services = await io.services()
    const progress = flags.events ? openEvents(io) : openProgress(io)
    try {
      const result = await services.withRun(progress.onEvent, (running) =>
        reconcile(
          running,
          {
            isDryRun: flags['dry-run'],
            isAdopting: flags.adopt,
            onPlan: (plan) => {
              if (!flags.json) printPlan(io, plan, flags['dry-run'])
            },
          },
          io.signal,
        ),
      )
      progress.close()
      const { exit, plan, isApplied, problems } = result
      const told = problems.map(({ code, message }) => ({ code, message }))
      if (flags.json) io.printJson({ exit, isApplied, ...planJson(plan), problems: told })
      else printProblems(io, problems)
      return exit
    } finally {
      progress.close()
    }
  },
})

async function runRebuild(
  flags: { readonly 'all-hosts': boolean; readonly 'dry-run': boolean; readonly json: boolean },
  io: Io<Services>,
): Promise<number> {
  const services = await io.services()
  const isForAllHosts = flags['all-hosts']
  if (flags['dry-run']) {
    const { surveyRebuild } = await import('../../operations/rebuild-survey.ts')
    const survey = await surveyRebuild(services, { isForAllHosts }, io.signal)
    if (flags.json) io.printJson(surveyJson(survey))
    else printSurvey(io, survey)
    return survey.exit
  }
  const { startRebuild } = await import('../../operations/rebuild-snapshot.ts')
  const { rebuild } = await import('../../operations/rebuild.ts')
  const start = await startRebuild(services, { isDryRun: false }, io.signal)
  const progress = openProgress(io)
  try {
    const rebuilt = await services.withRun(progress.onEvent, (running) =>
      rebuild(
        { ...running, openStorage: services.openStorage },
        {
          start,
          isForAllHosts,
          onProgress: (servers) => showReading(io, servers),
          onPlan: () => io.showLive([]),
        },
        io.signal,
      ),
    )
    progress.close()
    if (flags.json) io.printJson(rebuildJson(rebuilt))
    else printRebuilt(io, rebuilt)
    return rebuilt.exit
  } finally {
    io.showLive([])
    progress.close()
  }
}

type Counts = { readonly added: number; readonly joined: number; readonly refused: number }

/** Every hundredth object is often enough for an eye, and costs nothing. */
function showReading(io: Io<Services>, servers: readonly Counts[]): void {
  const read = servers.reduce((sum, each) => sum + each.added + each.joined + each.refused, 0)
  if (io.err.isTerminal && read % 100 === 0) io.showLive([`${read} archives read`])
}
