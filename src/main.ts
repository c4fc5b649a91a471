#!/usr/bin/env node
// The program: joins terminal, signals, commands and services, and gives the shell its exit code.

import { copiesCommand } from './cli/commands/copies.ts'
import { catCommand } from './cli/commands/cat.ts'
import { createConfigureCommand } from './cli/commands/configure.ts'
import { evacuateCommand } from './cli/commands/evacuate.ts'
import { diffCommand } from './cli/commands/diff.ts'
import { findCommand } from './cli/commands/find.ts'
import { historyCommand } from './cli/commands/history.ts'
import { listCommand } from './cli/commands/list.ts'
import { pinCommand } from './cli/commands/pin.ts'
import { pruneCommand } from './cli/commands/prune.ts'
import { reconcileCommand } from './cli/commands/reconcile.ts'
import { restoreCommand } from './cli/commands/restore.ts'
import { runCommand } from './cli/commands/run.ts'
import { selfTestCommand } from './cli/commands/self-test.ts'
import { statusCommand } from './cli/commands/status.ts'
import { systemdCommand } from './cli/commands/systemd.ts'
import { unpinCommand } from './cli/commands/unpin.ts'
import { verifyCommand } from './cli/commands/verify.ts'
import { createRedactor } from './lib/redact.ts'
import { endAtOnce, endHungProcess } from './end-process.ts'
import { openTerminal } from './cli/terminal.ts'
import { runCli } from './cli/cli.ts'
import { terminalSettings } from './config/load.ts'
import { watchSignals } from './cli/interrupt.ts'
import { readFileSync } from 'node:fs'
import type { Services } from './cli/services.ts'

const COMMANDS = [
  runCommand,
  listCommand,
  statusCommand,
  restoreCommand,
  catCommand,
  verifyCommand,
  findCommand,
  historyCommand,
  diffCommand,
  pruneCommand,
  pinCommand,
  unpinCommand,
  copiesCommand,
  evacuateCommand,
  reconcileCommand,
  selfTestCommand,
  createConfigureCommand({
    testServer: async (...asked) => (await import('./compose.ts')).testServerOf(...asked),
  }),
  systemdCommand,
]

process.exitCode = await main()

async function main(): Promise<number> {
  const terminal = openTerminal(terminalSettings())
  // Filled once the secrets are known; until then only what looks like a secret is hidden.
  let redact = createRedactor([])
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
        return versionOf(new URL('../../package.json', import.meta.url))
      },
      open: async (input) => {
        const { openServices } = await import('./compose.ts')
        const services = await openServices(input)
        redact = createRedactor(services.secrets)
        return services
      },
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

function versionOf(packageFile: URL): string {
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }
  return version
}
