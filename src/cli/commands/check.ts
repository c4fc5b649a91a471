// spillway check: one line for a monitor.
//
// Monitors of Nagios' kind expect 0 to 3, and 3 is "unknown" there, while with us it is "done, with
// warnings". So the monitor asks with --nagios; without it the exit codes are those of every command.

import { COMMAND_TITLES } from '../command-titles.ts'
import { defineCommand, JSON_FLAG } from '../command.ts'
import type { Io } from '../command.ts'
import { oneLine } from '../text.ts'
import { parseAge } from '../../domain/check.ts'
import type { CheckLevel } from '../../domain/check.ts'
import { messageOf, SpillwayError } from '../../domain/errors.ts'
import { check } from '../../operations/check.ts'
import type { Check, Figure } from '../../operations/check.ts'
import type { Services } from '../../operations/services.ts'

type CheckServices = Pick<Services, 'config' | 'catalogIfPresent' | 'currentRun'>

const WORDS: Readonly<Record<CheckLevel, string>> = {
  ok: 'OK',
  warning: 'WARNING',
  critical: 'CRITICAL',
}
const NAGIOS_EXITS: Readonly<Record<CheckLevel, number>> = { ok: 0, warning: 1, critical: 2 }
const NAGIOS_UNKNOWN = 3

// Old monitors keep 1 kB of the line, newer ones 8; the figures come behind it.
const LINE_CHARACTERS_MAX = 800

export const checkCommand = defineCommand({
  ...COMMAND_TITLES.check,
  details: [
    'Reads the catalog and asks no server. CRITICAL: a source without a good archive since its run was due (SCHEDULE, and a ' +
      'quarter of its interval as grace: at least 1 h, at most 6 h), archives that are on no server, known damage, no ' +
      'room left at all. WARNING: a last try that failed, a sick server, copies that are missing, fewer than ' +
      'COPIES servers with a tenth of their room left, a forecast of less than two weeks.',
    'Exits with 0 when all is well, 3 for a warning, else with the code of what it found: 16 (too old), 22, 23, 31. ' +
      'With --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, which also stands for settings that are wrong ' +
      'and a catalog that cannot be read.',
  ],
  flags: {
    nagios: { type: 'boolean', help: 'exit codes as monitors of that kind expect them' },
    'max-age': {
      type: 'string',
      placeholder: 'AGE',
      help: 'oldest that a last good archive may be, instead of what SCHEDULE says: 36h, 90m, 2d',
    },
    'max-used': {
      type: 'count',
      placeholder: 'PERCENT',
      help: 'warn of every server that is so full, also while others have room',
    },
    json: JSON_FLAG,
  },
  examples: ['spillway check', 'spillway check --nagios', 'spillway check --nagios --max-age=36h'],

  async run(flags, _operands, io: Io<CheckServices>) {
    try {
      const maxAgeMs = ageOf(flags['max-age'])
      const { config, catalogIfPresent, currentRun } = await io.services()
      const found = await check({
        ...{ config, now: io.now(), maxAgeMs, maxUsedPercent: flags['max-used'] },
        catalog: await catalogIfPresent(),
        run: await currentRun(),
      })
      const exit = flags.nagios ? NAGIOS_EXITS[found.level] : found.exit
      if (flags.json) io.printJson({ ...found, exit })
      else io.print(lineOf(found))
      return exit
    } catch (error) {
      if (!flags.nagios || io.signal.aborted) throw error
      // A monitor shows standard output alone.
      const code = error instanceof SpillwayError ? error.code : 'BUG'
      const reason = cut(oneLine(messageOf(error).replaceAll('\n', '; ')))
      if (flags.json) io.printJson({ level: 'unknown', exit: NAGIOS_UNKNOWN, code, reason })
      else io.print(`UNKNOWN - ${withoutBar(reason)} [${code}]`)
      return NAGIOS_UNKNOWN
    }
  },
})

function ageOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const age = parseAge(text)
  if (age !== undefined) return age
  throw new SpillwayError('USAGE', `check: --max-age must be like 36h, 90m or 2d, got "${text}"`)
}

function lineOf({ level, findings, summary, figures }: Check): string {
  const said = findings.map(({ message }) => oneLine(message)).join('; ')
  const text = withoutBar(cut(said === '' ? summary : said))
  return `${WORDS[level]} - ${text} | ${figures.map(figureText).join(' ')}`
}

/** Behind a bar come the figures: one in a name would be taken for theirs. */
function withoutBar(text: string): string {
  return text.replaceAll('|', '/')
}

function cut(text: string): string {
  return text.length <= LINE_CHARACTERS_MAX ? text : `${text.slice(0, LINE_CHARACTERS_MAX)}...`
}

/** `'name'=value[unit];warn;crit;min;max`, as the guidelines for Nagios plugins have it. */
function figureText({ name, value, unit, critical, max }: Figure): string {
  const label = oneLine(name).replaceAll("'", '').replaceAll('=', '_').replaceAll('|', '/')
  return `'${label}'=${value}${unit};;${critical ?? ''};0;${max ?? ''}`
}
