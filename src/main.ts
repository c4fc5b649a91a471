#!/usr/bin/env node
// The program: joins terminal, signals, commands and services, and gives the shell its exit code.

import { COMMAND_TITLES } from './cli/command-titles.ts'
import { createRedactor } from './lib/redact.ts'
import { endAtOnce, endHungProcess, letGoOfOutputs } from './end-process.ts'
import { openTerminal } from './cli/terminal.ts'
import { runCli } from './cli/cli.ts'
import { terminalSettings } from './config/load.ts'
import { watchSignals } from './cli/interrupt.ts'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Closable, CommandEntry } from './cli/command.ts'
import type { Services } from './operations/services.ts'

const COMMANDS: readonly CommandEntry<Services>[] = [
  {
    ...COMMAND_TITLES.run,
    load: async () => {
      const { createRunCommand } = await import('./cli/commands/run.ts')
      return createRunCommand(async (...asked) =>
        (await import('./compose.ts')).tellOfWrongSettings(...asked),
      )
    },
  },
  {
    ...COMMAND_TITLES.list,
    load: async () => (await import('./cli/commands/list.ts')).listCommand,
  },
  {
    ...COMMAND_TITLES.status,
    load: async () => (await import('./cli/commands/status.ts')).statusCommand,
  },
  {
    ...COMMAND_TITLES.metrics,
    load: async () => (await import('./cli/commands/metrics.ts')).metricsCommand,
  },
  {
    ...COMMAND_TITLES.restore,
    load: async () => (await import('./cli/commands/restore.ts')).restoreCommand,
  },
  {
    ...COMMAND_TITLES.cat,
    load: async () => (await import('./cli/commands/cat.ts')).catCommand,
  },
  {
    ...COMMAND_TITLES.verify,
    load: async () => (await import('./cli/commands/verify.ts')).verifyCommand,
  },
  {
    ...COMMAND_TITLES.find,
    load: async () => (await import('./cli/commands/find.ts')).findCommand,
  },
  {
    ...COMMAND_TITLES.files,
    load: async () => (await import('./cli/commands/files.ts')).filesCommand,
  },
  {
    ...COMMAND_TITLES.history,
    load: async () => (await import('./cli/commands/history.ts')).historyCommand,
  },
  {
    ...COMMAND_TITLES.diff,
    load: async () => (await import('./cli/commands/diff.ts')).diffCommand,
  },
  {
    ...COMMAND_TITLES.prune,
    load: async () => (await import('./cli/commands/prune.ts')).pruneCommand,
  },
  {
    ...COMMAND_TITLES.pin,
    load: async () => (await import('./cli/commands/pin.ts')).pinCommand,
  },
  {
    ...COMMAND_TITLES.unpin,
    load: async () => (await import('./cli/commands/unpin.ts')).unpinCommand,
  },
  {
    ...COMMAND_TITLES.copies,
    load: async () => (await import('./cli/commands/copies.ts')).copiesCommand,
  },
  {
    ...COMMAND_TITLES.evacuate,
    load: async () => (await import('./cli/commands/evacuate.ts')).evacuateCommand,
  },
  {
    ...COMMAND_TITLES.reconcile,
    load: async () => (await import('./cli/commands/reconcile.ts')).reconcileCommand,
  },
  {
    ...COMMAND_TITLES['self-test'],
    load: async () => (await import('./cli/commands/self-test.ts')).selfTestCommand,
  },
  {
    ...COMMAND_TITLES['notify-test'],
    load: async () => (await import('./cli/commands/notify-test.ts')).notifyTestCommand,
  },
  {
    ...COMMAND_TITLES.check,
    load: async () => (await import('./cli/commands/check.ts')).checkCommand,
  },
  {
    ...COMMAND_TITLES.configure,
    load: async () => {
      const { createConfigureCommand } = await import('./cli/commands/configure.ts')
      return createConfigureCommand({
        testServer: async (...asked) => (await import('./compose.ts')).testServerOf(...asked),
        testSource: async (...asked) => (await import('./compose.ts')).testSourceOf(...asked),
        testNotification: async (...asked) =>
          (await import('./compose.ts')).testNotificationOf(...asked),
      })
    },
  },
  {
    ...COMMAND_TITLES.seal,
    load: async () => (await import('./cli/commands/seal.ts')).sealCommand,
  },
  {
    ...COMMAND_TITLES.serve,
    load: async () => {
      const { createServeCommand } = await import('./cli/commands/serve.ts')
      return createServeCommand({
        open,
        programPath: fileURLToPath(new URL('./main.js', import.meta.url)),
        version: versionOf(),
      })
    },
  },
  {
    ...COMMAND_TITLES.token,
    load: async () => (await import('./cli/commands/token.ts')).tokenCommand,
  },
  {
    ...COMMAND_TITLES.systemd,
    load: async () => (await import('./cli/commands/systemd.ts')).systemdCommand,
  },
]

// Filled once the secrets are known; until then only what looks like a secret is hidden.
let redact = createRedactor([])

process.on('exit', letGoOfOutputs)
process.exitCode = await main()

async function main(): Promise<number> {
  const terminal = openTerminal(terminalSettings())
  const print = (line: string) => terminal.print(redact(line))
  const printError = (line: string) => terminal.printError(redact(line))
  const endNow = (): void => {
    signals.stop()
    terminal.close()
    endAtOnce(process)
  }
  const signals = watchSignals(process, { printError, endNow })
  let exit: number
  try {
    exit = await runCli<Services>(process.argv.slice(2), COMMANDS, {
      ...terminal,
      print,
      printError,
      get version() {
        return versionOf()
      },
      open,
      now: () => new Date(),
      signal: signals.signal,
    })
  } finally {
    signals.stop()
    terminal.close()
  }
  // Everything is told and closed. A signal from here on ends the process as it ends any other.
  await endHungProcess(exit, { process, printError })
  return exit
}

async function open(input: {
  readonly configFile: string | undefined
  readonly mayBeAbsent?: boolean
}): Promise<Services & Closable> {
  const { openServices } = await import('./compose.ts')
  const services = await openServices({ ...input, version: versionOf() })
  redact = createRedactor(services.secrets)
  return services
}

function versionOf(): string {
  const packageFile = new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }
  return version
}
