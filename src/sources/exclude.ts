// Patterns in gitignore syntax, relative to the source's folder; the only file that knows `ignore`.

import { isUtf8 } from 'node:buffer'
import ignore from 'ignore'
import { SpillwayError } from '../domain/errors.ts'
import type { ByteString } from './member.ts'

export type Exclude = (path: ByteString, isFolder: boolean) => boolean

/** undefined where nothing is excluded, so that the common walk asks nobody. */
export function createExclude(patterns: readonly string[]): Exclude | undefined {
  if (patterns.length === 0) return undefined
  let matcher = matcherOf(patterns)
  let asked = 0
  return (path, isFolder) => {
    // The package remembers every path it was asked about; ten million of them would not fit.
    asked += 1
    if (asked % PATHS_REMEMBERED_MAX === 0) matcher = matcherOf(patterns)
    return matcher.ignores(textOf(path) + (isFolder ? '/' : ''))
  }
}

// About 2 MB of paths; making the patterns anew takes less than a millisecond.
const PATHS_REMEMBERED_MAX = 8_192

type Matcher = { ignores(path: string): boolean }

function matcherOf(patterns: readonly string[]): Matcher {
  try {
    // Folders are asked about before what is in them, so a name cannot be outside; the package's
    // own check of that would throw at honest names.
    return ignore({ ignorecase: false, allowRelativePaths: true }).add([...patterns])
  } catch (cause) {
    throw new SpillwayError(
      'CONFIG_INVALID',
      `the patterns cannot be read: ${patterns.join(', ')}`,
      { cause },
    )
  }
}

/** Patterns are text: a name that is UTF-8 is compared as such, any other byte for byte. */
function textOf(path: ByteString): string {
  const bytes = Buffer.from(path, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : path
}
