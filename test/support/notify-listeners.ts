// Those who are told: a web server that keeps what it gets, and a mail server that holds a conversation.

import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { CertificatePair } from './certificates.ts'

export type Received = {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export type WebListener = {
  readonly port: number
  readonly received: Received[]
  /** What it answers: a status, or nothing at all. */
  answer: number | 'silence'
  readonly close: () => Promise<void>
}

export async function listenForWeb(): Promise<WebListener> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request
      received.push({ method, path, headers, body: Buffer.concat(pieces).toString() })
      if (listener.answer === 'silence') return
      response.writeHead(listener.answer, { Location: 'http://127.0.0.1:1/elsewhere' })
      response.end(listener.answer < 300 ? 'ok' : 'no such thing here')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const listener: WebListener = {
    port: (server.address() as AddressInfo).port,
    received,
    answer: 200,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return listener
}

export type Mail = {
  readonly from: string
  readonly to: readonly string[]
  readonly login: string | undefined
  readonly head: string
  readonly subject: string
  readonly text: string
}

export type MailListener = {
  readonly port: number
  readonly mails: Mail[]
  /** All that clients said. */
  readonly said: string[]
  /** For the next clients: how it answers a login, and a receiver. */
  loginAnswer: string
  receiverAnswer: string
  readonly close: () => Promise<void>
}

/** `certificate`: it speaks TLS from the first byte. It never offers STARTTLS. */
export async function listenForMail(certificate?: CertificatePair): Promise<MailListener> {
  const sockets = new Set<Socket>()
  const onSocket = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    converse(socket, listener)
  }
  const server =
    certificate === undefined
      ? createTcpServer(onSocket)
      : createTlsServer({ key: certificate.key, cert: certificate.cert }, onSocket)
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const listener: MailListener = {
    port: (server.address() as AddressInfo).port,
    mails: [],
    said: [],
    loginAnswer: '235 2.7.0 welcome',
    receiverAnswer: '250 2.1.5 ok',
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return listener
}

function converse(socket: Socket, listener: MailListener): void {
  const say = (line: string) => socket.write(`${line}\r\n`)
  let [from, login]: [string, string | undefined] = ['', undefined]
  let to: string[] = []
  let data: string[] | undefined
  let rest = ''
  const hear = (line: string): void => {
    if (data !== undefined) {
      if (line !== '.') {
        data.push(line.replace(/^\.\./, '.'))
        return
      }
      listener.mails.push({ from, to, login, ...readMail(data.join('\n')) })
      data = undefined
      say('250 2.0.0 taken')
      return
    }
    listener.said.push(line)
    const [, address = ''] = /<(.*)>/.exec(line) ?? []
    if (/^EHLO/i.test(line)) {
      say('250-listener.example.net')
      say('250 AUTH PLAIN')
    } else if (/^AUTH PLAIN /i.test(line)) {
      login = Buffer.from(line.slice(11), 'base64').toString().split('\0').slice(1).join(':')
      say(listener.loginAnswer)
    } else if (/^MAIL FROM/i.test(line)) {
      from = address
      say('250 2.1.0 ok')
    } else if (/^RCPT TO/i.test(line)) {
      if (listener.receiverAnswer.startsWith('2')) to = [...to, address]
      say(listener.receiverAnswer)
    } else if (/^DATA/i.test(line)) {
      data = []
      say('354 go on')
    } else if (/^QUIT/i.test(line)) {
      say('221 bye')
      socket.end()
    } else say('502 what?')
  }
  socket.on('data', (piece: Buffer) => {
    const lines = (rest + piece.toString()).split('\r\n')
    rest = lines.pop() ?? ''
    for (const line of lines) hear(line)
  })
  say('220 listener.example.net ESMTP')
}

function readMail(raw: string): Pick<Mail, 'head' | 'subject' | 'text'> {
  const at = raw.indexOf('\n\n')
  const head = raw.slice(0, at).replace(/\n[ \t]+/g, ' ')
  const body = raw.slice(at + 2)
  const subject = /^Subject: (.*)$/m.exec(head)?.[1] ?? ''
  const encoding = /^Content-Transfer-Encoding: (.*)$/m.exec(head)?.[1] ?? '7bit'
  return { head, subject, text: decoded(body, encoding) }
}

function decoded(body: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString()
  if (encoding !== 'quoted-printable') return body
  const bytes = body
    .replace(/=\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}
