// Sole owner of nodemailer, which is loaded when a mail is to be sent.

import { Socket } from 'node:net'
import { messageOf } from '../domain/errors.ts'
import type { MailTarget, NotifyMessage } from '../domain/notification.ts'
import { cutBytes, cutLines } from './cut-text.ts'
import { NotDelivered, networkReason } from './not-delivered.ts'

// A mail is read by a person.
const TEXT_BYTES_MAX = 100_000
const SUBJECT_BYTES_MAX = 200

export async function sendMail(
  target: MailTarget,
  message: NotifyMessage,
  tryMs: number,
): Promise<void> {
  const { createTransport } = await import('nodemailer')
  const { host, port, tls, user, password } = target
  // Ours, so that it can be ended: the library's own limits are for each step alone.
  const socket = new Socket()
  const transport = createTransport({
    ...{ host, port, socket, secure: tls === 'first' },
    requireTLS: tls === 'needed',
    ignoreTLS: tls === 'none',
    // Where it would go without any TLS, one with a certificate of its own is no worse.
    tls: { rejectUnauthorized: tls !== 'if offered' },
    ...(user === undefined || password === undefined ? {} : { auth: { user, pass: password } }),
    ...{
      connectionTimeout: tryMs,
      greetingTimeout: tryMs,
      socketTimeout: tryMs,
      dnsTimeout: tryMs,
    },
    // Nothing in a message may name a file or an address to be fetched.
    ...{ disableFileAccess: true, disableUrlAccess: true },
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const seconds = Math.round(tryMs / 100) / 10
      reject(new NotDelivered(`it took longer than ${seconds} s`, { mayRepeat: true }))
    }, tryMs)
  })
  const sent = transport.sendMail({
    ...{ from: target.from, to: [...target.to] },
    subject: cutBytes(message.title, SUBJECT_BYTES_MAX),
    text: `${cutLines(message.text, TEXT_BYTES_MAX)}\n`,
    // Nobody's holiday note must answer a program.
    headers: { 'Auto-Submitted': 'auto-generated' },
  })
  sent.catch(() => undefined)
  try {
    const { rejected } = await Promise.race([sent, late])
    if (rejected.length > 0)
      throw new NotDelivered(`it does not take mail for ${rejected.length} of the receivers`, {
        mayRepeat: false,
      })
  } catch (error) {
    throw error instanceof NotDelivered ? error : notSent(error)
  } finally {
    clearTimeout(timer)
    transport.close()
    socket.destroy()
  }
}

function notSent(cause: unknown): NotDelivered {
  const { code, responseCode } = cause as { code?: unknown; responseCode?: unknown }
  if (code === 'EAUTH')
    return new NotDelivered(`it refuses the login (${messageOf(cause)})`, {
      ...{ mayRepeat: false, cause },
      remedy: 'check the user in NOTIFY_N_URL and NOTIFY_N_PASSWORD',
    })
  if (code === 'ETLS')
    return new NotDelivered(`it has no TLS that can be trusted (${messageOf(cause)})`, {
      ...{ mayRepeat: false, cause },
      remedy: 'a password is sent with TLS only: is the port right, and smtp or smtps?',
    })
  // 4xx is "not now", 5xx is "never".
  const isRefused = typeof responseCode === 'number' && responseCode >= 500
  const reason = typeof responseCode === 'number' ? messageOf(cause) : networkReason(cause)
  return new NotDelivered(reason, { mayRepeat: !isRefused, cause })
}
