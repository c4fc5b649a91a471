// The values that have rules of their own: names, buckets, prefixes, URLs, schedules, patterns.

import { messageOf } from '../domain/errors.ts'
import { PLACEHOLDER } from '../domain/providers.ts'
import { parseSchedule } from '../domain/schedule.ts'
import { ValueProblem } from './problem.ts'
import { line, no, path } from './values.ts'
import type { ValueContext } from './values.ts'

export function serverId(text: string): string {
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(text)) no('must be 1 to 64 letters, digits, ".", "_" or "-"')
  // Keys begin with it: dots alone would leave the bucket's root, and the other is taken.
  if (/^\.+$/.test(text)) no('must not consist of dots')
  return text === 'spillway-catalog' ? no('is the folder of the catalog copies') : text
}

export function schedule(text: string): string {
  try {
    return parseSchedule(text).text
  } catch (error) {
    throw new ValueProblem(`is no schedule: ${messageOf(error)}`, {
      remedy: 'every night at half past two is "30 2 * * *"',
    })
  }
}

export function catalogUrl(text: string, context: ValueContext): string {
  if (/^postgres(?:ql)?:/i.test(text))
    throw new ValueProblem('names a PostgreSQL catalog, which is not built yet', {
      remedy: 'use sqlite:PATH',
      isSecret: true,
      isNotBuilt: true,
    })
  const [, file] = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(text) ?? []
  return file === undefined ? no('must be sqlite:PATH') : path(file, context)
}

export function proxyUrl(text: string): string {
  const given = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const isWeb = /^https?:\/\//i.test(given)
  if (!isWeb || !URL.canParse(given))
    throw new ValueProblem('must be the http:// or https:// URL of a proxy', { isSecret: true })
  return given
}

export function region(text: string): string {
  // It becomes a part of host names and of every signature.
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(text))
    no('must consist of letters, digits and "-"')
  return PLACEHOLDER.test(text) ? no('is still the placeholder', "write the bucket's region") : text
}

export function bucket(text: string): string {
  if (/^[a-z0-9]+:\/\//i.test(text)) no('must be the name alone, without a scheme')
  if (text.includes('/')) no('must not contain "/"', 'a folder in it belongs into ..._PREFIX')
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(text))
    no('must be 3 to 63 letters, digits, ".", "-" or "_", with a letter or digit at its ends')
  if (text.includes('..')) no('must not contain two dots in a row')
  return /^\d+(?:\.\d+){3}$/.test(text) ? no('must not look like an IP address') : text
}

export function prefix(text: string): string {
  const segments = text.split('/').filter((segment) => segment !== '')
  for (const segment of segments) {
    // Servers differ about everything else: see the key rules of MinIO and rclone.
    if (!/^[A-Za-z0-9!_.@=+()-]+$/.test(segment))
      no('must consist of folders of letters, digits and "!_.@=+()-"')
    if (/^\.+$/.test(segment)) no('must not contain "." or ".." as a folder')
    if (segment.length > 255) no('must have at most 255 characters in each folder')
  }
  // A key has at most 1024 bytes; host, date and file name take about 320 of them.
  const prefixMax = 512
  const joined = segments.join('/')
  return joined.length <= prefixMax ? joined : no(`must have at most ${prefixMax} characters`)
}

export function sourceName(text: string, context: ValueContext): string {
  return text.includes('/') ? no('must not contain "/"') : line(120)(text, context)
}

/** Whether there is one. */
export function spool(text: string): boolean {
  const word = text.toLowerCase()
  return word === 'disk' || (word === 'none' ? false : no('must be disk or none'))
}

/** Of a file in an archive: longer names do not fit into the place that is kept for its header. */
export function fileName(text: string, context: ValueContext): string {
  if (text.includes('/') || /^\.{1,2}$/.test(text)) no('must be a name without folders')
  const bytesMax = 100
  if (Buffer.byteLength(text) > bytesMax) no(`must have at most ${bytesMax} bytes`)
  return line(bytesMax)(text, context)
}

/** Names of variables of other programs, never of ours. */
export function variableNames(text: string): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  for (const name of names) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      no(`must be names separated by commas: "${name}" is none`)
    if (/^(?:S3_SERVER|SOURCE|NOTIFY)_\d/.test(name))
      no(`must not name settings of Spillway, as ${name} is`)
  }
  return names
}

/** Split at commas that have no backslash before them; other backslashes belong to the pattern. */
export function patterns(text: string): string[] {
  return text
    .split(/\r?\n|(?<!\\),/)
    .map((pattern) => pattern.replaceAll('\\,', ',').trim())
    .filter((pattern) => pattern !== '')
}

export function storageClass(text: string): string {
  return /^[A-Z][A-Z0-9_-]{0,63}$/.test(text)
    ? text
    : no('must be a name in capitals, as in STANDARD_IA')
}

/** Any characters but those that end a line: it is written into a file of lines. */
export function password(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return /[\x00-\x1f\x7f]/.test(text) ? no('must not contain control characters') : text
}
