// SOURCE_N_COMMAND and its companions, and the commands around the reading of a source: rows of the table of
// settings.

import { commandLine } from './command-line.ts'
import { fileName, variableNames } from './setting-values.ts'
import type { Settings } from './settings.ts'
import { wholeNumber } from './values.ts'

/** The commands around the reading, of any kind of source. */
export const HOOKS = ['BEFORE', 'AFTER', 'ON_ERROR'] as const

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
    help: 'variables that its commands get from this file or the environment, besides PATH, HOME and so on',
    otherwise: 'none',
    example: 'PGPASSFILE,DOCKER_HOST',
    parse: variableNames,
  },
} as const satisfies Settings

export const HOOK_SETTINGS = {
  BEFORE: {
    help: 'program that is run before the source is read (a snapshot, docker stop); if it fails, nothing is read',
    otherwise: 'none',
    example: '/usr/local/sbin/snapshot create',
    parse: commandLine,
  },
  AFTER: {
    help: 'program that is run once the source has been read, or could not be: whatever BEFORE did, it undoes',
    otherwise: 'none',
    example: '/usr/local/sbin/snapshot remove',
    parse: commandLine,
  },
  ON_ERROR: {
    help: 'program that is run when BEFORE, the reading or AFTER failed',
    otherwise: 'none',
    example: '/usr/local/sbin/tell-somebody',
    parse: commandLine,
  },
  HOOK_MINUTES: {
    help: 'each of BEFORE, AFTER and ON_ERROR that takes longer is ended: a failure',
    // Stopping a large database takes a few; a night has some hundred.
    fallback: '10',
    example: '30',
    parse: wholeNumber(1, 1_440),
  },
} as const satisfies Settings
