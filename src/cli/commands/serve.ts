// spillway serve: the daemon. It runs the schedule, answers requests, and does one heavy thing at a time.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand } from '../command.ts'
import type { Closable, Command, Io } from '../command.ts'
import { requireServers } from '../../config/parse.ts'
import { serviceManagerSettings } from '../../config/load.ts'
import type { Services } from '../../operations/services.ts'

export type ServeWorld = {
  /** Reads the settings anew. */
  readonly open: (input: {
    readonly configFile: string | undefined
  }) => Promise<Services & Closable>
  /** main.js of this very version. */
  readonly programPath: string
  readonly version: string
}

export function createServeCommand(world: ServeWorld): Command<Services> {
  return defineCommand({
    ...COMMAND_TITLES.serve,
    details: [
      'Runs SCHEDULE itself, and catches up a run that was missed while it was down; needs no timer. ' +
        'Answers HTTP on LISTEN, for those who have a token: see "spillway token". What is asked for is ' +
        'done one after the other, in processes of their own, exactly as the commands of the same names do it.',
      'Changes of the env file are noticed. SIGTERM and Ctrl-C end it cleanly; what waits in its queue waits ' +
        'for the next start.',
    ],
    flags: {},
    examples: ['spillway serve', 'spillway token create me --scope=admin'],

    async run(_flags, _operands, io: Io<Services>) {
      const { LiveServices } = await import('../../daemon/live-services.ts')
      const { runJobProcess } = await import('../../daemon/job-process.ts')
      const { serve } = await import('../../daemon/serve.ts')
      const { ServiceManager } = await import('../../daemon/service-manager.ts')
      const { configFile, now } = io
      const first = await world.open({ configFile })
      const log = (line: string): void => io.printError(line)
      const manager = new ServiceManager({ ...serviceManagerSettings(), log })
      const live = new LiveServices(first, () => world.open({ configFile }), log)
      try {
        requireServers(first.config)
        const state = await first.openState()
        const program = { path: world.programPath, configFile: first.config.envFile }
        try {
          await serve(
            {
              ...{ services: live.get, state, version: world.version, now, log },
              runJob: (...asked) => runJobProcess(program, ...asked),
              onReady: (url) => {
                log(`listening on ${url}`)
                manager.ready(`listening on ${url}`)
              },
              onStopping: () => manager.stopping(),
            },
            io.signal,
          )
        } finally {
          state.close()
        }
        return 0
      } finally {
        await live.close()
      }
    },
  })
}
