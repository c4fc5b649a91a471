// Tar bytes -> members with their content, read twice: by our own guard and by tar-stream, which must see
// every member alike (size smuggling lives from readers that do not). For verifying and for single files:
// so what is verified is what other programs will find in the archive, too. It takes 25 us a member.
//
// Blocks may lie in memory that is used again as soon as `write` resolves: tar-stream is only given
// whole headers and extensions, so that nothing of a block stays behind in it.

import { extract } from 'tar-stream'
import { TarGuard } from './tar-guard.ts'
import { SparseReader } from './tar-sparse.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { ByteString } from './tar-header.ts'
import type { GuardedHeader } from './tar-guard.ts'
import type { MemberHandler, ReadMember } from './tar-reader.ts'

/** What is used of tar-stream; its own declarations lack the encoding. */
type TarStream = {
  on(event: 'entry', listener: (header: Headers, content: Content, next: () => void) => void): void
  on(event: 'drain' | 'finish' | 'close', listener: () => void): void
  on(event: 'error', listener: (error: Error) => void): void
  write(bytes: Buffer): boolean
  end(): void
  destroy(): void
}

type Headers = {
  readonly name: string
  readonly type: string | null
  readonly size: number
  readonly linkname: string | null
}

type Content = {
  on(event: 'data', listener: (bytes: Buffer) => void): void
  on(event: 'end', listener: () => void): void
  on(event: 'error', listener: (error: Error) => void): void
}

const openTarStream = extract as unknown as (options: {
  readonly filenameEncoding: 'latin1'
  readonly highWaterMark: number
}) => TarStream

type Settle = { readonly resolve: () => void; readonly reject: (error: unknown) => void }

export class TarCrossReader {
  readonly #handler: MemberHandler
  readonly #extract: TarStream
  readonly #guard = new TarGuard((header) => void this.#expected.push(header))
  // What the guard has seen of the block under way, for tar-stream to repeat.
  readonly #expected: GuardedHeader[] = []
  #repeated = 0
  #unsettled: Buffer = Buffer.alloc(0)
  #waiting: Settle | undefined
  #failure: Error | undefined

  constructor(handler: MemberHandler) {
    this.#handler = handler
    // A high water mark of 1 makes every write wait for its "drain", which comes when all is consumed.
    this.#extract = openTarStream({ filenameEncoding: 'latin1', highWaterMark: 1 })
    this.#extract.on('entry', (header, content, next) =>
      this.#guarded(() => this.#onEntry(header, content, next)),
    )
    this.#extract.on('drain', () => this.#settle())
    this.#extract.on('finish', () => this.#settle())
    this.#extract.on('error', (error) => this.#fail(damaged(error)))
    // After a failure nothing else would say that no more is coming.
    this.#extract.on('close', () => this.#fail(damaged('it ended too early')))
  }

  /** Resolves when everything in `block` that is whole was handed over. One call at a time. */
  async write(block: Buffer): Promise<void> {
    const bytes = this.#unsettled.length > 0 ? Buffer.concat([this.#unsettled, block]) : block
    const settled = this.#guard.scan(bytes)
    this.#unsettled = Buffer.from(bytes.subarray(settled))
    if (settled > 0) await this.#waitFor(() => this.#extract.write(bytes.subarray(0, settled)))
    this.#checkRepeated()
  }

  /** Rejects when the tar has no end. */
  async finish(): Promise<void> {
    this.#guard.finish(this.#unsettled.length)
    await this.#waitFor(() => this.#extract.end())
    this.#checkRepeated()
  }

  #onEntry(header: Headers, content: Content, next: () => void): void {
    const member = this.#agree(header)
    content.on('error', (error) => this.#fail(damaged(error)))
    this.#handler.begin(member)
    if (member.storedBytes === 0) {
      this.#handler.end()
      // Not at once: a long row of members without content would become as deep a recursion.
      queueMicrotask(next)
      return
    }
    let missing = member.storedBytes
    const sparse = member.isSparse ? new SparseReader(member, this.#handler) : undefined
    content.on('data', (bytes) =>
      this.#guarded(() => {
        missing -= bytes.length
        if (sparse === undefined) this.#handler.content(bytes)
        else sparse.take(bytes)
      }),
    )
    content.on('end', () =>
      this.#guarded(() => {
        if (missing !== 0) throw disagreement(member.offsetBytes)
        sparse?.end()
        this.#handler.end()
        next()
      }),
    )
  }

  /** The member as both see it. */
  #agree(header: Headers): ReadMember {
    const guarded = this.#expected[this.#repeated]
    if (guarded === undefined) throw disagreement(undefined)
    this.#repeated += 1
    const type = TYPES[header.type ?? ''] ?? header.type
    const isAlike =
      type === guarded.kind &&
      header.size === guarded.storedBytes &&
      isSameText(header.name, guarded.headerName) &&
      isSameText(header.linkname ?? '', guarded.linkTarget)
    if (!isAlike) throw disagreement(guarded.offsetBytes)
    return guarded
  }

  #checkRepeated(): void {
    if (this.#repeated !== this.#expected.length)
      throw disagreement(this.#expected[this.#repeated]?.offsetBytes)
    this.#expected.length = 0
    this.#repeated = 0
  }

  async #waitFor(start: () => void): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    await new Promise<void>((resolve, reject) => {
      this.#waiting = { resolve, reject }
      start()
    })
  }

  #settle(): void {
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  /** A handler's exception must not fall through tar-stream, which would lose it. */
  #guarded(work: () => void): void {
    if (this.#failure !== undefined) return
    try {
      work()
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(messageOf(error)))
      this.#extract.destroy()
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#waiting?.reject(this.#failure)
    this.#waiting = undefined
  }
}

/** Where tar-stream's words are not ours. */
const TYPES: Readonly<Record<string, string>> = {
  link: 'hard-link',
  'contiguous-file': 'file',
}

/** tar-stream has read the bytes of a pax record as UTF-8, those of a GNU name as latin1. */
function isSameText(text: string, bytes: ByteString): boolean {
  if (text === bytes) return true
  return text === Buffer.from(bytes, 'latin1').toString('utf8')
}

function disagreement(offset: number | undefined): SpillwayError {
  const where = offset === undefined ? '' : ` at byte ${offset} of it`
  return new SpillwayError('ARCHIVE_REFUSED', `the tar can be read in two ways${where}`)
}

function damaged(error: unknown): SpillwayError {
  const message = `the tar is damaged: ${messageOf(error)}`
  return new SpillwayError('ARCHIVE_CORRUPT', message, { cause: error })
}
