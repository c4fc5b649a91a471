// Delivers a message to one receiver: within its time, with one repeat, and nothing secret in it.
//
// A repeat after silence may deliver twice: whoever did not answer may have taken it. Twice told is better
// than not told.

import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import type { ProxySettings } from '../domain/config.ts'
import type { Notification, NotifyMessage } from '../domain/notification.ts'
import type { Redactor } from '../lib/redact.ts'
import { sendMail } from './mail.ts'
import { NotDelivered } from './not-delivered.ts'
import { sendWeb } from './web-request.ts'
import { webMessage } from './web-messages.ts'

export type NotifyLimits = {
  /** Of one try, from the name's lookup to the answer's last byte. */
  readonly tryMs: number
  readonly repeatDelayMs: number
}

export const NOTIFY_LIMITS: NotifyLimits = { tryMs: 10_000, repeatDelayMs: 1_000 }

// Whoever interrupted a run waits for its end, and systemd for no more than its TimeoutStopSec.
const HURRIED_MS = 5_000

export type Notifier = {
  /** Throws NOTIFY_FAILED, with the receiver's label in the message. `isHurried`: no repeat. */
  readonly deliver: (
    notification: Notification,
    message: NotifyMessage,
    isHurried?: boolean,
  ) => Promise<void>
}

export function createNotifier(input: {
  readonly proxy: ProxySettings
  readonly redact: Redactor
  readonly limits?: NotifyLimits
}): Notifier {
  const { proxy, redact, limits = NOTIFY_LIMITS } = input
  return {
    deliver: async (notification, given, isHurried = false) => {
      const message = redacted(given, redact)
      const tryMs = isHurried ? Math.min(HURRIED_MS, limits.tryMs) : limits.tryMs
      const attempt = () => sendOnce(notification, message, { proxy, tryMs })
      try {
        await attempt().catch(async (error: unknown) => {
          const mayRepeat = error instanceof NotDelivered && error.mayRepeat && !isHurried
          if (!mayRepeat) throw error
          await new Promise((resolve) => setTimeout(resolve, limits.repeatDelayMs))
          await attempt()
        })
      } catch (error) {
        throw failed(notification, error, redact)
      }
    },
  }
}

async function sendOnce(
  { target, on }: Notification,
  message: NotifyMessage,
  limits: { readonly proxy: ProxySettings; readonly tryMs: number },
): Promise<void> {
  if (target.kind === 'mail') return sendMail(target, message, limits.tryMs)
  return sendWeb(webMessage(target, message, on), limits)
}

function failed({ label }: Notification, error: unknown, redact: Redactor): SpillwayError {
  // A bug of ours in here must not end a run whose archives are stored: it is told as what it is.
  if (isFailure(error, 'NOTIFY_FAILED')) return error as SpillwayError
  const isKnown = error instanceof NotDelivered
  const reason = isKnown ? error.message : `a bug of Spillway: ${messageOf(error)}`
  const text = redact(`notification ${label} was not delivered: ${reason}`)
  return new SpillwayError('NOTIFY_FAILED', text, {
    cause: error,
    ...(isKnown && error.remedy !== undefined ? { hint: error.remedy } : {}),
  })
}

function redacted(message: NotifyMessage, redact: Redactor): NotifyMessage {
  return {
    ...message,
    title: redact(message.title),
    text: redact(message.text),
    document: deep(message.document, redact) as NotifyMessage['document'],
  }
}

/** Text by text: what is hidden in the finished JSON could break it. */
function deep(value: unknown, redact: Redactor): unknown {
  if (typeof value === 'string') return redact(value)
  if (Array.isArray(value)) return value.map((each) => deep(each, redact))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [redact(name), deep(each, redact)]),
  )
}
