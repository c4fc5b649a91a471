// `spillway run` as a process that ends itself at one step: node dying-run-main.js ENVFILE HOW NUMBER, with HOW a
// signal, or `trace` for a run that says its steps. It is the real command with the services of the real program,
// which are watched.

import { createRunCommand } from '../../src/cli/commands/run.ts'
import { nameOf, withSteps } from './run-steps.ts'
import { openServices } from '../../src/compose.ts'
import { openTerminal } from '../../src/cli/terminal.ts'
import { QUICK } from './quick-limits.ts'
import { runCli } from '../../src/cli/cli.ts'
import { terminalSettings } from '../../src/config/load.ts'
import { watchSignals } from '../../src/cli/interrupt.ts'
import type { Closable } from '../../src/cli/command.ts'
import type { Moment } from './run-steps.ts'
import type { Services } from '../../src/operations/services.ts'

const [, , envFile = '', how = 'trace', number = '0'] = process.argv
let moments = 0
const hit = (moment: Moment): void => {
  moments += 1
  if (how === 'trace') terminal.printError(`step ${nameOf(moment)}`)
  else if (moments === Number(number)) process.kill(process.pid, how)
}

const terminal = openTerminal(terminalSettings())
const signals = watchSignals(process, { ...terminal, endNow: (exit) => process.exit(exit) })
process.exitCode = await runCli<Services>(
  ['run', '--json', '--config', envFile],
  [createRunCommand(async () => [])].map((command) => ({ ...command, load: async () => command })),
  { ...terminal, version: 'test', open, now: () => new Date(), signal: signals.signal },
)
signals.stop()
terminal.close()

async function open(input: {
  readonly configFile: string | undefined
}): Promise<Services & Closable> {
  const services = await openServices(input, QUICK)
  return {
    ...services,
    withRun: (emit, work) => services.withRun(emit, (running) => work(withSteps(running, hit))),
  }
}
