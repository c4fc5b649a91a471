// What each kind of receiver wants to get, and how much of it: longer messages are refused by some, cut in
// the middle of a line by others, or become a file.

import { isBad } from '../domain/notification.ts'
import type {
  MailTarget,
  MessageLevel,
  NotifyMessage,
  NotifyOn,
  NotifyTarget,
} from '../domain/notification.ts'
import { cutBytes, cutLines } from './cut-text.ts'
import type { WebMessage } from './web-request.ts'

type WebTarget = Exclude<NotifyTarget, MailTarget>

// Titles: Discord takes 256 characters, ntfy about as many.
const TITLE_BYTES_MAX = 200
// healthchecks keeps up to 100 kB, some of its kin 10.
const PING_BYTES_MAX = 10_000
// ntfy 4 096 bytes with the title, Telegram and Discord's embeds 4 096 characters, Slack advises 4 000.
const CHAT_BYTES_MAX = 3_600
const GOTIFY_BYTES_MAX = 10_000

export function webMessage(
  target: WebTarget,
  message: NotifyMessage,
  on: readonly NotifyOn[],
): WebMessage {
  const title = cutBytes(message.title, TITLE_BYTES_MAX)
  const chat = (bytesMax: number) => cutLines(message.text, bytesMax)
  switch (target.kind) {
    case 'ping':
      return {
        url: pingUrl(target.url, message, on),
        contentType: 'text/plain; charset=utf-8',
        headers: {},
        body: chat(PING_BYTES_MAX),
      }
    case 'webhook':
      return json(target.url, message.document, target.login)
    case 'ntfy':
      return json(
        target.url,
        {
          topic: target.topic,
          title,
          message: chat(CHAT_BYTES_MAX),
          priority: NTFY_PRIORITIES[message.level],
          tags: [NTFY_TAGS[message.level]],
        },
        target.login,
      )
    case 'slack':
      return json(target.url, { text: slackText(`${title}\n${chat(CHAT_BYTES_MAX)}`) })
    case 'discord':
      return json(target.url, {
        // A source that is called @everyone must not wake everyone.
        allowed_mentions: { parse: [] },
        embeds: [
          { title, description: chat(CHAT_BYTES_MAX), color: DISCORD_COLOURS[message.level] },
        ],
      })
    case 'gotify':
      return {
        ...json(target.url, {
          ...{ title, message: chat(GOTIFY_BYTES_MAX) },
          priority: GOTIFY_PRIORITIES[message.level],
        }),
        headers: { 'X-Gotify-Key': target.token },
      }
    case 'telegram':
      // Without a parse mode it is plain text: nothing in it can be taken for markup.
      return json(`${target.url}/bot${target.token}/sendMessage`, {
        chat_id: target.chat,
        text: `${title}\n${chat(CHAT_BYTES_MAX)}`,
        link_preview_options: { is_disabled: true },
      })
  }
}

const NTFY_PRIORITIES: Readonly<Record<MessageLevel, number>> = { ok: 2, warnings: 3, failed: 4 }
const NTFY_TAGS: Readonly<Record<MessageLevel, string>> = {
  ok: 'white_check_mark',
  warnings: 'warning',
  failed: 'rotating_light',
}
// Gotify's apps make a sound from 4 on, and push up from 8.
const GOTIFY_PRIORITIES: Readonly<Record<MessageLevel, number>> = { ok: 2, warnings: 5, failed: 8 }
const DISCORD_COLOURS: Readonly<Record<MessageLevel, number>> = {
  ok: 0x2e7d32,
  warnings: 0xf9a825,
  failed: 0xc62828,
}

/** A test says nothing of any run: `/log` is kept, and changes no state there. */
function pingUrl(text: string, { phase, level }: NotifyMessage, on: readonly NotifyOn[]): string {
  const url = new URL(text)
  const ending = phase === 'start' ? '/start' : phase === 'test' ? '/log' : ''
  const isFailed = phase === 'end' && isBad(on, level)
  url.pathname = url.pathname.replace(/\/$/, '') + (isFailed ? '/fail' : ending)
  return url.href
}

/** The three characters that mean something: links, and calls to a whole channel. */
function slackText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function json(url: string, body: unknown, login?: string): WebMessage {
  return {
    url,
    contentType: 'application/json',
    headers: login === undefined ? {} : { Authorization: login },
    body: JSON.stringify(body),
  }
}
