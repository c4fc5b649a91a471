// Every setting, once. The parser, the wizard and .env.example all read these tables, so a setting
// cannot exist in one of them only.
//
// A setting without `fallback` may be absent; what must be there depends on others (an S3 server
// needs keys, a local directory has none) and is checked by servers.ts and sources.ts.

import { COMMAND_SETTINGS, HOOK_SETTINGS } from './command-settings.ts'
import { DATABASE_SETTINGS } from './database-settings.ts'
import { DAEMON_SETTINGS } from './daemon-settings.ts'
import { MONITORING_SETTINGS } from './monitoring-settings.ts'
import { REDIS_SETTINGS } from './redis-source.ts'
import { SQLITE_SETTINGS } from './sqlite-source.ts'
import { TRAFFIC_SETTINGS } from './traffic-settings.ts'
import {
  bucket,
  catalogUrl,
  patterns,
  prefix,
  region,
  schedule,
  serverId,
  sourceName,
  spool,
  storageClass,
} from './setting-values.ts'
import { boolean, booleanOrAuto, credential, gigabytes, line, path, wholeNumber } from './values.ts'
import type { ParseValue } from './values.ts'

export type Setting<T> = {
  /** One sentence for a person, without a full stop. */
  readonly help: string
  readonly parse: ParseValue<T>
  /** The text that is read when the setting is absent. */
  readonly fallback?: string
  /** The default in words, where it is no text of its own. */
  readonly otherwise?: string
  /** A value as it may look, for .env.example and the wizard. */
  readonly example: string
  /** Never shown, never taken from a command line. */
  readonly isSecret?: true
}

export type Settings = Readonly<Record<string, Setting<unknown>>>

export type Values<S extends Settings> = {
  readonly [Name in keyof S]: S[Name] extends Setting<infer T>
    ? S[Name] extends { readonly fallback: string }
      ? T
      : T | undefined
    : never
}

// A policy with more rules than archives keeps all; the bound only catches slips of the finger.
const KEEP_MAX = 100_000
const keep = wholeNumber(0, KEEP_MAX)

/** To be said wherever retention is set up: nobody may count on room that is never made. */
export const KEEP_NOTE =
  'the last good archive of a source, pinned archives and those that wait are never deleted'

/** Stand alone as KEEP_*, and with SOURCE_N_ before them for one source. */
export const KEEP_SETTINGS = {
  KEEP_LAST: { help: 'keep the newest N archives', parse: keep, example: '3' },
  KEEP_DAILY: {
    help: 'keep the newest archive of each of N days',
    parse: keep,
    example: '7',
  },
  KEEP_WEEKLY: {
    help: 'keep the newest archive of each of N weeks',
    parse: keep,
    example: '4',
  },
  KEEP_MONTHLY: {
    help: 'keep the newest archive of each of N months',
    parse: keep,
    example: '12',
  },
  KEEP_YEARLY: {
    help: 'keep the newest archive of each of N years',
    parse: keep,
    example: '5',
  },
  KEEP_WITHIN_DAYS: {
    help: 'keep all archives of the N days before the newest',
    parse: keep,
    example: '2',
  },
} as const satisfies Settings

export const HOST_SETTINGS = {
  SERVER_ID: {
    help: 'name of this host in object keys; letters, digits, ".", "_" and "-"',
    otherwise: "the host's name",
    example: 'web1',
    parse: serverId,
  },
  SCHEDULE: {
    help: 'when the nightly run starts: minute hour day month weekday, as in a crontab',
    fallback: '30 2 * * *',
    example: '30 2 * * *',
    parse: schedule,
  },
  RANDOM_DELAY_MINUTES: {
    help: 'scheduled runs start up to so many minutes later, each host at a moment of its own',
    fallback: '5',
    example: '30',
    // More would let a run of one night begin in the next.
    parse: wholeNumber(0, 720),
  },
  COPIES: {
    help: 'number of different servers that each archive must reach',
    fallback: '1',
    example: '2',
    parse: wholeNumber(1, 100),
  },
  LOCAL_KEEP: {
    help: 'newest archives of each source that stay on this machine after they are stored',
    fallback: '0',
    example: '1',
    parse: keep,
  },
  PRUNE_MAX_PER_RUN: {
    help: 'most archives that one run may delete',
    otherwise: 'two per source or a tenth, whichever is more',
    example: '10',
    parse: wholeNumber(1, KEEP_MAX),
  },
} as const satisfies Settings

export const PLACE_SETTINGS = {
  DATA_DIR: {
    help: 'folder of the catalog, the spool and the locks; created if it is missing',
    fallback: './data',
    example: '/var/lib/spillway',
    parse: path,
  },
  SPOOL: {
    help: 'disk: archives are written there first; none: they go straight to a server, and nothing can wait',
    fallback: 'disk',
    example: 'none',
    parse: spool,
  },
  SPOOL_DIR: {
    help: 'folder where archives are written before they are sent; needs room for the largest',
    otherwise: 'spool below DATA_DIR',
    example: '/var/spool/spillway',
    parse: path,
  },
  SPOOL_LIMIT_GB: {
    help: 'most that may wait in the spool; waiting archives are never dropped',
    otherwise: 'no limit',
    example: '200',
    parse: gigabytes,
  },
  CATALOG_URL: {
    help: 'where the catalog is: sqlite:PATH',
    otherwise: 'catalog.db below DATA_DIR',
    example: 'sqlite:/var/lib/spillway/catalog.db',
    parse: catalogUrl,
  },
  SEAL_KEY_FILE: {
    help: 'key of the sealed values in this file: see "spillway seal"',
    otherwise: 'seal.key below DATA_DIR',
    example: '/var/lib/spillway-seal.key',
    parse: path,
  },
} as const satisfies Settings

/** All settings that stand alone. */
export const GLOBAL_SETTINGS = {
  ...HOST_SETTINGS,
  ...KEEP_SETTINGS,
  ...PLACE_SETTINGS,
  ...TRAFFIC_SETTINGS,
  ...DAEMON_SETTINGS,
  ...MONITORING_SETTINGS,
} as const satisfies Settings

/** S3_SERVER_N_*: N is the order in which servers are tried. */
export const SERVER_SETTINGS = {
  ENDPOINT: {
    help: 'host name (https is meant), host:port, https://..., http://..., or file:///path',
    example: 's3.example.net',
    // What it means depends on the bucket: endpoint.ts reads it.
    parse: line(1_000),
  },
  REGION: {
    help: 'region of the bucket',
    example: 'us-east-1',
    parse: region,
  },
  ACCESS_KEY: { help: 'access key id', example: '', parse: credential, isSecret: true },
  SECRET_KEY: { help: 'secret access key', example: '', parse: credential, isSecret: true },
  BUCKET: { help: 'bucket, which must exist already', example: 'backups', parse: bucket },
  STORAGE_LIMIT_GB: {
    help: 'most that may lie there, in GB (10^9 bytes); decimals are allowed',
    fallback: '100',
    example: '100',
    parse: gigabytes,
  },
  PREFIX: {
    help: 'folder inside the bucket that all archives go to',
    otherwise: 'none',
    example: 'nightly',
    parse: prefix,
  },
  LABEL: {
    help: 'what reports call this server',
    otherwise: 'N: host/bucket',
    example: 'main',
    parse: line(80),
  },
  ENABLED: {
    help: 'false: keep the entry, but send nothing there',
    fallback: 'true',
    example: 'false',
    parse: boolean,
  },
  ACCESS_KEY_FILE: {
    help: 'file or systemd credential that holds the access key id',
    otherwise: 'none',
    example: 'access-key',
    parse: line(1_000),
  },
  SECRET_KEY_FILE: {
    help: 'file or systemd credential that holds the secret access key',
    otherwise: 'none',
    example: 'secret-key',
    parse: line(1_000),
  },
  CA_FILE: {
    help: 'PEM file of a certificate authority to trust besides the usual ones',
    otherwise: "the system's",
    example: '/etc/ssl/private-ca.pem',
    parse: path,
  },
  PATH_STYLE: {
    help: 'true: https://host/bucket, false: https://bucket.host',
    fallback: 'auto',
    example: 'auto',
    parse: booleanOrAuto,
  },
  STORAGE_CLASS: {
    help: 'storage class of the objects, where the provider has several',
    otherwise: "the provider's",
    example: 'STANDARD_IA',
    parse: storageClass,
  },
} as const satisfies Settings

/** SOURCE_N_*; SOURCE_N_KEEP_* come from KEEP_SETTINGS. */
export const SOURCE_SETTINGS = {
  PATH: {
    help: 'folder to archive; relative to the folder of this file, or absolute',
    example: '/srv/www',
    parse: path,
  },
  NAME: {
    help: "the source's name in reports and object keys",
    otherwise: 'the last folder of the path; all but folders need one',
    example: 'www',
    parse: sourceName,
  },
  EXCLUDE: {
    help: 'patterns as in .gitignore, or databases, between commas (\\, is a comma itself) or line breaks',
    otherwise: 'none',
    example: 'node_modules/,*.tmp,/cache/',
    parse: patterns,
  },
  ONE_FILE_SYSTEM: {
    help: 'true: leave out what other file systems have mounted below the path',
    fallback: 'false',
    example: 'true',
    parse: boolean,
  },
  EXCLUDE_CACHES: {
    help: 'true: leave out folders that are marked with a CACHEDIR.TAG',
    fallback: 'false',
    example: 'true',
    parse: boolean,
  },
  ALLOW_EMPTY: {
    help: 'true: an empty folder is no failure (often it is a disk that is not mounted), nor is empty output',
    fallback: 'false',
    example: 'true',
    parse: boolean,
  },
  SCHEDULE: {
    help: 'when this source is archived, if not by the common SCHEDULE; for "spillway serve"',
    otherwise: 'as SCHEDULE says',
    example: '0 * * * *',
    parse: schedule,
  },
  ...COMMAND_SETTINGS,
  ...HOOK_SETTINGS,
  ...DATABASE_SETTINGS,
  ...SQLITE_SETTINGS,
  ...REDIS_SETTINGS,
} as const satisfies Settings

/** Settings of one source, the retention rules among them. */
export const SOURCE_AND_KEEP_SETTINGS = {
  ...SOURCE_SETTINGS,
  ...KEEP_SETTINGS,
} as const satisfies Settings

/** Read by load.ts before any file is. */
export const CONFIG_VARIABLE = 'SPILLWAY_CONFIG'
