// An HTTP proxy for CONNECT that leads every host name to one port of this machine: so tests can use names
// that no resolver knows, and see what a client tells its proxy.

import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export type Tunnel = {
  readonly url: string
  /** What was asked for: `host:port`. */
  readonly targets: readonly string[]
  /** `Proxy-Authorization` as it came. */
  readonly authorizations: readonly (string | undefined)[]
  close(): Promise<void>
}

export async function startTunnel(port: number): Promise<Tunnel> {
  const targets: string[] = []
  const authorizations: (string | undefined)[] = []
  const sockets = new Set<Socket>()
  const server = createServer((_request, response) => response.writeHead(405).end())
  server.on('connect', (request, client: Socket) => {
    targets.push(request.url ?? '')
    authorizations.push(request.headers['proxy-authorization'])
    const onward = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      onward.pipe(client).pipe(onward)
    })
    for (const socket of [client, onward]) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => [client, onward].forEach((s) => s.destroy()))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    targets,
    authorizations,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      sockets.forEach((socket) => socket.destroy())
      server.closeAllConnections()
      await closed
    },
  }
}
