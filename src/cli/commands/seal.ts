// spillway seal: the secrets of the env file, sealed with a key of this host.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, DRY_RUN_FLAG, JSON_FLAG } from '../command.ts'
import type { Io } from '../command.ts'
import { plural } from '../output.ts'
import { oneLine } from '../text.ts'
import { SpillwayError } from '../../domain/errors.ts'
import { createSealKey, sealSecrets, unsealSecrets } from '../../operations/seal.ts'
import type { SealResult } from '../../operations/seal.ts'

const ACTIONS = ['create-key', 'rotate', 'undo'] as const
type Action = (typeof ACTIONS)[number] | 'seal'

export const sealCommand = defineCommand({
  ...COMMAND_TITLES.seal,
  details: [
    'Writes every plain secret of the env file as SEALED:v1:..., which only this key opens, and only under the ' +
      "same variable's name; comments and order stay. From then on configure and the HTTP API write secrets sealed.",
    'The key lies in DATA_DIR/seal.key, or where SEAL_KEY_FILE says, with mode 0600. It is in no archive. When it ' +
      'is lost no archive is, but the secrets must be typed again.',
    'Whoever had the plain file still has the secrets: change those that others may have seen.',
  ],
  flags: {
    'create-key': { type: 'boolean', help: 'make the key; one that is there stays' },
    rotate: { type: 'boolean', help: 'seal all with a new key, and remove the old one' },
    undo: { type: 'boolean', help: 'write the secrets plain again' },
    'dry-run': DRY_RUN_FLAG,
    json: JSON_FLAG,
  },
  examples: [
    'spillway seal --create-key',
    'spillway seal --dry-run',
    'spillway seal',
    'spillway seal --rotate',
  ],

  async run(flags, _operands, io: Io<unknown>) {
    const asked = ACTIONS.filter((action) => flags[action])
    if (asked.length > 1)
      throw usage(`${asked.map((each) => `--${each}`).join(' and ')} exclude each other`)
    const action: Action = asked[0] ?? 'seal'
    const isDryRun = flags['dry-run']
    if (action === 'create-key' && isDryRun) throw usage('--create-key has no --dry-run')
    const result = await act(action, { configFlag: io.configFile }, isDryRun)
    if (flags.json) io.printJson({ action, isDryRun, ...result })
    else say(io, action, result, isDryRun)
    return result.warnings.length > 0 ? 3 : 0
  },
})

function act(
  action: Action,
  place: { readonly configFlag: string | undefined },
  isDryRun: boolean,
): Promise<SealResult> {
  switch (action) {
    case 'create-key':
      return createSealKey(place)
    case 'undo':
      return unsealSecrets(place, { isDryRun })
    case 'rotate':
    case 'seal':
      return sealSecrets(place, { rotates: action === 'rotate', isDryRun })
  }
}

function say(io: Io<unknown>, action: Action, result: SealResult, isDryRun: boolean): void {
  const { file, keyFile, variables, warnings } = result
  if (action === 'create-key') {
    io.print(`The key is ${oneLine(keyFile)} (mode 0600). Next: spillway seal`)
    return
  }
  for (const name of variables) io.print(`  ${oneLine(name)}`)
  const what = action === 'undo' ? 'in plain' : action === 'rotate' ? 'with a new key' : 'sealed'
  const verb = isDryRun ? 'would be written' : variables.length === 1 ? 'is written' : 'are written'
  const count = plural(variables.length, 'value')
  io.print(
    variables.length === 0
      ? `Nothing to do: ${oneLine(file)} has no ${action === 'undo' ? 'sealed values' : 'plain secrets in its settings'}.`
      : `${count} of ${oneLine(file)} ${verb} ${what}.`,
  )
  for (const warning of warnings) io.printError(`warning: ${oneLine(warning)}`)
}

function usage(reason: string): SpillwayError {
  return new SpillwayError('USAGE', `seal: ${reason}`, { hint: 'see: spillway seal --help' })
}
