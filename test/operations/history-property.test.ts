// Random nights against a model that keeps every tree whole: archives deleted anywhere, recorded late or
// in the wrong order, recordings that die in the middle. What is left must be answered exactly.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { changesOf, pathHistory } from '../../src/operations/history.ts'
import { diffArchives } from '../../src/operations/diff.ts'
import { findFiles } from '../../src/operations/find.ts'
import { recordMembers } from '../../src/operations/history-recorder.ts'
import { configOf, openStory, s3Server } from '../support/catalog-story.ts'
import {
  deleteArchive,
  fileState,
  inBlocks,
  membersOf,
  recordTree,
} from '../support/file-nights.ts'
import type { ArchiveRow } from '../../src/catalog/catalog.ts'
import type { Story } from '../support/catalog-story.ts'
import type { Tree } from '../support/file-nights.ts'
import type { FileState } from '../../src/domain/file-history.ts'

const near = s3Server(1)
const config = configOf({ servers: [near] })
const signal = new AbortController().signal

// Few names, so that they come and go; the slash sorts below "-" and ".", where a plain sort is wrong.
const NAMES = ['a', 'a-b', 'a/x', 'a/x/y', 'a.c', 'b', 'caf\xc3\xa9', 'n\nl', 'z/1', 'z/2']

type Step =
  | { readonly kind: 'night'; readonly edits: readonly Edit[]; readonly isRecorded: boolean }
  | { readonly kind: 'die'; readonly after: number }
  | { readonly kind: 'catch up'; readonly which: number }
  | { readonly kind: 'delete'; readonly which: number }

type Edit = { readonly path: string; readonly state: FileState | undefined }

const edit: fc.Arbitrary<Edit> = fc.record({
  path: fc.constantFrom(...NAMES),
  state: fc.option(
    fc
      .record({
        sizeBytes: fc.constantFrom(0, 10, 5_000_000_000),
        mtimeNanos: fc.constantFrom(0, 1, 999_999_999),
        mtimeSeconds: fc.constantFrom(1_700_000_000, -5),
        mode: fc.constantFrom(0o644, 0o4755),
        kind: fc.constantFrom('file' as const, 'symlink' as const),
      })
      .map(fileState),
    { nil: undefined, freq: 3 },
  ),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('night' as const),
      edits: fc.array(edit, { maxLength: 4 }),
      isRecorded: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('die' as const), after: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('catch up' as const), which: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), which: fc.nat(30) }) },
)

it('answers exactly what the archives that are left hold', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }),
      async (steps) => {
        const story = await openStory([near])
        try {
          const world = new Nights(story)
          for (const each of steps) await world.take(each)
          await world.compare()
        } finally {
          await story.catalog.close()
        }
      },
    ),
    { numRuns: 40 },
  )
}, 60_000)

class Nights {
  readonly #story: Story
  readonly #trees = new Map<string, Tree>()
  #tree: Tree = new Map([['', fileState({ kind: 'directory' })]])
  #archives: ArchiveRow[] = []
  #pending: ArchiveRow[] = []
  #day = 0

  constructor(story: Story) {
    this.#story = story
  }

  async take(step: Step): Promise<void> {
    if (step.kind === 'night') await this.#night(step.edits, step.isRecorded)
    if (step.kind === 'die') await this.#die(step.after)
    if (step.kind === 'catch up') await this.#catchUp(step.which)
    if (step.kind === 'delete') await this.#delete(step.which)
  }

  async #night(edits: readonly Edit[], isRecorded: boolean): Promise<void> {
    const tree = new Map(this.#tree)
    for (const { path, state } of edits)
      if (state === undefined) tree.delete(path)
      else tree.set(path, state)
    this.#tree = tree
    this.#day += 1
    const at = new Date(Date.UTC(2026, 0, this.#day, 2, 30)).toISOString()
    const archive = await this.#story.store('etc', at, [near], { sizeBytes: 1_000 })
    this.#trees.set(archive.id, tree)
    this.#archives.push(archive)
    if (isRecorded) await recordTree(this.#story, archive, tree, 3)
    else this.#pending.push(archive)
  }

  /** The process dies while the members are read, with blocks put aside or not. */
  async #die(after: number): Promise<void> {
    const [archive] = this.#pending
    if (archive === undefined) return
    const members = membersOf(this.#trees.get(archive.id)!)
    async function* dying() {
      yield* inBlocks(members.slice(0, after), 2)
      throw new Error('killed')
    }
    const { catalog } = this.#story
    await expect(recordMembers(catalog, archive, dying(), signal)).rejects.toThrow('killed')
    const [history] = await catalog.histories({ host: 'web1', source: 'etc' })
    const recording = await catalog.beginRecording('web1', 'etc')
    const junk = { segment: 0, versionCount: 1, firstPath: 'a', bytes: Buffer.from('junk') }
    await catalog.stageHistory(recording, [junk])
    expect(await catalog.historyBlocks(recording.historyId)).toMatchObject({
      generation: history?.generation ?? 0,
    })
  }

  async #catchUp(which: number): Promise<void> {
    const [archive] = this.#pending.splice(which % Math.max(1, this.#pending.length), 1)
    if (archive === undefined) return
    await recordTree(this.#story, archive, this.#trees.get(archive.id)!, 2)
    // Twice is once.
    await recordTree(this.#story, archive, new Map())
  }

  async #delete(which: number): Promise<void> {
    const [archive] = this.#archives.splice(which % Math.max(1, this.#archives.length), 1)
    if (archive === undefined) return
    this.#pending = this.#pending.filter(({ id }) => id !== archive.id)
    await deleteArchive(this.#story, archive)
  }

  async compare(): Promise<void> {
    const services = { catalog: this.#story.catalog, config }
    const known = this.#archives.filter((archive) => !this.#pending.includes(archive))
    const input = { source: undefined, includesDeleted: false }
    const { files, unknown } = await findFiles(services, {
      ...input,
      pattern: '**',
      ignoresCase: false,
      limit: 1_000,
    })
    expect(unknown.map(({ id }) => id)).toEqual(this.#pending.map(({ id }) => id))
    const expected = new Map<string, readonly unknown[]>()
    for (const name of NAMES) {
      const versions = this.#expected(name, known)
      if (versions.length > 0) expected.set(Buffer.from(name, 'latin1').toString(), versions)
    }
    expect(files.map(({ path }) => path).toSorted()).toEqual([...expected.keys()].toSorted())
    for (const [path, versions] of expected) {
      const { histories } = await pathHistory(services, { ...input, path })
      expect(histories.map((history) => history.versions)).toMatchObject([versions])
    }
    for (const file of files) {
      const versions = expected.get(file.path) as {
        archives: { id: string }[]
        sizeBytes: number
      }[]
      expect(file.newest?.id).toBe(versions.at(-1)?.archives.at(-1)?.id)
      expect(file.sizeBytes).toBe(versions.at(-1)?.sizeBytes)
      expect(file.archives).toBe(versions.flatMap(({ archives }) => archives).length)
    }
    for (const [place, to] of known.entries()) {
      const from = known[(place * 7) % known.length]!
      const found = await diffArchives(services, { from: from.id, to: to.id, limit: 1_000 })
      expect(found.differences.map(({ path, difference }) => [path, difference])).toEqual(
        this.#difference(from, to),
      )
    }
  }

  /** What `history` must say: run by run over the archives that are left. */
  #expected(name: string, known: readonly ArchiveRow[]): readonly unknown[] {
    const versions: {
      state: FileState
      since: string
      until: string | null
      isGoneThen: boolean
      event: string
      archives: { id: string }[]
    }[] = []
    let before: FileState | undefined
    for (const { id, startedAt } of known) {
      const state = this.#trees.get(id)!.get(name)
      const at = startedAt.toISOString()
      const last = versions.at(-1)
      const isSame =
        before !== undefined && state !== undefined && changesOf(before, state).length === 0
      if (isSame) last!.archives.push({ id })
      else {
        if (last !== undefined && before !== undefined) {
          last.until = at
          last.isGoneThen = state === undefined
        }
        const event =
          last === undefined ? 'appeared' : before === undefined ? 'returned' : 'changed'
        if (state !== undefined)
          versions.push({
            state,
            since: at,
            until: null,
            isGoneThen: false,
            event,
            archives: [{ id }],
          })
      }
      before = state
    }
    return versions.map(({ state, ...rest }) => ({
      ...rest,
      kind: state.kind,
      sizeBytes: state.sizeBytes,
    }))
  }

  #difference(from: ArchiveRow, to: ArchiveRow): readonly (readonly [string, string])[] {
    const [before, after] = [this.#trees.get(from.id)!, this.#trees.get(to.id)!]
    const paths = membersOf(new Map([...before, ...after])).map(({ path }) => path)
    return paths.flatMap((path): (readonly [string, string])[] => {
      const [old, now] = [before.get(path), after.get(path)]
      const text = Buffer.from(path, 'latin1').toString()
      if (old === undefined) return [[text, 'added']]
      if (now === undefined) return [[text, 'removed']]
      return changesOf(old, now).length > 0 ? [[text, 'changed']] : []
    })
  }
}
