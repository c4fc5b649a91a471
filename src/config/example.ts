// .env.example, made from the tables of settings and providers: `npm run env-example` writes it,
// and a test keeps the file equal to this.
//
// A copy of it works as soon as one server block is filled in: entries whose values are all empty
// do not exist, and everything that has a default stands behind a "#".

import { PROVIDERS } from '../domain/providers.ts'
import type { Provider, ProviderId } from '../domain/providers.ts'
import {
  HOST_SETTINGS,
  KEEP_NOTE,
  KEEP_SETTINGS,
  PLACE_SETTINGS,
  SERVER_SETTINGS,
  SOURCE_SETTINGS,
} from './settings.ts'
import { TRAFFIC_SETTINGS } from './traffic-settings.ts'
import type { Setting, Settings } from './settings.ts'
import { NOTIFY_SETTINGS } from './notify-settings.ts'
import { DAEMON_SETTINGS } from './daemon-settings.ts'
import { MONITORING_SETTINGS } from './monitoring-settings.ts'
import { quoteValue } from './env-file.ts'

/** In the order in which the blocks stand; the first one is active, the others commented out. */
const BLOCKS: readonly ProviderId[] = [
  ...(['idrive', 'aws', 'b2', 'wasabi', 'minio', 'digitalocean', 'r2', 'ceph'] as const),
]

const MORE: readonly ProviderId[] = [
  ...(['hetzner', 'scaleway', 'ovh', 'linode', 'storj', 'gcs', 'garage', 'seaweedfs'] as const),
]

const HEAD = `
# Spillway: copy this file to .env, chmod 600 .env, and fill in one server and one source.
# Or let \`spillway configure\` ask for everything; \`spillway self-test\` says whether it works.
#
# - A line that begins with "#" is a comment; the values in comments are defaults or examples.
# - Values with "#", quotes or spaces at their ends need quotes: NAME='a #1'.
# - Variables of the environment win over this file.`

const SERVERS = `
# The servers, tried in the order of their numbers: when one is full or fails, the archive goes on
# to the next. Any numbers and any count; gaps are fine; an entry without values does not exist.
# Renumbering is safe: a server is known by its endpoint, bucket and prefix, not by its number.`

const SOURCES = `
# What to archive: folders, servers of databases, or commands whose output is archived; each one an
# archive of its own. Numbers as above. One of PATH, POSTGRES, MYSQL, MONGODB,
# SQLITE, REDIS and COMMAND says what it is.`

const KEEP = `
# Retention. Mind that ${KEEP_NOTE}.
# The rules are for each source on its own, in days of UTC. An archive is to stay if any rule wants
# it; with no rule at all everything stays. SOURCE_N_KEEP_... changes a rule for one source (0 ends
# it there).`

const NOTIFY = `
# Who is told of a run. Numbers as above; try them with: spillway notify-test. What stands in a URL is
# kept secret. A password with "#" needs quotes, in a URL %23.
#   ping+https://hc-ping.com/UUID          healthchecks: /start, success, /fail
#   https://host/path                      the report as JSON
#   ntfy+https://ntfy.sh/TOPIC             TOKEN@ or USER:PASSWORD@ before the host where it wants one
#   slack+https://hooks.slack.com/services/...   and Mattermost
#   discord+https://discord.com/api/webhooks/...
#   gotify+https://host/?token=TOKEN
#   telegram://TOKEN@telegram/CHAT         CHAT: a number, or @channel
#   smtp://USER@host:587/?from=ADDRESS&to=ADDRESS   with NOTIFY_N_PASSWORD; smtps:// is port 465
# When: failure (also a run that could not begin), warning (failures, too), recovery (the first good
# run after a bad one), always.`

export function renderExample(): string {
  const rule = `# ${'-'.repeat(97)}`
  const section = (text: string) => `\n${rule}${text}\n`
  return [
    HEAD.slice(1),
    section('\n# This host and its night'),
    table(HOST_SETTINGS, ''),
    section(SERVERS),
    ...BLOCKS.map((id, at) => serverBlock(providerOf(id), at + 1)),
    fileBlock(BLOCKS.length + 1),
    elsewhere(),
    '# What every server may have besides:\n',
    table(without(SERVER_SETTINGS, CORE), 'S3_SERVER_1_'),
    section(SOURCES),
    'SOURCE_1_PATH=\n',
    table(without(SOURCE_SETTINGS, ['PATH']), 'SOURCE_1_'),
    section(KEEP),
    table(KEEP_SETTINGS, ''),
    section('\n# Places'),
    table(PLACE_SETTINGS, ''),
    section('\n# Traffic and packing'),
    table(TRAFFIC_SETTINGS, ''),
    section(NOTIFY),
    table(NOTIFY_SETTINGS, 'NOTIFY_1_'),
    section('\n# The daemon: spillway serve'),
    table(DAEMON_SETTINGS, ''),
    section('\n# Monitoring: rules and a dashboard are in scripts/monitoring'),
    table(MONITORING_SETTINGS, ''),
  ]
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
}

const CORE = ['ENDPOINT', 'REGION', 'ACCESS_KEY', 'SECRET_KEY', 'BUCKET', 'STORAGE_LIMIT_GB']

function serverBlock(provider: Provider, number: number): string {
  const isActive = number === 1
  const line = (name: string, value: string) =>
    `${isActive ? '' : '#'}S3_SERVER_${number}_${name}=${isActive ? '' : value}`
  const note = provider.note === undefined ? [] : [`# Note: ${provider.note}.`]
  return [
    `# ${provider.name}`,
    `# Endpoint: ${provider.endpointHint}.`,
    `# Region: ${provider.regionHint}.`,
    ...note,
    line('ENDPOINT', provider.endpoint),
    line('REGION', provider.region ?? 'REGION'),
    line('ACCESS_KEY', ''),
    line('SECRET_KEY', ''),
    line('BUCKET', ''),
    `#S3_SERVER_${number}_STORAGE_LIMIT_GB=${SERVER_SETTINGS.STORAGE_LIMIT_GB.fallback}`,
    '',
  ].join('\n')
}

function fileBlock(number: number): string {
  const provider = providerOf('file')
  return [
    `# ${provider.name}: ${provider.endpointHint}`,
    `#S3_SERVER_${number}_ENDPOINT=${provider.endpoint}`,
    `#S3_SERVER_${number}_STORAGE_LIMIT_GB=${SERVER_SETTINGS.STORAGE_LIMIT_GB.fallback}`,
    '',
  ].join('\n')
}

function elsewhere(): string {
  const lines = MORE.map(providerOf).flatMap((provider) => [
    `#   ${provider.name}: ${provider.endpoint}`,
    `#     region: ${provider.regionHint}`,
  ])
  return ['# Elsewhere:', ...lines, ''].join('\n')
}

function table(settings: Settings, variablePrefix: string): string {
  return Object.entries(settings)
    .map(([name, setting]) => `${explain(setting)}\n#${variablePrefix}${name}=${sample(setting)}\n`)
    .join('\n')
}

function explain({ help, fallback, otherwise }: Setting<unknown>): string {
  // What is a value or a name keeps its letters.
  const isWord = !/^(?:true:|false:|zstd)/.test(help)
  const sentence = isWord ? help.slice(0, 1).toUpperCase() + help.slice(1) : help
  // A fallback stands in the line below; words have no other place.
  const ending = fallback === undefined && otherwise !== undefined ? ` (default: ${otherwise})` : ''
  return `# ${sentence}${ending}.`
}

function sample({ fallback, example }: Setting<unknown>): string {
  return quoteValue(fallback ?? example) ?? ''
}

function without(settings: Settings, names: readonly string[]): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)))
}

function providerOf(id: ProviderId): Provider {
  const provider = PROVIDERS.find((candidate) => candidate.id === id)
  if (provider === undefined) throw new Error(`no provider ${id}`)
  return provider
}
