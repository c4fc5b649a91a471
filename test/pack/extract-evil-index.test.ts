// Hostile archives by position: indexes, manifests and seek tables that lie, and every trick of
// a tar on that way, too. Refused or contained, within bounded time and memory, nothing outside changed.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { evilArchive } from '../support/evil-archive.ts'
import { evilCases } from '../support/evil-tar.ts'
import { evilIndexCases } from '../support/evil-index.ts'
import { failureOf, SpillwayError } from '../../src/domain/errors.ts'
import { inThisThread, tailOf } from '../support/restore-parts.ts'
import { parsePathPattern } from '../../src/pack/extract-patterns.ts'
import { describeTree, removeTree } from '../support/tree.ts'
import type { PathSpec } from '../../src/pack/extract-patterns.ts'
import type { UnpackPartsInput, UnpackResult } from '../../src/pack/unpacker.ts'

// A bomb of 4 GB, or paths of 20, would be far beyond both.
const MEMORY_BYTES_MAX = 300 * 1024 * 1024
const TIME_MS_MAX = 20_000

let base: string
let outside: string
let target: string

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'spillway-evil-'))
  outside = join(base, 'outside')
  target = join(base, 'restored')
  mkdirSync(outside)
  writeFileSync(join(outside, 'canary'), 'must not change')
  mkdirSync(join(base, 'restored-evil'))
  mkdirSync(target)
})

afterEach(() => removeTree(base))

// The real folder is only known later.
const tarNames = evilCases('/placeholder').map(({ name }) => name)
const indexNames = evilIndexCases('/placeholder').map(({ name }) => name)

it('are a hundred and more, each of its own kind', () => {
  expect(new Set([...tarNames, ...indexNames]).size).toBeGreaterThanOrEqual(100)
})

describe('a hostile tar with an honest seek table, read by position [F90]', () => {
  it.each(tarNames)('is harmless: %s', async (name) => {
    const evil = evilCases(outside).find((one) => one.name === name)!
    // The end marker is part of what is tried here, so it must not be added to what is given.
    const archive = await evilArchive({ members: [{ tar: evil.tar(), index: { path: '' } }] })

    const outcome = await restored(archive, {})

    if (evil.ends === 'contained') expectContained(outcome)
    // What was no end, and what came behind one, is covered by the end that follows here.
    else if (outcome instanceof Error) expect(failureOf(outcome).exit).toBeLessThan(40)
    else expect(evil.ends).toBe('ARCHIVE_CORRUPT')
  })
})

describe('an archive whose index, manifest or seek table lies [F90]', () => {
  it.each(indexNames)('is harmless: %s', async (name) => {
    const evil = evilIndexCases(outside).find((one) => one.name === name)!
    const archive = await evil.archive()
    const paths = (evil.paths ?? []).map((text): PathSpec => {
      const { isGlob, base: path } = parsePathPattern(text)
      return isGlob ? { kind: 'glob', text } : { kind: 'exact', path }
    })

    const outcome = await restored(archive, {
      paths,
      strip: evil.strip,
      overwrite: evil.overwrite,
    })

    if (evil.ends === 'contained') expectContained(outcome)
    else if (evil.ends === 'not opened')
      expect(outcome).toMatchObject({ code: expect.stringMatching(/^ARCHIVE_/) as string })
    else expect(outcome).toMatchObject({ code: evil.ends })
  })
})

/** By position. Everything around the target is the same afterwards; time and memory are bounded. */
async function restored(
  archive: Buffer,
  options: Pick<UnpackPartsInput, 'paths' | 'strip' | 'overwrite'>,
): Promise<UnpackResult | SpillwayError> {
  const before = around()
  const memory = process.memoryUsage().rss
  const startedMs = performance.now()
  let outcome: UnpackResult | SpillwayError
  try {
    const tail = await tailOf(archive)
    const input = { tail, directory: target, ...options }
    outcome = await inThisThread().unpackParts(input, new AbortController().signal)
  } catch (error) {
    if (!(error instanceof SpillwayError)) throw error
    outcome = error
  }
  expect(around()).toEqual(before)
  expect(performance.now() - startedMs).toBeLessThan(TIME_MS_MAX)
  expect(process.memoryUsage().rss - memory).toBeLessThan(MEMORY_BYTES_MAX)
  return outcome
}

function expectContained(outcome: UnpackResult | SpillwayError): void {
  if (!(outcome instanceof SpillwayError)) return
  expect(failureOf(outcome).exit).toSatisfy((exit: number) => exit >= 30 && exit <= 39)
}

function around(): readonly string[] {
  return describeTree(base).filter((line) => !/^restored[ /]/.test(line))
}
