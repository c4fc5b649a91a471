// Bodies in signed chunks (STREAMING-AWS4-HMAC-SHA256-PAYLOAD), as minio's client sends them over plain HTTP, and with it
// restic: each chunk names its length and a signature over its bytes and the signature before it. For the benchmark's
// peers alone (the switch `takesSignedChunks`): our client must never send such a body.

import { createHash, createHmac } from 'node:crypto'
import { refusal } from './s3-model-answers.ts'

export const SIGNED_CHUNKS = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'

export type ChunkSigning = {
  readonly key: Buffer
  readonly date: string
  readonly scope: string
  /** Of the request's headers: the first chunk goes on from it. */
  readonly signature: string
}

// "10000;chunk-signature=" and 64 digits; longer is none of this format.
const HEADER_BYTES_MAX = 128
const HEADER = /^([0-9a-f]{1,8});chunk-signature=([0-9a-f]{64})$/
const EMPTY_SHA256 = createHash('sha256').digest('hex')
const LINE_END = Buffer.from('\r\n')

/** The bytes without their framing. `checks` false: signatures are believed. */
export async function* unframed(
  body: AsyncIterable<Buffer>,
  signing: ChunkSigning,
  checks: boolean,
): AsyncGenerator<Buffer> {
  const input = new Input(body[Symbol.asyncIterator]())
  let before = signing.signature
  for (;;) {
    const [, length = '', signature = ''] = HEADER.exec(await input.line()) ?? []
    if (signature === '') throw refusal('IncompleteBody', 'a chunk without a header')
    const hash = createHash('sha256')
    for (let left = Number.parseInt(length, 16); left > 0;) {
      const piece = await input.take(left)
      left -= piece.length
      if (checks) hash.update(piece)
      yield piece
    }
    if ((await input.line()) !== '') throw refusal('IncompleteBody', 'a chunk longer than it said')
    if (checks && signature !== signatureOf(signing, before, hash.digest('hex')))
      throw refusal('SignatureDoesNotMatch', 'the signature of a chunk does not match')
    if (Number.parseInt(length, 16) === 0) return
    before = signature
  }
}

function signatureOf({ key, date, scope }: ChunkSigning, before: string, sha256: string): string {
  const text = ['AWS4-HMAC-SHA256-PAYLOAD', date, scope, before, EMPTY_SHA256, sha256].join('\n')
  return createHmac('sha256', key).update(text).digest('hex')
}

/** What came and was not taken yet. */
class Input {
  readonly #from: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(from: AsyncIterator<Buffer>) {
    this.#from = from
  }

  /** Without its end. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(LINE_END)
      if (end >= 0) {
        const line = this.#rest.toString('latin1', 0, end)
        this.#rest = this.#rest.subarray(end + LINE_END.length)
        return line
      }
      if (this.#rest.length > HEADER_BYTES_MAX)
        throw refusal('IncompleteBody', 'a line that does not end')
      this.#rest = Buffer.concat([this.#rest, await this.#next()])
    }
  }

  /** At least one byte, and at most so many. */
  async take(bytesMax: number): Promise<Buffer> {
    if (this.#rest.length === 0) this.#rest = await this.#next()
    const piece = this.#rest.subarray(0, bytesMax)
    this.#rest = this.#rest.subarray(piece.length)
    return piece
  }

  async #next(): Promise<Buffer> {
    const next = await this.#from.next()
    if (next.done === true) throw refusal('IncompleteBody', 'the body ends within a chunk')
    return next.value
  }
}
