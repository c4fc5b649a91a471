// spillway cat: the content of one archived file, and nothing else on standard output.

import { COMMAND_TITLES } from '../command-titles.ts'
import { catalogOf } from './restore.ts'
import { catMember } from '../../operations/cat.ts'
import { defineCommand } from '../command.ts'
import { oneLine } from '../text.ts'
import type { Io } from '../command.ts'
import type { Services } from '../services.ts'

/** Only what this command needs: the real services have more. */
export type CatCommandServices = Pick<Services, 'config' | 'catalogIfPresent' | 'openStorage'>

const EXIT_WITH_WARNINGS = 3

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
    const { config, catalogIfPresent, openStorage } = await io.services()
    const catalog = await catalogOf({ config, catalogIfPresent })
    const { warnings } = await catMember(
      { config, catalog, openStorage },
      { archive, path, write: (bytes) => io.write(bytes) },
      io.signal,
    )
    for (const warning of warnings)
      io.printError(`warning: ${oneLine(warning.path)}: ${oneLine(warning.reason)}`)
    return warnings.length > 0 ? EXIT_WITH_WARNINGS : 0
  },
})
