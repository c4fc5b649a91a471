// What makes a PostgreSQL database what it is, apart from what is in it: asked of the origin, kept in the list of
// the archive, and made again by the target, or told where that cannot be.

import { quotedSqlText } from './sql-statements.ts'

export type PostgresProperties = Readonly<Record<string, string>>

/** Of a row `d` of pg_database. What this version of the server does not have is null: columns came one by one. */
export const PROPERTIES_SQL = `json_build_object(
  'owner', pg_catalog.pg_get_userbyid(d.datdba),
  'encoding', pg_catalog.pg_encoding_to_char(d.encoding),
  'collation', d.datcollate,
  'characterType', d.datctype,
  'localeProvider', case coalesce(row_to_json(d)->>'datlocprovider', 'c')
    when 'c' then 'libc' when 'i' then 'icu' when 'b' then 'builtin'
    else row_to_json(d)->>'datlocprovider' end,
  'locale', coalesce(row_to_json(d)->>'datlocale', row_to_json(d)->>'daticulocale'),
  'icuRules', row_to_json(d)->>'daticurules',
  'tablespace', (select spcname from pg_catalog.pg_tablespace t
    where t.oid = d.dattablespace and spcname <> 'pg_default'),
  'isTemplate', case when d.datistemplate then 'true' end)`

/** As the servers answer them. */
export function propertiesFrom(
  answer: Readonly<Record<string, string | null>>,
): PostgresProperties {
  const known = Object.entries(answer).filter(([, value]) => value !== null)
  return Object.fromEntries(known) as PostgresProperties
}

/** What the statement in the dump says, where the list of an older archive does not. */
export function propertiesInDump(statement: string): PostgresProperties {
  const provider = /\bLOCALE_PROVIDER = (\w+)/.exec(statement)?.[1]
  const textOf = (words: RegExp): string | undefined =>
    new RegExp(`\\b${words.source} = '((?:[^']|'')*)'`).exec(statement)?.[1]?.replaceAll("''", "'")
  const found = {
    localeProvider: provider,
    locale: textOf(/(?:ICU|BUILTIN)_LOCALE/),
    icuRules: textOf(/ICU_RULES/),
  }
  return Object.fromEntries(
    Object.entries(found).filter((each): each is [string, string] => each[1] !== undefined),
  )
}

const PROVIDERS: Readonly<Record<string, { readonly since: number; readonly word: string }>> = {
  libc: { since: 0, word: 'LC_COLLATE' },
  icu: { since: 15, word: 'ICU_LOCALE' },
  builtin: { since: 17, word: 'BUILTIN_LOCALE' },
}
const PROVIDER_NAMED_SINCE = 15
const RULES_SINCE = 16

/** Why a server of that version cannot have such a database; follows on its name. */
export function cannotHave(
  { localeProvider = 'libc', locale = '', icuRules }: PostgresProperties,
  versionNumber: number,
): string | undefined {
  const major = Math.floor(versionNumber / 10_000)
  const since = PROVIDERS[localeProvider]?.since
  const what = `has the collation ${locale} of the provider ${localeProvider}`
  if (since === undefined) return `${what}, which this version does not know`
  if (major < since)
    return `${what}, and PostgreSQL ${major} has none of it: ${since} or newer does`
  if (icuRules === undefined || major >= RULES_SINCE) return undefined
  return `${what} with rules of its own, and PostgreSQL ${major} cannot have them: ${RULES_SINCE} or newer can`
}

/** Behind CREATE DATABASE ... TEMPLATE template0. */
export function createOptions(properties: PostgresProperties, versionNumber: number): string {
  const { encoding, collation, characterType, localeProvider = 'libc', icuRules } = properties
  const option = (word: string, value: string | undefined): string =>
    value === undefined ? '' : ` ${word} ${quotedSqlText(value)}`
  const major = Math.floor(versionNumber / 10_000)
  // template0 has the provider of its server, which need not be the origin's.
  const provider = major < PROVIDER_NAMED_SINCE ? '' : ` LOCALE_PROVIDER ${localeProvider}`
  const locale = localeProvider === 'libc' ? undefined : properties['locale']
  return (
    option('ENCODING', encoding) +
    (collation === undefined ? '' : provider) +
    option('LC_COLLATE', collation) +
    option('LC_CTYPE', characterType) +
    option(PROVIDERS[localeProvider]!.word, locale) +
    option('ICU_RULES', icuRules)
  )
}

/** How it sorts and compares, for a person: two that say the same do the same. */
export function describeLocale(properties: PostgresProperties): string {
  const {
    collation = '',
    characterType = '',
    localeProvider = 'libc',
    locale,
    icuRules,
  } = properties
  const libc = collation === characterType ? collation : `${collation}/${characterType}`
  const rules = icuRules === undefined ? '' : ` with the rules ${icuRules}`
  return localeProvider === 'libc' ? libc : `${locale} of ${localeProvider}${rules} (${libc})`
}
