// SOURCE_N_COMMAND and its companions: rows of the table of settings.

import { commandLine } from './command-line.ts'
import { fileName, variableNames } from './setting-values.ts'
import type { Settings } from './settings.ts'
import { wholeNumber } from './values.ts'

export const COMMAND_SETTINGS = {
  COMMAND: {
    help: 'instead of PATH: program whose output is archived, with its arguments; no shell reads it',
    otherwise: 'none',
    example: 'pg_dump --format=custom --compress=0 --no-password app',
    parse: commandLine,
  },
  FILE: {
    help: 'name of the file in the archive that holds the output of the command',
    otherwise: 'NAME.out',
    example: 'app.dump',
    parse: fileName,
  },
  MIN_BYTES: {
    help: 'output of the command, or dumps together, with fewer bytes than this are a failure',
    fallback: '1',
    example: '100000',
    parse: wholeNumber(1, 999_999_999),
  },
  SILENCE_MINUTES: {
    help: 'a command or a dump that writes nothing for so long, and does not end, is ended: a failure',
    fallback: '60',
    example: '180',
    parse: wholeNumber(1, 10_080),
  },
  ENV: {
    help: 'variables that the command gets from this file or the environment, besides PATH, HOME and the like',
    otherwise: 'none',
    example: 'PGPASSFILE,DOCKER_HOST',
    parse: variableNames,
  },
} as const satisfies Settings
