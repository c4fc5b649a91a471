// Which members of a tar are restored, and under which names.
//
// The tar may hold more than is wanted (it is read from its first byte when its index is damaged), so
// every member is looked at here. Folders above a wanted member are kept in mind until one comes, and
// are made then, with their own attributes. Hard links whose content was not among the wanted members are
// fetched in a second pass, in which only their targets count (`beginTargets`).

import { comparePaths } from './member-record.ts'
import { isBelow, Selection } from './extract-patterns.ts'
import { shownPath } from './extract-paths.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { ByteString, TarKind } from './tar-header.ts'
import type { PathSpec } from './extract-patterns.ts'
import type { ReadMember } from './tar-reader.ts'

/** What the index says of a member that comes next. */
export type ExpectedMember = {
  readonly path: ByteString
  readonly kind: TarKind
  readonly sizeBytes: number
}

/** A file whose content is wanted under the names of links to it. */
export type LinkTarget = { readonly path: ByteString; readonly outs: readonly ByteString[] }

/** A member and the paths below the folder that it is restored at: one, of a link target several. */
export type Chosen = {
  readonly member: ReadMember
  readonly path: ByteString
  readonly outs: readonly ByteString[]
}

export class MemberChoice {
  readonly #selection: Selection
  readonly #strip: number
  readonly #isOrdered: boolean
  // Outermost first: never more than a path has parts.
  readonly #parents: Chosen[] = []
  #targets: Map<ByteString, { readonly outs: readonly ByteString[]; isDone: boolean }> | undefined
  #last: ByteString | undefined
  #expected: ExpectedMember[] | undefined
  #nextExpected = 0

  /** `isOrdered`: members out of order, and so two of one name, are refused before anything is written. */
  constructor(input: {
    readonly paths: readonly PathSpec[]
    readonly strip: number
    readonly isOrdered: boolean
  }) {
    this.#selection = new Selection(input.paths)
    this.#strip = input.strip
    this.#isOrdered = input.isOrdered
  }

  get isTargets(): boolean {
    return this.#targets !== undefined
  }

  /** From the first call on every member must be the one that the index has named. */
  expect(members: readonly ExpectedMember[]): void {
    this.#expected = [...(this.#expected ?? []).slice(this.#nextExpected), ...members]
    this.#nextExpected = 0
  }

  /** What was announced does not come: it is damaged, or the tar begins anew. */
  forgetExpected(): void {
    if (this.#expected !== undefined) this.#expected = []
    this.#nextExpected = 0
  }

  /** Throws ARCHIVE_REFUSED when a member that the index has named did not come. */
  checkNoneMissing(): void {
    const missing = this.#expected?.[this.#nextExpected]
    if (missing !== undefined) throw disagreement(missing.path)
  }

  beginTargets(targets: readonly LinkTarget[]): void {
    this.#targets = new Map(targets.map(({ path, outs }) => [path, { outs, isDone: false }]))
    this.#last = undefined
    this.forgetExpected()
  }

  /** Names of links whose content did not come; the targets are forgotten. */
  endTargets(): ByteString[] {
    const all = [...(this.#targets?.values() ?? [])]
    this.#targets = undefined
    return all.flatMap(({ outs, isDone }) => (isDone ? [] : outs))
  }

  markDone(path: ByteString): void {
    const target = this.#targets?.get(path)
    if (target !== undefined) target.isDone = true
  }

  /** What is to be made for this member, folders above it first; [] when it is not wanted. */
  take(member: ReadMember, path: ByteString): readonly Chosen[] {
    this.#checkExpected(member, path)
    return this.takeUnread(member, path)
  }

  /** The same for a member that the tar does not say any more: its header is damaged. */
  takeUnread(member: ReadMember, path: ByteString): readonly Chosen[] {
    this.#checkOrder(path)
    if (this.#targets !== undefined) return this.#takeTarget(member, path)
    const out = this.outOf(path)
    if (!this.includes(path)) {
      if (member.kind === 'directory' && path !== '') this.#keepParent({ member, path, outs: [] })
      return []
    }
    if (out === undefined) return []
    return [...this.#takeParents(path), { member, path, outs: [out] }]
  }

  includes(path: ByteString): boolean {
    return this.#selection.includes(path)
  }

  /** undefined: `--strip` leaves nothing of it. */
  outOf(path: ByteString): ByteString | undefined {
    return strippedPath(path, this.#strip)
  }

  #takeTarget(member: ReadMember, path: ByteString): readonly Chosen[] {
    const target = this.#targets?.get(path)
    if (target === undefined) return []
    if (member.kind !== 'file')
      throw new SpillwayError(
        'ARCHIVE_REFUSED',
        `the archive has a hard link to "${shownPath(path)}", which is no file`,
      )
    return [{ member, path, outs: target.outs }]
  }

  #keepParent(parent: Chosen): void {
    this.#dropParentsNotAbove(parent.path)
    this.#parents.push(parent)
  }

  /** Those above the path that were not made yet; from now on they are. */
  #takeParents(path: ByteString): Chosen[] {
    this.#dropParentsNotAbove(path)
    return this.#parents.splice(0).flatMap((parent) => {
      const out = this.outOf(parent.path)
      return out === undefined ? [] : [{ ...parent, outs: [out] }]
    })
  }

  #dropParentsNotAbove(path: ByteString): void {
    while (this.#parents.length > 0 && !isBelow(path, this.#parents.at(-1)!.path))
      this.#parents.pop()
  }

  #checkExpected({ kind, sizeBytes }: ReadMember, path: ByteString): void {
    if (this.#expected === undefined) return
    const expected = this.#expected[this.#nextExpected]
    this.#nextExpected += 1
    const isAlike =
      expected?.path === path && expected.kind === kind && expected.sizeBytes === sizeBytes
    if (!isAlike) throw disagreement(path)
  }

  #checkOrder(path: ByteString): void {
    if (!this.#isOrdered) return
    if (this.#last !== undefined && comparePaths(this.#last, path) >= 0)
      throw new SpillwayError(
        'ARCHIVE_REFUSED',
        `the archive's member "${shownPath(path)}" comes twice, or out of order`,
      )
    this.#last = path
  }
}

/** The path without its first parts; undefined: nothing is left. */
export function strippedPath(path: ByteString, parts: number): ByteString | undefined {
  if (parts === 0) return path
  let at = -1
  for (let left = parts; left > 0; left -= 1) {
    at = path.indexOf('/', at + 1)
    if (at === -1) return undefined
  }
  return path.slice(at + 1)
}

function disagreement(path: ByteString): SpillwayError {
  return new SpillwayError(
    'ARCHIVE_REFUSED',
    `the archive's index and its tar do not agree about "${shownPath(path)}"`,
  )
}
