// A client for Redis and Valkey that knows how to log in, to ask INFO and to take a snapshot as a replica
// does (SYNC). Our own, since redis-cli gets a password by its arguments or its environment, which others
// can see, and `redis-cli --rdb -` leaves the 40 bytes of the mark behind a snapshot that ends with one.
//
// It runs in a child process: between two pieces it may wait for whoever reads the output.

import { readFileSync } from 'node:fs'
import { connect as connectPlain, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { RedisAddress } from '../domain/source.ts'
import { databaseFailed } from './database-failure.ts'
import { refused } from './redis-refusal.ts'

export type RedisOrder = {
  readonly address: RedisAddress
  readonly password: string | undefined
  /** How the server is called in a message. */
  readonly text: string
  /** Without a byte for so long a snapshot has failed; the server sends one each ten seconds while it prepares it. */
  readonly silenceMs: number
}

// A server that is up answers at once; one that swaps, or ends a slow script, within a minute.
const ANSWER_MS = 60_000
// INFO of a server with all its modules is some 10 kB.
const ANSWER_BYTES_MAX = 16 * 1024 * 1024
const LINE_BYTES_MAX = 64 * 1024
// `$EOF:` and so many characters that end the snapshot.
const MARK_BYTES = 40
const LINE_END = Buffer.from('\r\n')

export class RedisClient {
  readonly #order: RedisOrder
  readonly #socket: Socket
  readonly #pieces: AsyncIterator<Buffer>
  /** Come, and not yet used. */
  #bytes: Buffer = Buffer.alloc(0)

  private constructor(order: RedisOrder, socket: Socket) {
    this.#order = order
    this.#socket = socket
    // Whoever waits for a piece hears of it.
    socket.on('error', () => undefined)
    this.#pieces = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  /** Logged in. Rejects with SOURCE_DATABASE_FAILED, as all that follows. */
  static async open(order: RedisOrder): Promise<RedisClient> {
    const client = new RedisClient(order, await connected(order))
    try {
      const { password, address } = order
      const { user } = address
      // A user who needs no password must still be named, or the server takes us for its default user.
      if (password !== undefined || user !== undefined)
        await client.command(['AUTH', ...(user === undefined ? [] : [user]), password ?? ''])
      return client
    } catch (error) {
      client.close()
      throw error
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  async command(words: readonly string[]): Promise<string> {
    this.#send(words)
    const line = await this.#line(ANSWER_MS)
    switch (line[0]) {
      case '+':
      case ':':
        return line.slice(1)
      case '$':
        return this.#bulk(Number(line.slice(1)))
      default:
        throw this.#refused(line)
    }
  }

  /** For what older servers do not know, and need not. */
  async wish(words: readonly string[]): Promise<void> {
    this.#send(words)
    const line = await this.#line(ANSWER_MS)
    if (!/^[+-]/.test(line)) throw this.#refused(line)
  }

  /** Hands on each piece of a snapshot, to its end. */
  async snapshot(take: (piece: Buffer) => void): Promise<void> {
    const { silenceMs } = this.#order
    await this.wish(['REPLCONF', 'capa', 'eof'])
    // Then the server keeps no writes for us meanwhile (Redis 7).
    await this.wish(['REPLCONF', 'rdb-only', '1'])
    this.#send(['SYNC'])
    let line = ''
    // An empty line: it is still preparing the snapshot.
    while (line === '') line = await this.#line(silenceMs)
    const [, mark] = /^\$EOF:(.+)$/.exec(line) ?? []
    const [, length] = /^\$(\d+)$/.exec(line) ?? []
    if (mark?.length === MARK_BYTES) await this.#until(Buffer.from(mark, 'latin1'), take)
    else if (length !== undefined) await this.#exactly(Number(length), take)
    else throw this.#refused(line)
  }

  async #until(mark: Buffer, take: (piece: Buffer) => void): Promise<void> {
    for (;;) {
      const end = this.#bytes.indexOf(mark)
      // What could be the beginning of the mark stays.
      const known = end >= 0 ? end : Math.max(0, this.#bytes.length - (MARK_BYTES - 1))
      if (known > 0) take(this.#bytes.subarray(0, known))
      this.#bytes = this.#bytes.subarray(known)
      if (end >= 0) return
      await this.#more(this.#order.silenceMs)
    }
  }

  async #exactly(length: number, take: (piece: Buffer) => void): Promise<void> {
    for (let left = length; left > 0;) {
      if (this.#bytes.length === 0) await this.#more(this.#order.silenceMs)
      const piece = this.#bytes.subarray(0, left)
      take(piece)
      this.#bytes = this.#bytes.subarray(piece.length)
      left -= piece.length
    }
  }

  #send(words: readonly string[]): void {
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
    this.#socket.write(`*${words.length}\r\n${parts.join('')}`)
  }

  async #bulk(length: number): Promise<string> {
    if (!(length >= 0 && length <= ANSWER_BYTES_MAX)) throw this.#refused(`$${length}`)
    const needed = length + LINE_END.length
    while (this.#bytes.length < needed) await this.#more(ANSWER_MS)
    const text = this.#bytes.toString('utf8', 0, length)
    this.#bytes = this.#bytes.subarray(needed)
    return text
  }

  /** Also one that ends by a newline alone, which is how a server says that it is there. */
  async #line(timeoutMs: number): Promise<string> {
    for (;;) {
      const end = this.#bytes.indexOf('\n')
      if (end >= 0) {
        const line = this.#bytes.toString('latin1', 0, end).replace(/\r$/, '')
        this.#bytes = this.#bytes.subarray(end + 1)
        return line
      }
      if (this.#bytes.length > LINE_BYTES_MAX) throw this.#refused('')
      await this.#more(timeoutMs)
    }
  }

  async #more(timeoutMs: number): Promise<void> {
    const { text } = this.#order
    const timer = setTimeout(() => {
      const silent = `${text} did not answer for ${timeoutMs / 1_000} seconds`
      this.#socket.destroy(
        databaseFailed(silent, 'is it overloaded, or is something between here and there?'),
      )
    }, timeoutMs)
    try {
      const next = await this.#pieces.next()
      if (next.done === true)
        throw databaseFailed(
          `${text} closed the connection before its answer was whole`,
          'see the log of the server; does its client-output-buffer-limit for replicas suffice?',
        )
      this.#bytes = this.#bytes.length === 0 ? next.value : Buffer.concat([this.#bytes, next.value])
    } catch (cause) {
      if (cause instanceof SpillwayError) throw cause
      throw databaseFailed(`${text}: the connection broke: ${messageOf(cause)}`, undefined, cause)
    } finally {
      clearTimeout(timer)
    }
  }

  #refused(line: string): SpillwayError {
    return refused(this.#order.text, line)
  }
}

async function connected(order: RedisOrder): Promise<Socket> {
  const { at, tls } = order.address
  try {
    const socket =
      tls === undefined
        ? connectPlain(at)
        : connectTls({
            ...at,
            ...('host' in at && isIP(at.host) === 0 ? { servername: at.host } : {}),
            ...(tls.caFile === undefined ? {} : { ca: readFileSync(tls.caFile) }),
            ...(tls.certFile === undefined ? {} : { cert: readFileSync(tls.certFile) }),
            ...(tls.keyFile === undefined ? {} : { key: readFileSync(tls.keyFile) }),
          })
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once(tls === undefined ? 'connect' : 'secureConnect', () => resolve())
        socket.once('error', reject)
        timer = setTimeout(
          () => socket.destroy(new Error(`no answer within ${ANSWER_MS / 1_000} seconds`)),
          ANSWER_MS,
        )
      })
    } finally {
      clearTimeout(timer)
    }
    return socket
  } catch (cause) {
    throw databaseFailed(
      `${order.text} cannot be reached: ${messageOf(cause)}`,
      tls === undefined
        ? 'is the server up, and is SOURCE_N_REDIS right? A server with TLS wants rediss://'
        : 'is the server up, does it speak TLS, and does ?sslrootcert= name the authority of its certificate?',
      cause,
    )
  }
}
