// The live test of a server of databases that is not saved yet: whether its tools are there and new enough, and
// which databases a run would dump.

import type { Source } from '../domain/source.ts'
import { formatBytes } from '../domain/sizes.ts'
import type { Packer, Surveyed } from '../pack/packer.ts'
import type { TestResult } from './configure-test-server.ts'

export type TestSource = (source: Source, signal: AbortSignal) => Promise<TestResult>

// Of more a person sees the number.
const SHOWN_MAX = 20

export async function testSource(
  packer: Pick<Packer, 'survey'>,
  source: Source,
  signal: AbortSignal,
): Promise<TestResult> {
  return { ok: true, lines: linesOf(await packer.survey({ source, ownPaths: [] }, signal)) }
}

function linesOf({ parts = [], sourceBytes }: Surveyed): string[] {
  const lines = parts
    .slice(0, SHOWN_MAX)
    .map(({ name, sizeBytes }) => `${sizeOf(sizeBytes).padStart(9)}  ${name}`)
  if (parts.length <= SHOWN_MAX) return lines
  return [...lines, `and ${parts.length - SHOWN_MAX} more, ${sizeOf(sourceBytes)} together`]
}

function sizeOf(bytes: number | undefined): string {
  return bytes === undefined ? '?' : formatBytes(bytes)
}
