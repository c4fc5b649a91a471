// What would become of members and of what is in the folder already, for a restore that is only planned. It
// looks and changes nothing; the restore itself decides anew, member by member (pack/extract-placer.ts).

import { lstatSync } from 'node:fs'
import { mayReplaceStats } from '../pack/extract-overwrite.ts'
import { resolve } from 'node:path'
import { strippedPath } from '../pack/extract-choice.ts'
import { printablePath } from '../lib/printable-path.ts'
import type { IndexedMember } from '../pack/member-record.ts'
import type { OverwriteRule } from '../pack/extract-overwrite.ts'

export type Fate = 'write' | 'replace' | 'keep'

export type FatedMember = {
  readonly fate: Fate
  readonly path: string
  /** Below the folder, as it would be called there. */
  readonly out: string
  readonly kind: IndexedMember['kind']
  readonly sizeBytes: number
}

/** undefined: stripped away. */
export function fateOf(
  { path, kind, sizeBytes, mtimeSeconds, mtimeNanos }: IndexedMember,
  input: {
    readonly to: string
    readonly strip: number
    readonly overwrite: OverwriteRule | undefined
  },
): FatedMember | undefined {
  const out = strippedPath(path, input.strip)
  if (out === undefined) return undefined
  const mtimeUs = mtimeSeconds * 1e6 + Math.floor(mtimeNanos / 1_000)
  const facts = { path: printablePath(path), out: printablePath(out), kind, sizeBytes }
  return {
    fate: fateThere(
      `${Buffer.from(resolve(input.to)).toString('latin1')}/${out}`,
      mtimeUs,
      kind,
      input.overwrite,
    ),
    ...facts,
  }
}

function fateThere(
  at: string,
  mtimeUs: number,
  kind: IndexedMember['kind'],
  rule: OverwriteRule | undefined,
): Fate {
  const there = statsOf(at)
  if (there === undefined || rule === undefined) return 'write'
  if (!mayReplaceStats(there.mtimeNs, mtimeUs, rule)) return 'keep'
  return there.isDirectory() && kind !== 'directory' ? 'keep' : 'replace'
}

function statsOf(at: string) {
  try {
    // As bytes: names of an archive need not be text.
    return lstatSync(Buffer.from(at, 'latin1'), { bigint: true, throwIfNoEntry: false })
  } catch {
    // A file where a folder is needed, or a folder that we may not look into.
    return undefined
  }
}
