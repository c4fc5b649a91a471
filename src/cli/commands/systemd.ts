// spillway systemd: prints or installs the units of the nightly run.
//
// Reads the env file as the service will read it: without this shell's environment, which no service
// has. It starts nothing and asks systemd nothing: the commands that do are printed.

import { COMMAND_TITLES } from '../command-titles.ts'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineCommand } from '../command.ts'
import type { Io } from '../command.ts'
import { findEnvFile, loadConfig, parseEnvText, readEnvFile } from '../../config/load.ts'
import { settingOf } from '../../config/names.ts'
import type { Config } from '../../domain/config.ts'
import { messageOf, SpillwayError } from '../../domain/errors.ts'
import { describeSchedule, onCalendarLines, parseSchedule } from '../../domain/schedule.ts'
import { shellWord } from '../../lib/shell-word.ts'
import { workerUrl } from '../../lib/worker.ts'
import {
  ctl,
  DAEMON,
  SERVICE,
  serviceOf,
  systemdUnits,
  TIMER,
  userWords,
} from '../../operations/systemd-units.ts'
import type { Unit, UnitsInput } from '../../operations/systemd-units.ts'

export const systemdCommand = defineCommand({
  ...COMMAND_TITLES.systemd,
  details: [
    'The timer comes from SCHEDULE, all paths from the env file. The service runs as root, because ' +
      "sources are root's, but may do nothing more than read them; with --run-as as a user who may read " +
      'everything; with --user in your own systemd, for what you may read yourself. A failed run ' +
      'writes to the journal with priority "err".',
    'Without --install the units are printed to standard output and nothing is changed.',
  ],
  flags: {
    install: { type: 'boolean', help: 'write the units where systemd looks for them' },
    daemon: { type: 'boolean', help: 'a service for "spillway serve" instead, without a timer' },
    user: { type: 'boolean', help: 'for your own systemd: ~/.config/systemd/user' },
    'run-as': {
      type: 'string',
      placeholder: 'USER',
      help: 'run the service as this user, by name or number',
    },
    to: { type: 'string', placeholder: 'DIR', help: 'with --install: write them to this folder' },
  },
  examples: [
    'spillway systemd --config=/etc/spillway/.env',
    'spillway systemd --install --config=/etc/spillway/.env',
    'spillway systemd --install --user',
    'spillway systemd --install --run-as=backup',
    'spillway systemd --install --daemon',
  ],

  async run(flags, _operands, io: Io<unknown>) {
    if (flags.to !== undefined && !flags.install)
      throw new SpillwayError('USAGE', 'systemd: --to needs --install', {
        hint: 'without --install nothing is written: the units are printed',
      })
    const scope = flags.user ? 'user' : 'system'
    const runAs = runAsOf(flags['run-as'], flags.user)
    const input = readInput({ job: flags.daemon ? 'daemon' : 'nightly', scope, runAs, io })
    const units = systemdUnits(input)
    const folder = resolve(flags.to ?? folderOf(scope))
    if (flags.install) {
      for (const unit of units) io.print(`${writeUnit(folder, unit)} ${join(folder, unit.name)}`)
      const copying = folder === folderOf(scope) ? [] : copySteps(folder, units, scope)
      printSteps(io.print, input, copying)
      return 0
    }
    for (const unit of units) io.print(`# ${join(folder, unit.name)}\n${unit.text}`)
    printSteps(io.printError, input, [installStep(input)])
    return 0
  },
})

function runAsOf(name: string | undefined, isUser: boolean): string | undefined {
  if (name === undefined || name === 'root' || name === '0') return undefined
  if (isUser)
    throw new SpillwayError('USAGE', 'systemd: --run-as and --user exclude each other', {
      hint: 'your own systemd can run it only as you',
    })
  // systemd takes ids as well, also of users whom only a directory service knows.
  if (/^[1-9]\d{0,8}$/.test(name)) return name
  // What useradd takes; anything else would be read as something else by systemd.
  if (!/^[A-Za-z_][A-Za-z0-9_-]{0,30}$/.test(name))
    throw new SpillwayError('USAGE', `systemd: --run-as must be the name of a user, got "${name}"`)
  if (localUsers()?.includes(name) !== false) return name
  throw new SpillwayError('USAGE', `systemd: --run-as: /etc/passwd has no user "${name}"`, {
    hint: 'create the user first; of one who is known elsewhere give the number (id -u)',
  })
}

/** undefined where there is no such file: then nobody can say. */
function localUsers(): readonly string[] | undefined {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
    return lines.map((line) => line.slice(0, Math.max(0, line.indexOf(':'))))
  } catch {
    return undefined
  }
}

function folderOf(scope: UnitsInput['scope']): string {
  return scope === 'user' ? join(homedir(), '.config/systemd/user') : '/etc/systemd/system'
}

function readInput(asked: {
  readonly job: UnitsInput['job']
  readonly scope: UnitsInput['scope']
  readonly runAs: string | undefined
  readonly io: Pick<Io<unknown>, 'configFile'>
}): UnitsInput {
  const { path: envFile } = findEnvFile({ configFlag: asked.io.configFile })
  const { config } = loadConfig({ configFlag: envFile, env: {} })
  if (asked.job === 'nightly') requireOneSchedule(config)
  const schedule = parseSchedule(config.schedule)
  return {
    job: asked.job,
    scope: asked.scope,
    runAs: asked.runAs,
    nodePath: process.execPath,
    programPath: fileURLToPath(workerUrl('main')),
    envFile,
    writablePaths: writablePaths(config, asked.job),
    optionalPaths: optionalPaths(config),
    isRestoring: asked.job === 'daemon' && config.daemon.restoreRoots.length > 0,
    keyFiles: keyFilesOf(envFile),
    sealKeyFile: existsSync(config.sealKeyFile) ? config.sealKeyFile : undefined,
    randomDelayMs: config.randomDelayMs,
    calendar: onCalendarLines(schedule),
    calendarWords: describeSchedule(schedule),
  }
}

/**
 * A timer per schedule would start runs beside each other, of which there is one at a time: the second would
 * fail. The daemon queues them.
 */
function requireOneSchedule({ sources }: Config): void {
  const own = sources.filter(({ schedule }) => schedule !== undefined)
  if (own.length === 0) return
  const names = own.map(({ number }) => `SOURCE_${number}_SCHEDULE`).join(', ')
  throw new SpillwayError('CONFIG_INVALID', `a timer cannot follow ${names} as well`, {
    hint: 'the daemon does: spillway systemd --daemon; or remove it',
  })
}

/** Each folder once, and none that lies in another one. */
function writablePaths(config: Config, job: UnitsInput['job']): readonly string[] {
  const { envFile, daemon } = config
  // It writes the env file by a new one beside it; not where that would open everything.
  const ofFile = envFile === undefined || dirname(envFile) === '/' ? [] : [dirname(envFile)]
  const more = job === 'daemon' ? [...daemon.restoreRoots, ...ofFile] : []
  const paths = [config.dataDir, config.spoolDir, dirname(config.catalogPath), ...more]
  const isInside = (path: string, other: string) => path.startsWith(`${other}/`)
  return [...new Set(paths)].filter((path) => !paths.some((other) => isInside(path, other)))
}

function optionalPaths({ servers, metricsFile }: Config): readonly string[] {
  const directories = servers.flatMap((server) =>
    server.kind === 'file' && server.isEnabled ? [server.directory] : [],
  )
  return [...directories, ...(metricsFile === undefined ? [] : [dirname(metricsFile)])]
}

/** Of every secret that may lie in a file of its own. */
function keyFilesOf(envFile: string): UnitsInput['keyFiles'] {
  const isKeyFile = (variable: string): boolean =>
    settingOf(variable) !== undefined &&
    settingOf(variable.replace(/_FILE$/, ''))?.isSecret === true
  return Object.entries(parseEnvText(readEnvFile(envFile).text)).flatMap(([variable, value]) =>
    variable.endsWith('_FILE') && isKeyFile(variable) && value.trim() !== ''
      ? [{ variable, path: resolve(dirname(envFile), value.trim()) }]
      : [],
  )
}

/** Whole or not at all, as systemd may read it at any time. */
function writeUnit(folder: string, { name, text }: Unit): 'wrote    ' | 'unchanged' {
  const path = join(folder, name)
  const newPath = join(folder, `.${name}.new`)
  try {
    if (existsSync(path) && readFileSync(path, 'utf8') === text) return 'unchanged'
    mkdirSync(folder, { recursive: true })
    rmSync(newPath, { force: true })
    writeFileSync(newPath, text, { mode: 0o644, flag: 'wx' })
    renameSync(newPath, path)
    return 'wrote    '
  } catch (cause) {
    throw new SpillwayError('UNITS_NOT_WRITTEN', `cannot write ${path}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

function installStep(input: UnitsInput): string {
  return `spillway systemd --install ${flagsOf(input)}`
}

/** From a folder of the operator's choice to where systemd looks. */
function copySteps(
  folder: string,
  units: readonly Unit[],
  scope: UnitsInput['scope'],
): readonly string[] {
  const target = shellWord(folderOf(scope))
  const files = units.map(({ name }) => shellWord(join(folder, name)))
  return [`install -d ${target}`, `install -m 0644 ${files.join(' ')} ${target}`]
}

/** What is left to do by hand, as commands that can be copied. */
function printSteps(
  print: (line: string) => void,
  input: UnitsInput,
  placing: readonly string[],
): void {
  const { scope, runAs, envFile, writablePaths } = input
  const systemctl = ctl(input)
  print('')
  print(`The service runs as ${userWords(input)}, ${input.calendarWords}.`)
  for (const remark of remarks(input)) print(`Note: ${remark}`)
  print('Next:')
  const owner = runAs === undefined ? '' : `-o ${runAs} `
  for (const path of writablePaths)
    if (!existsSync(path)) print(`  install -d -m 0700 ${owner}${shellWord(path)}`)
  for (const step of placing) print(`  ${step}`)
  print(`  ${systemctl} daemon-reload`)
  print(`  ${systemctl} enable --now ${input.job === 'daemon' ? DAEMON : TIMER}`)
  print('Then, to see it work:')
  if (input.job === 'nightly') print(`  ${systemctl} start ${SERVICE}`)
  print(`  ${scope === 'user' ? 'journalctl --user' : 'journalctl'} -u ${serviceOf(input)} -e`)
  print(`  spillway status --config=${shellWord(envFile)}`)
}

function remarks(input: UnitsInput): readonly string[] {
  const found: string[] = []
  const { scope, runAs, envFile, programPath } = input
  const { uid } = statSync(envFile)
  if (scope === 'system' && runAs === undefined && uid !== 0)
    found.push(
      `${envFile} belongs to user ${uid}, and root refuses settings that others may change: ` +
        `chown root ${shellWord(envFile)}, or use --run-as with its owner.`,
    )
  if (runAs !== undefined)
    found.push(`${runAs} must own ${input.writablePaths.join(', ')} and what is in there.`)
  if (scope === 'user')
    found.push('to run while you are not logged in it needs: loginctl enable-linger')
  if (!existsSync(programPath)) found.push(`${programPath} is not there yet: npm run build`)
  return found
}

function flagsOf({ job, scope, runAs, envFile }: UnitsInput): string {
  return [
    `--config=${shellWord(envFile)}`,
    ...(job === 'daemon' ? ['--daemon'] : []),
    ...(scope === 'user' ? ['--user'] : []),
    ...(runAs === undefined ? [] : [`--run-as=${runAs}`]),
  ].join(' ')
}
