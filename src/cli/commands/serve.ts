// spillway serve: the daemon. It runs the schedule, answers requests, and does one heavy thing at a time.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand } from '../command.ts'
import type { Closable, Command, Io, Opening } from '../command.ts'
import { existsSync } from 'node:fs'
import { findEnvFile, serviceManagerSettings } from '../../config/load.ts'
import { oneLine } from '../text.ts'
import type { Config } from '../../domain/config.ts'
import type { Services } from '../../operations/services.ts'

export type ServeWorld = {
  /** Reads the settings anew. */
  readonly open: (input: Opening) => Promise<Services & Closable>
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
      'It starts without any settings, too: the first ones can be made over HTTP. Changes of the env file are ' +
        'noticed. SIGTERM and Ctrl-C end it cleanly; what waits in its queue waits ' +
        'for the next start.',
    ],
    flags: {},
    examples: ['spillway serve', 'spillway token create me --scope=admin'],

    async run(_flags, _operands, io: Io<Services>) {
      const { LiveServices } = await import('../../daemon/live-services.ts')
      const { runJobProcess } = await import('../../daemon/job-process.ts')
      const { serve } = await import('../../daemon/serve.ts')
      const { SettingsDesk } = await import('../../daemon/settings-desk.ts')
      const { ServiceManager } = await import('../../daemon/service-manager.ts')
      const { configFile, now } = io
      const first = await world.open({ configFile, mayBeAbsent: true })
      const place = { configFlag: configFile }
      const envFile = findEnvFile(place).path
      const log = (line: string): void => io.printError(line)
      const manager = new ServiceManager({ ...serviceManagerSettings(), log })
      const live = new LiveServices(first, () => world.open({ configFile }), log, envFile)
      try {
        for (const line of beginnings(first.config, envFile)) log(line)
        const settings = new SettingsDesk(place, () => live.reload())
        const state = await first.openState()
        try {
          await serve(
            {
              ...{ services: live.get, settings, state, version: world.version, now, log },
              runJob: (...asked) => {
                // Where the environment says all there is none.
                const file = existsSync(envFile) ? envFile : undefined
                const program = { path: world.programPath, configFile: file }
                return runJobProcess(program, ...asked)
              },
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

/** What there is to do before it can archive anything. */
function beginnings({ servers, sources }: Config, envFile: string): readonly string[] {
  const missing = [
    ...(servers.some(({ isEnabled }) => isEnabled) ? [] : ['servers']),
    ...(sources.length === 0 ? ['sources'] : []),
  ]
  if (missing.length === 0) return []
  const file = oneLine(envFile)
  const isThere = existsSync(envFile)
  return [
    `nothing is archived yet: ${file} ${isThere ? `has no ${missing.join(' and no ')}` : 'does not exist'}`,
    isThere
      ? 'add them with: spillway configure, or over HTTP'
      : 'the first settings saved over HTTP create it (mode 0600), and so does: spillway configure',
    `over HTTP a token is needed: spillway token create NAME --scope=admin --config=${file}`,
  ]
}
