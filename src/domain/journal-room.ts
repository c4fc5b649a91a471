// What a journal has room for. What tells how far a source is and what became of an archive is a few lines for each,
// and whoever reads the journal takes an archive for lost whose lines are missing: there is always room for it.
// A disk full of unreadable files has a million warnings, and those are all alike.

const PLURALS = { warning: 'warnings', note: 'notes', line: 'lines' } as const

type Chatter = keyof typeof PLURALS

export type Place = {
  readonly isKept: boolean
  /** Said in place of the first one that is not kept. */
  readonly note:
    { readonly kind: 'note'; readonly about: undefined; readonly message: string } | undefined
}

export class JournalRoom {
  readonly #max: number
  readonly #counts = new Map<Chatter, number>()

  /** So many of each kind that may come without end. */
  constructor(max: number) {
    this.#max = max
  }

  take(kind: unknown): Place {
    if (!isChatter(kind)) return { isKept: true, note: undefined }
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    return {
      isKept: count <= this.#max,
      note: count === this.#max + 1 ? this.#noteOf(kind) : undefined,
    }
  }

  #noteOf(kind: Chatter): Place['note'] {
    const message =
      `the journal has room for ${this.#max} of each kind: ` +
      `the ${PLURALS[kind]} that came after these are not in it`
    return { kind: 'note', about: undefined, message }
  }
}

function isChatter(kind: unknown): kind is Chatter {
  return typeof kind === 'string' && Object.hasOwn(PLURALS, kind)
}
