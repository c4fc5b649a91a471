// spillway notify-test: whether those who are told of runs can be told.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import type { Io } from '../command.ts'
import { painter } from '../output.ts'
import { oneLine } from '../text.ts'
import { FAILURES, SpillwayError } from '../../domain/errors.ts'
import { testNotifications } from '../../operations/notify-test.ts'
import type { TestedNotification } from '../../operations/notify-test.ts'
import type { Services } from '../../operations/services.ts'

export const notifyTestCommand = defineCommand({
  ...COMMAND_TITLES['notify-test'],
  details: [
    'Sends a message that says that it is a test, to all of NOTIFY_N_URL or to those named. A ping goes to ' +
      '/log, which changes nothing there; a service that does not know /log answers with 404.',
    'Exits with 3 when one could not be told. That it was taken does not mean that anybody reads it: look.',
  ],
  flags: { json: JSON_FLAG },
  examples: ['spillway notify-test', 'spillway notify-test 2'],

  async run(flags, operands, io: Io<Pick<Services, 'config' | 'notifier'>>) {
    const numbers = operands.map(numberOf)
    const print = (tested: TestedNotification) => {
      if (!flags.json) printTested(io, tested)
    }
    const results = await testNotifications(await io.services(), numbers, print)
    const exit = results.some(({ problem }) => problem !== null) ? FAILURES.NOTIFY_FAILED.exit : 0
    if (flags.json) io.printJson({ exit, notifications: results })
    return exit
  },
})

function printTested(io: Io<unknown>, { label, on, problem, hint }: TestedNotification): void {
  const paint = painter(io.out)
  if (problem === null) io.print(`ok      ${oneLine(label)}  (told of: ${on.join(', ')})`)
  else io.print(paint('bad', `FAILED  ${oneLine(problem)}`))
  if (hint !== null) io.print(`        -> ${oneLine(hint)}`)
}

function numberOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new SpillwayError('USAGE', `notify-test takes numbers of NOTIFY_N_URL, got "${text}"`)
}
