// spillway pin, spillway unpin: archives that retention must leave alone.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import { setPinned } from '../../operations/pin.ts'
import { noCatalog } from '../no-catalog.ts'
import type { Command, Io } from '../command.ts'
import type { Services } from '../../operations/services.ts'

export type PinServices = Pick<Services, 'archiveUses' | 'config' | 'catalogIfPresent'>

export const pinCommand = createPinCommand(true)

export function createPinCommand(isPinned: boolean): Command<PinServices> {
  const name = isPinned ? 'pin' : 'unpin'
  return defineCommand({
    ...COMMAND_TITLES[name],
    details: [
      'ARCHIVE is an id, the beginning of one, a file name, or latest:SOURCE. A pinned archive counts ' +
        'for no KEEP_* rule: it stays besides those that the rules keep.',
    ],
    flags: { json: JSON_FLAG },
    examples: [`spillway ${name} latest:wordpress`, `spillway ${name} 0198c2 0198c7`],

    async run(flags, names, io: Io<PinServices>) {
      const { config, catalogIfPresent, ...services } = await io.services()
      const catalog = await catalogIfPresent()
      if (catalog === undefined) throw noCatalog(config)
      // All names first: a mistyped one changes nothing.
      for (const each of names) await catalog.findArchive(each)
      const archiveUses = await services.archiveUses()
      const archives = []
      for (const each of names) {
        const { archive, isChanged } = await setPinned({ archiveUses, catalog }, each, isPinned)
        const { id, source, file } = archive
        archives.push({ id, source, file, pinned: isPinned, changed: isChanged })
        if (!flags.json) io.print(`${file} ${isChanged ? 'is' : 'was already'} ${name}ned`)
      }
      if (flags.json) io.printJson({ archives })
      return 0
    },
  })
}
