// What went over the wires of the model server since it started: the bytes of its connections, headers and all, and
// the requests. `npm run bench` asks before and after each program.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'

export type Traffic = {
  readonly requests: number
  /** By the server: what its clients sent. */
  readonly receivedBytes: number
  readonly sentBytes: number
}

/** Counts from now on; a call tells how much it was until then. */
export function countTraffic(server: Server): () => Traffic {
  const open = new Set<Socket>()
  let [requests, receivedBytes, sentBytes] = [0, 0, 0]
  server.on('request', () => void (requests += 1))
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      receivedBytes += socket.bytesRead
      sentBytes += socket.bytesWritten
    })
  })
  return () => ({
    requests,
    receivedBytes: [...open].reduce((sum, socket) => sum + socket.bytesRead, receivedBytes),
    sentBytes: [...open].reduce((sum, socket) => sum + socket.bytesWritten, sentBytes),
  })
}
