// Which connections stay when there are more than the daemon wants. Whoever has shown a right token, or gets a
// download, keeps his; of the others the oldest has to go, so a flood of them, idle or not, only drives itself
// out, and who comes with a token finds a place at once.

import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

type Connection = {
  readonly address: string
  isTrusted: boolean
  /** Several where requests come without waiting for answers. */
  readonly answers: Map<ServerResponse, AbortController>
}

export class Connections {
  /** Oldest first. */
  readonly #open = new Map<Socket, Connection>()
  readonly #max: number

  constructor(server: Server, max: number) {
    this.#max = max
    server.on('connection', (socket: Socket) => this.#admit(socket))
  }

  get count(): number {
    return this.#open.size
  }

  /**
   * An answer is under way on it. The signal ends with the answer, or with the connection: Node tells that
   * to the first of several answers only.
   */
  begin(socket: Socket, response: ServerResponse): AbortSignal {
    const ended = new AbortController()
    const answers = this.#open.get(socket)?.answers
    answers?.set(response, ended)
    response.once('close', () => {
      answers?.delete(response)
      ended.abort()
    })
    // It was driven out before it was read.
    if (answers === undefined) ended.abort()
    return ended.signal
  }

  trust(socket: Socket): void {
    const connection = this.#open.get(socket)
    if (connection !== undefined) connection.isTrusted = true
  }

  /** Whatever is sent now would stand in the middle of an answer, or be taken for one. */
  isAnswering(socket: Socket): boolean {
    const answers = this.#open.get(socket)?.answers ?? new Map<ServerResponse, AbortController>()
    return [...answers.keys()].some(({ headersSent, req }) => headersSent || req.complete)
  }

  #admit(socket: Socket): void {
    const address = socket.remoteAddress ?? ''
    const answers = new Map<ServerResponse, AbortController>()
    this.#open.set(socket, { address, isTrusted: false, answers })
    socket.once('close', () => {
      this.#open.delete(socket)
      for (const ended of answers.values()) ended.abort()
    })
    if (this.#open.size <= this.#max) return
    const victim = this.#stranger() ?? this.#idler() ?? socket
    // Not when it has closed: until then more may come, and each must drive out another one.
    this.#open.delete(victim)
    victim.destroy()
  }

  /** The oldest without a token, of the address that has most of them: one address costs no other its place. */
  #stranger(): Socket | undefined {
    const oldest = new Map<string, { readonly socket: Socket; count: number }>()
    for (const [socket, { address, isTrusted }] of this.#open) {
      if (isTrusted) continue
      const known = oldest.get(address)
      if (known === undefined) oldest.set(address, { socket, count: 1 })
      else known.count += 1
    }
    const [most] = [...oldest.values()].sort((a, b) => b.count - a.count)
    // A single one is the one that has just come.
    return most !== undefined && (most.count > 1 || oldest.size > 1) ? most.socket : undefined
  }

  #idler(): Socket | undefined {
    for (const [socket, { isTrusted, answers }] of this.#open)
      if (isTrusted && answers.size === 0) return socket
    return undefined
  }
}
