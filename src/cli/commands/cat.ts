// spillway cat: the content of one archived file, and nothing else on standard output.

import { COMMAND_TITLES } from '../command-titles.ts'
import { catalogOf } from './restore.ts'
import { catMember } from '../../operations/cat.ts'
import { defineCommand } from '../command.ts'
import { FAILURES, isFailure } from '../../domain/errors.ts'
import { EXIT_WITH_WARNINGS } from '../../domain/exit-code.ts'
import { oneLine } from '../text.ts'
import type { Io } from '../command.ts'
import type { Services } from '../../operations/services.ts'
import type { SpillwayError } from '../../domain/errors.ts'
import type { Warning } from '../../domain/archive.ts'

/** Only what this command needs: the real services have more. */
export type CatCommandServices = Pick<
  Services,
  'config' | 'catalogIfPresent' | 'openStorage' | 'archiveUses'
>

export const catCommand = defineCommand({
  ...COMMAND_TITLES.cat,
  details: [
    'ARCHIVE is an id, the beginning of one, a file name, or latest:SOURCE. PATH is relative to the ' +
      'archived folder. Only the few megabytes that hold the file are read.',
  ],
  flags: {},
  examples: [
    'spillway cat latest:wordpress wp-config.php',
    'spillway cat latest:db dumps/today.sql.gz | gunzip | less',
  ],

  async run(_flags, [archive = '', path = ''], io: Io<CatCommandServices>) {
    const { catalogIfPresent, ...services } = await io.services()
    const catalog = await catalogOf({ config: services.config, catalogIfPresent })
    let warnings: readonly Warning[]
    try {
      const input = { archive, path, write: (bytes: Buffer) => io.write(bytes) }
      ;({ warnings } = await catMember({ ...services, catalog }, input, io.signal))
    } catch (error) {
      // The reader has seen enough (`| head`): like every other program, without a word.
      if (isBrokenPipe(error)) return FAILURES.INTERRUPTED.exit
      throw error
    }
    for (const warning of warnings)
      io.printError(`warning: ${oneLine(warning.path)}: ${oneLine(warning.reason)}`)
    return warnings.length > 0 ? EXIT_WITH_WARNINGS : 0
  },
})

function isBrokenPipe(error: unknown): boolean {
  if (!isFailure(error, 'INTERRUPTED')) return false
  const { cause } = error as SpillwayError
  return cause instanceof Error && 'code' in cause && cause.code === 'EPIPE'
}
