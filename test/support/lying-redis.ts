// A server that speaks just enough of Redis' protocol to lie about everything: its log-in, its INFO, and the
// snapshot that it sends.

import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { Crc64 } from '../../src/sources/crc64.ts'

export const SOUND_INFO =
  'redis_version:7.0.15\r\nrole:master\r\nloading:0\r\ndb0:keys=3,expires=0\r\n'

/** A snapshot with one key, as it has to be. */
export function snapshot(head = 'REDIS0010'): Buffer {
  const key = Buffer.from('\x00\x03key\x05value', 'latin1')
  const content = [Buffer.from(head), Buffer.from([0xfe, 0, 0xfb, 1, 0]), key, Buffer.from([0xff])]
  return withChecksum(Buffer.concat(content))
}

export function withChecksum(content: Buffer): Buffer {
  const crc = new Crc64('jones')
  crc.update(content)
  const checksum = Buffer.alloc(8)
  checksum.writeBigUInt64LE(crc.value())
  return Buffer.concat([content, checksum])
}

export type Lies = {
  readonly auth?: string
  readonly info?: string
  readonly onSync: (socket: Socket) => void
}

export class LyingRedis {
  readonly port: number
  readonly #server: Server
  readonly #sockets: Set<Socket>

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server
    this.#sockets = sockets
    this.port = (server.address() as AddressInfo).port
  }

  static async start(lies: Lies): Promise<LyingRedis> {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
      socket.on('data', (data) => {
        // A client of ours waits for each answer.
        const [, , word = ''] = data.toString('latin1').split('\r\n')
        if (word === 'AUTH') socket.write(`${lies.auth ?? '+OK'}\r\n`)
        if (word === 'REPLCONF') socket.write('+OK\r\n')
        if (word === 'INFO') socket.write(answerOf(lies.info ?? SOUND_INFO))
        if (word === 'SYNC') lies.onSync(socket)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new LyingRedis(server, sockets)
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function answerOf(info: string): string {
  return info.startsWith('-') ? `${info}\r\n` : `$${info.length}\r\n${info}\r\n`
}
