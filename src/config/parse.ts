// A record of variables -> Config, or everything that is wrong with it at once: an operator should
// not have to mend a file one error at a time.

import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../domain/config.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { Notification } from '../domain/notification.ts'
import type { Server } from '../domain/server.ts'
import type { Source } from '../domain/source.ts'
import { programsOf } from '../domain/source.ts'
import { entryNumbers, entryPrefix, nameProblems, settingOf, swallowedNames } from './names.ts'
import { readNotifications } from './notifications.ts'
import type { Problem } from './problem.ts'
import { readSettings, textOf, tryParse } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { SEAL_KEY_NAME } from './seal-key.ts'
import { readServers } from './servers.ts'
import { GLOBAL_SETTINGS, HOST_SETTINGS, PLACE_SETTINGS, SERVER_SETTINGS } from './settings.ts'
import { TRAFFIC_SETTINGS } from './traffic-settings.ts'
import type { Values } from './settings.ts'
import { commonKeepProblems, readSources } from './sources.ts'

export type ParseContext = {
  /** Absolute; relative paths start here. */
  readonly envFileDir: string
  /** Absolute; undefined if there is no file. */
  readonly envFile?: string | undefined
  /** The names that stand in the file; the environment is full of names that are not meant for us. */
  readonly fileNames?: Iterable<string>
  readonly hostName?: string
}

export type ParseResult =
  | { readonly config: Config; readonly problems: readonly [] }
  | { readonly config: undefined; readonly problems: readonly Problem[] }

/** No servers, or disabled ones only, are no problem here: see `requireServers`. */
export function parse(env: EnvRecord, context: ParseContext): ParseResult {
  const { envFileDir } = context
  const problems = nameProblems(env, context.fileNames ?? Object.keys(env))
  const values = readSettings({
    settings: GLOBAL_SETTINGS,
    variablePrefix: '',
    env: withLowerCaseProxies(env),
    context: { envFileDir },
    problems,
  })
  problems.push(...commonKeepProblems(values))
  const servers = readServers(env, { envFileDir }, problems)
  const sources = readSources(env, { envFileDir }, values, problems)
  const notifications = readNotifications(env, { envFileDir }, problems)
  const config = assemble(values, { servers, sources, notifications }, context)
  problems.push(...copiesProblems(env, config))
  problems.push(...spoolProblems(config))
  problems.push(...overlapProblems(config))
  const swallowed = swallowedNames(env, context.fileNames ?? Object.keys(env))
  // It says more than that such a value is wrong.
  const told = problems.filter(
    ({ variable }) => !swallowed.some((one) => one.variable === variable),
  )
  const all = [...told, ...swallowed]
  return all.length === 0 ? { config, problems: [] } : { config: undefined, problems: all }
}

/** What talking to any server needs, read also where other values are wrong: for a test of one. */
export function readSurroundings(
  env: EnvRecord,
  context: ParseContext,
): Pick<Config, 'proxy' | 'serverId'> {
  const values = readSettings({
    settings: { ...HOST_SETTINGS, ...TRAFFIC_SETTINGS },
    variablePrefix: '',
    env: withLowerCaseProxies(env),
    context: { envFileDir: context.envFileDir },
    problems: [],
  })
  return {
    proxy: { httpsProxy: values.HTTPS_PROXY, noProxy: values.NO_PROXY },
    serverId: values.SERVER_ID ?? defaultServerId(context.hostName ?? hostname()),
  }
}

/** Of settings with faults: those who can be told of them, and every value that is a secret. */
export function readTellable(
  env: EnvRecord,
  context: ParseContext,
): {
  readonly config: Pick<Config, 'serverId' | 'dataDir' | 'notifications' | 'proxy'>
  readonly secrets: readonly string[]
} {
  const { envFileDir } = context
  const notifications = readNotifications(env, { envFileDir }, [])
  const { DATA_DIR } = readSettings({
    ...{ settings: PLACE_SETTINGS, variablePrefix: '', env, problems: [] },
    context: { envFileDir },
  })
  const secrets = Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && settingOf(name)?.isSecret === true ? [value] : [],
  )
  return {
    config: {
      ...readSurroundings(env, context),
      ...{ dataDir: DATA_DIR ?? join(envFileDir, 'data'), notifications },
    },
    secrets: [...secrets, ...notifications.flatMap((each) => each.secrets)],
  }
}

function assemble(
  values: Values<typeof GLOBAL_SETTINGS>,
  entries: {
    readonly servers: readonly Server[]
    readonly sources: readonly Source[]
    readonly notifications: readonly Notification[]
  },
  context: ParseContext,
): Config {
  // Values that have problems are undefined here; what is made of them is thrown away.
  const dataDir = values.DATA_DIR ?? join(context.envFileDir, 'data')
  const ownRestoreRoot = join(dataDir, 'restored')
  return {
    envFile: context.envFile,
    serverId: values.SERVER_ID ?? defaultServerId(context.hostName ?? hostname()),
    dataDir,
    hasSpool: values.SPOOL,
    spoolDir: values.SPOOL_DIR ?? join(dataDir, 'spool'),
    spoolLimitBytes: values.SPOOL_LIMIT_GB,
    sealKeyFile: values.SEAL_KEY_FILE ?? join(dataDir, SEAL_KEY_NAME),
    catalogPath: values.CATALOG_URL ?? join(dataDir, 'catalog.db'),
    ...entries,
    copies: values.COPIES,
    localKeep: values.LOCAL_KEEP,
    pruneMaxPerRun: values.PRUNE_MAX_PER_RUN,
    uploadLimitBitsPerSecond: values.UPLOAD_LIMIT_MBIT,
    proxy: { httpsProxy: values.HTTPS_PROXY, noProxy: values.NO_PROXY },
    verifiesPacking: values.VERIFY_PACK,
    verifyNightlyBytes: values.VERIFY_NIGHTLY_GB,
    zstdLevel: values.ZSTD_LEVEL,
    parallelSources: values.PARALLEL_SOURCES,
    schedule: values.SCHEDULE,
    randomDelayMs: values.RANDOM_DELAY_MINUTES * 60_000,
    metricsFile: values.METRICS_FILE,
    daemon: {
      listen: values.LISTEN,
      names: values.LISTEN_NAMES ?? [],
      restoreRoots: values.RESTORE_ROOTS ?? [ownRestoreRoot],
      defaultRestoreRoot: values.RESTORE_ROOTS === undefined ? ownRestoreRoot : undefined,
      sourceRoots: values.SOURCE_ROOTS,
    },
  }
}

/** Most shells set these in lower case, and curl reads them so. */
function withLowerCaseProxies(env: EnvRecord): EnvRecord {
  return {
    ...env,
    HTTPS_PROXY: textOf(env, 'HTTPS_PROXY') ?? env['https_proxy'],
    NO_PROXY: textOf(env, 'NO_PROXY') ?? env['no_proxy'],
  }
}

/** The host's name as a part of object keys. */
export function defaultServerId(hostName: string): string {
  const safe = hostName.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '')
  return safe.slice(0, 64) || 'host'
}

function copiesProblems(env: EnvRecord, { copies }: Config): Problem[] {
  // Entries with problems count: once they are mended they will be servers, too.
  const numbers = entryNumbers(env, 'S3_SERVER')
  const enabled = numbers.filter((number) => !isDisabled(env, number)).length
  // With no server at all the message is NO_SERVERS, and it comes when one is needed.
  if (enabled === 0 || copies === undefined || copies <= enabled) return []
  return [
    {
      variable: 'COPIES',
      value: textOf(env, 'COPIES'),
      reason: `is more than the number of enabled servers, ${enabled}`,
      remedy: 'add a server, or lower it',
    },
  ]
}

/** What is neither true nor false is blamed elsewhere, and counts as enabled here. */
function isDisabled(env: EnvRecord, number: number): boolean {
  const variable = `${entryPrefix('S3_SERVER', number)}ENABLED`
  const text = textOf(env, variable)
  if (text === undefined) return false
  const isEnabled = tryParse([], variable, text, false, () => SERVER_SETTINGS.ENABLED.parse(text))
  return isEnabled === false
}

/** Without a spool there is nothing on this machine that could wait, stay, or be sent a second time. */
function spoolProblems({ hasSpool, copies, localKeep, spoolLimitBytes }: Config): Problem[] {
  if (hasSpool) return []
  const remedy = 'leave it out, or take SPOOL=disk'
  const problem = (variable: string, value: number, reason: string): Problem[] => [
    { variable, value: String(value), reason: `${reason}, and there is none (SPOOL=none)`, remedy },
  ]
  return [
    ...(copies > 1
      ? problem('COPIES', copies, 'needs a spool that the second copy is made from')
      : []),
    ...(localKeep > 0
      ? problem('LOCAL_KEEP', localKeep, 'names archives that stay in the spool')
      : []),
    ...(spoolLimitBytes === undefined
      ? []
      : problem('SPOOL_LIMIT_GB', spoolLimitBytes / 1e9, 'is a limit of the spool')),
  ]
}

/** A folder that holds our own archives must not be archived into them. */
function overlapProblems({ sources, dataDir, spoolDir, servers }: Config): Problem[] {
  const places = [
    { path: dataDir, what: 'DATA_DIR' },
    { path: spoolDir, what: 'SPOOL_DIR' },
    ...servers.flatMap((server) =>
      server.kind === 'file'
        ? [{ path: server.directory, what: `the directory of S3_SERVER_${server.number}` }]
        : [],
    ),
  ]
  return sources.flatMap((source) => {
    if (source.kind !== 'folder') return []
    const place = places.find(({ path }) => `${source.path}/`.startsWith(`${path}/`))
    if (place === undefined) return []
    return {
      variable: `SOURCE_${source.number}_PATH`,
      value: source.path,
      reason: `lies in ${place.what}, ${place.path}`,
      remedy: 'archives are no source: choose another folder',
    }
  })
}

/** For commands that cannot do without: throws NO_SERVERS. Disabled servers do not count. */
export function requireServers(config: Config): void {
  if (config.servers.some(({ isEnabled }) => isEnabled)) return
  const where = config.envFile ?? 'the environment'
  throw new SpillwayError(
    'NO_SERVERS',
    config.servers.length === 0
      ? `No S3 servers configured in ${where}`
      : `No S3 servers configured that are enabled: ${where} disables all ${config.servers.length}`,
    config.servers.length === 0 ? {} : { hint: 'enable one: S3_SERVER_N_ENABLED=true' },
  )
}

/** Everything in the configuration that must never be shown, for `createRedactor`. */
export function secretsOf(config: Config): string[] {
  const secrets = config.servers.flatMap((server) =>
    server.kind === 's3' ? [server.secretKey] : [],
  )
  const proxy = config.proxy.httpsProxy
  if (proxy !== undefined && URL.canParse(proxy)) {
    const { password } = new URL(proxy)
    if (password !== '') secrets.push(password, safeDecode(password))
  }
  for (const { program } of config.sources.flatMap(programsOf)) secrets.push(...program.secrets)
  for (const source of config.sources) if (source.kind !== 'folder') secrets.push(...source.secrets)
  for (const notification of config.notifications) secrets.push(...notification.secrets)
  return [...new Set(secrets)]
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A lone "%" is a character of the password.
    return text
  }
}
