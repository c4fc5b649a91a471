// Finds the env file, checks that nobody else may read or change its secrets, and joins it with the
// environment, which wins. Sole owner of process.env and of dotenv, of which only `parse` is used:
// its `config()` would write into process.env and talk on the terminal.

import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse as parseDotenv } from 'dotenv'
import type { Config } from '../domain/config.ts'
import { SpillwayError, messageOf } from '../domain/errors.ts'
import type { ServerSource } from '../domain/source.ts'
import { readDatabaseTarget } from './database-target.ts'
import { textProblems } from './env-text.ts'
import { entryName, settingOf } from './names.ts'
import { parse, readTellable, secretsOf } from './parse.ts'
import { configInvalid } from './problem.ts'
import type { Problem } from './problem.ts'
import { textOf } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { joinProblems, openSealed } from './sealed-env.ts'
import { CONFIG_VARIABLE } from './settings.ts'

export type ConfigPlace = {
  /** What `--config` said. */
  readonly configFlag?: string | undefined
  /** Instead of the environment of this process. */
  readonly env?: EnvRecord
  /** Instead of the working folder. */
  readonly cwd?: string
  /** Of who begins before anything is set up: without a file, and without an entry, there is nothing yet. */
  readonly mayBeAbsent?: boolean
}

export type LoadedConfig = {
  readonly config: Config
  /** For `createRedactor`. */
  readonly secrets: readonly string[]
  /** What the settings were read from, beside the env file: files with secrets, and their key. */
  readonly settingsFiles: readonly string[]
  /** A URL of the command line -> a server of databases, as if it were a source's. Throws USAGE. */
  readonly databaseTarget: (url: string) => ServerSource
}

/** Every failure is a SpillwayError: CONFIG_INVALID with all problems, CONFIG_UNSAFE, NOT_BUILT. */
export function loadConfig(place: ConfigPlace = {}): LoadedConfig {
  const { path, isNamed, env } = findEnvFile(place)
  const mustBeThere = isNamed && place.mayBeAbsent !== true
  const file = mustBeThere || existsSync(path) ? readEnvFile(path) : undefined
  if (file !== undefined) requireSafe(file)
  else if (place.mayBeAbsent !== true) requireEntries(path, env)
  const fileRecord = file === undefined ? {} : parseEnvText(file.text)
  // Also while there is none: nothing of ours moves when it is written.
  const envFileDir = dirname(path)
  const keyOwner = { envFileDir, ownerUid: file?.uid }
  const { env: joined, problems: sealed } = openSealed(joinEnv(fileRecord, env), keyOwner)
  const { config, problems } = parse(joined, {
    envFileDir,
    envFile: file === undefined ? undefined : path,
    fileNames: Object.keys(fileRecord),
  })
  const all = [
    ...(file === undefined ? [] : textProblems(file.text)),
    ...joinProblems(sealed, problems),
  ]
  if (config !== undefined && all.length === 0) {
    const near = { env: joined, envFileDir, sources: config.sources }
    const databaseTarget = (url: string) => readDatabaseTarget(url, near)
    const settingsFiles = [...namedFiles(joined, envFileDir), config.sealKeyFile]
    return { config, secrets: secretsOf(config), settingsFiles, databaseTarget }
  }
  throw invalidAt(file === undefined ? undefined : path, all, env)
}

function namedFiles(env: EnvRecord, envFileDir: string): readonly string[] {
  const names = Object.keys(env).filter(
    (name) => name.endsWith('_FILE') && settingOf(name) !== undefined,
  )
  const read = names.filter((name) => name !== 'METRICS_FILE' && name !== 'SEAL_KEY_FILE')
  return read.flatMap((name) => textOf(env, name) ?? []).map((file) => resolve(envFileDir, file))
}

/** Says of each problem where its value is to be changed: in the file, or in the environment, which wins over it. */
function invalidAt(
  path: string | undefined,
  problems: readonly Problem[],
  env: EnvRecord,
): SpillwayError {
  const isOutside = ({ variable }: Problem): boolean => textOf(env, variable) !== undefined
  const hint = 'correct it where this program is started from, or unset it there'
  if (path === undefined) return configInvalid('the environment', problems)
  if (problems.every(isOutside))
    return configInvalid(`the environment, which wins over ${path}`, problems, hint)
  const told = problems.map((problem) =>
    isOutside(problem)
      ? { ...problem, reason: `(from the environment) ${problem.reason}` }
      : problem,
  )
  return configInvalid(path, told)
}

export type Tellable = {
  readonly config: Pick<Config, 'serverId' | 'dataDir' | 'notifications' | 'proxy'>
  readonly secrets: readonly string[]
}

/**
 * Who can be told that these settings are wrong: of an env file with faults, the parts without any. Never
 * throws; undefined when nobody can be told.
 */
export function loadTellable(place: ConfigPlace = {}): Tellable | undefined {
  try {
    const { path, env, cwd } = findEnvFile(place)
    const file = existsSync(path) ? readEnvFile(path) : undefined
    // What others could have written there names nobody to send anything to.
    if (file !== undefined) requireSafe(file)
    const joined = joinEnv(file === undefined ? {} : parseEnvText(file.text), env)
    const envFileDir = file === undefined ? cwd : dirname(path)
    const opened = openSealed(joined, { envFileDir, ownerUid: file?.uid })
    return readTellable(opened.env, { envFileDir })
  } catch {
    // The settings are wrong beyond that: the failure itself is told where the command was started.
    return undefined
  }
}

/** Without a file, and with nothing to archive or to archive to, somebody is in the wrong folder. */
function requireEntries(path: string, env: EnvRecord): void {
  const isOurs = (name: string) => entryName(name) !== undefined && textOf(env, name) !== undefined
  if (Object.keys(env).some(isOurs)) return
  const message = `${path} does not exist, and the environment has no settings`
  throw new SpillwayError('CONFIG_INVALID', message, {
    hint:
      'go to the folder of the env file, name it with --config FILE, ' +
      'or begin with: spillway configure',
  })
}

/** `--config`, else SPILLWAY_CONFIG, else ./.env. A named file must exist. */
export function findEnvFile(place: ConfigPlace): {
  readonly path: string
  readonly isNamed: boolean
  readonly env: EnvRecord
  readonly cwd: string
} {
  const env = place.env ?? process.env
  const cwd = place.cwd ?? process.cwd()
  const named = place.configFlag ?? textOf(env, CONFIG_VARIABLE)
  if (named === '') throw new SpillwayError('USAGE', '--config needs the name of a file')
  return { path: resolve(cwd, named ?? '.env'), isNamed: named !== undefined, env, cwd }
}

/** Variables of the environment win, unless they are empty. */
export function joinEnv(file: EnvRecord, env: EnvRecord): EnvRecord {
  const joined: Record<string, string | undefined> = { ...env, ...file }
  for (const name of Object.keys(file)) {
    const fromEnvironment = textOf(env, name)
    if (fromEnvironment !== undefined) joined[name] = fromEnvironment
  }
  return joined
}

/** What dotenv reads in a text; no side effects. */
export function parseEnvText(text: string): Record<string, string> {
  return parseDotenv(text)
}

export type EnvFile = {
  readonly path: string
  readonly text: string
  readonly mode: number
  readonly uid: number
}

// The largest sensible file has a few hundred servers; what is larger was named by mistake.
const FILE_BYTES_MAX = 1_000_000

/** Follows symbolic links. Does not judge who else may read the file: see `requireSafe`. */
export function readEnvFile(path: string): EnvFile {
  let handle: number
  try {
    // Not blocking: the name of a pipe must not hang the command.
    handle = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    throw unreadable(path, error)
  }
  try {
    const stats = fstatSync(handle)
    requireFile(path, stats)
    const text = decodeText(path, readFileSync(handle))
    return { path, text, mode: stats.mode & 0o777, uid: stats.uid }
  } finally {
    closeSync(handle)
  }
}

function requireFile(path: string, stats: Stats): void {
  if (stats.isFile() && stats.size <= FILE_BYTES_MAX) return
  const what = stats.isDirectory()
    ? 'a folder, not a file'
    : stats.isFile()
      ? `too large for an env file (${stats.size} bytes)`
      : 'not a regular file'
  throw new SpillwayError('CONFIG_INVALID', `${path} is ${what}`, {
    hint: 'name the env file, as in --config=/etc/spillway/.env',
  })
}

function decodeText(path: string, bytes: Buffer): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    if (!text.includes('\0')) return text
  } catch (cause) {
    throw new SpillwayError('CONFIG_INVALID', `${path} is not UTF-8 text`, {
      cause,
      hint: 'save it as UTF-8',
    })
  }
  throw new SpillwayError('CONFIG_INVALID', `${path} is not a text file`, {
    hint: 'save it as UTF-8',
  })
}

function unreadable(path: string, cause: unknown): SpillwayError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new SpillwayError('CONFIG_INVALID', `${path} does not exist`, {
      cause,
      hint: 'create it with: spillway configure',
    })
  if (code === 'EACCES' || code === 'EPERM')
    return new SpillwayError('CONFIG_INVALID', `${path} may not be read by this user`, {
      cause,
      hint: 'run as the owner of the file, or as root',
    })
  return new SpillwayError('CONFIG_INVALID', `cannot read ${path}: ${messageOf(cause)}`, { cause })
}

/** Throws CONFIG_UNSAFE if the file holds secrets that others could read, or is somebody else's. */
export function requireSafe(file: EnvFile): void {
  if (!holdsSecrets(file.text)) return
  const hint = `chmod 600 ${file.path}`
  if ((file.mode & 0o077) !== 0) {
    const mode = file.mode.toString(8).padStart(4, '0')
    const message = `${file.path} holds secrets, but its mode ${mode} lets others at it`
    throw new SpillwayError('CONFIG_UNSAFE', message, { hint })
  }
  const uid = process.getuid?.()
  // Whoever owns the file decides where the archives go, and with whose keys.
  if (uid !== undefined && file.uid !== uid && file.uid !== 0) {
    const message = `${file.path} holds secrets, but belongs to user ${file.uid}, not to ${uid}`
    throw new SpillwayError('CONFIG_UNSAFE', message, {
      hint: `run as its owner, or: chown ${uid} ${file.path}`,
    })
  }
}

/**
 * A value of a secret setting, one that a command gets, or credentials in a URL. Key files are checked by
 * their owners.
 */
export function holdsSecrets(text: string): boolean {
  const entries = Object.entries(parseEnvText(text))
  const passedOn = new Set(
    entries.flatMap(([name, value]) =>
      entryName(name)?.setting === 'ENV' ? value.split(',').map((each) => each.trim()) : [],
    ),
  )
  const isSecret = (name: string): boolean =>
    settingOf(name)?.isSecret === true || passedOn.has(name)
  return entries.some(
    ([name, value]) => value.trim() !== '' && (isSecret(name) || /:\/\/[^/\s]+@/.test(value)),
  )
}

/** What the environment says about the terminal; read here because nobody else may look. */
export function terminalSettings(env: EnvRecord = process.env): {
  readonly noColor: string | undefined
  readonly term: string | undefined
  readonly journalStream: string | undefined
} {
  return { noColor: env['NO_COLOR'], term: env['TERM'], journalStream: env['JOURNAL_STREAM'] }
}

/** What a service manager tells a service: sd_notify(3), sd_watchdog_enabled(3). */
export function serviceManagerSettings(env: EnvRecord = process.env): {
  readonly socket: string | undefined
  /** undefined: it does not watch. */
  readonly watchdogMs: number | undefined
} {
  const micros = Number(env['WATCHDOG_USEC'])
  const isOurs = env['WATCHDOG_PID'] === undefined || Number(env['WATCHDOG_PID']) === process.pid
  return {
    socket: env['NOTIFY_SOCKET'],
    watchdogMs: isOurs && micros > 0 ? micros / 1_000 : undefined,
  }
}

/** For who hands it on to a process of ours. */
export function processEnvironment(): EnvRecord {
  return process.env
}
