// The questions about somebody who is told of runs: what kind, where, and when; a test message is sent before
// the answers are kept. Every address is a secret, and is not shown while it is pasted.

import { entryPrefix } from '../../config/names.ts'
import { readNotification } from '../../config/notifications.ts'
import { parseNotifyUrl } from '../../config/notify-url.ts'
import { formatProblem, ValueProblem } from '../../config/problem.ts'
import type { Problem } from '../../config/problem.ts'
import { createRedactor } from '../../lib/redact.ts'
import { orBack } from '../prompts.ts'
import { oneLine } from '../text.ts'
import type { Wizard } from './wizard.ts'

type Form = {
  readonly name: string
  readonly description: string
  /** Resolves to the URL, and to a password that stands beside it. */
  readonly ask: (wizard: Wizard) => Promise<{ readonly url: string; readonly password?: string }>
}

const FORMS: readonly Form[] = [
  {
    name: 'E-mail',
    description: 'by a mail server of yours (SMTP)',
    ask: askMail,
  },
  pasted(
    'healthchecks',
    'ping',
    'a ping URL, as healthchecks.io shows it: it alarms when none comes',
  ),
  pasted('ntfy', 'ntfy', 'https://ntfy.sh/TOPIC; https://TOKEN@host/TOPIC where it wants a login'),
  pasted('Slack or Mattermost', 'slack', 'the URL of an incoming webhook'),
  pasted('Discord', 'discord', 'the URL of a webhook of a channel'),
  {
    name: 'Telegram',
    description: 'a bot, by its token, and a chat that it is in',
    ask: async ({ prompts }) => {
      const check = (token: string) => wrong(`telegram://${token}@telegram/1`)
      const token = await prompts.askSecret({ message: "The bot's token (not shown):", check })
      const chat = await prompts.ask({
        message: 'Chat: a number, or @channel:',
        check: (text) => wrong(`telegram://${token}@telegram/${text}`),
      })
      return { url: `telegram://${token}@telegram/${chat}` }
    },
  },
  pasted('Gotify', 'gotify', 'https://host/?token=TOKEN, of an application'),
  pasted('Webhook', undefined, 'any URL: it gets the report as JSON'),
]

/** What a service shows is pasted as it is; the kind is put before it. */
function pasted(name: string, kind: string | undefined, description: string): Form {
  const urlOf = (text: string): string => {
    const start = kind === undefined ? '' : `${kind}+`
    return text.toLowerCase().startsWith(start) ? text : start + text
  }
  return {
    name,
    description,
    ask: async ({ prompts, print }) => {
      print(`  ${description}`)
      const message = 'URL (not shown while it is pasted):'
      return {
        url: urlOf(await prompts.askSecret({ message, check: (text) => wrong(urlOf(text)) })),
      }
    },
  }
}

async function askMail({
  prompts,
}: Wizard): Promise<{ readonly url: string; readonly password?: string }> {
  const scheme = await prompts.choose<string>({
    message: 'How does the mail server speak?',
    choices: [
      { name: 'STARTTLS, port 587', value: 'smtp', description: 'what most providers have' },
      { name: 'TLS from the start, port 465', value: 'smtps' },
    ],
  })
  const urlFor = (place: string, user: string, from: string, to: string): string => {
    const login = user === '' ? '' : `${encodeURIComponent(user)}@`
    const receivers = to.split(',').map((each) => encodeURIComponent(each.trim()))
    const options = `from=${encodeURIComponent(from)}&to=${receivers.join(',')}`
    return `${scheme}://${login}${place}/?${options}`
  }
  const [A, B] = ['a@example.net', 'b@example.net']
  const place = await prompts.ask({
    message: 'Mail server (name, or name:port):',
    check: (text) =>
      /^[\w.:[\]-]+$/.test(text) ? wrong(urlFor(text, '', A, B)) : 'must be name or name:port',
  })
  const user = await prompts.ask({ message: 'User (empty: no login):' })
  const password =
    user === ''
      ? undefined
      : await prompts.askSecret({
          message: 'Password (not shown):',
          check: (text) => (text === '' ? 'this one is needed' : undefined),
        })
  const from = await prompts.ask({
    message: 'Sender:',
    ...(user.includes('@') ? { suggestion: user } : {}),
    check: (text) => wrong(urlFor(place, user, text, B), password),
  })
  const to = await prompts.ask({
    message: 'Receivers, separated by commas:',
    check: (text) => wrong(urlFor(place, user, from, text), password),
  })
  const url = urlFor(place, user, from, to)
  return password === undefined ? { url } : { url, password }
}

function wrong(url: string, password?: string): string | undefined {
  try {
    parseNotifyUrl(url, password)
    return undefined
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error
    return error.remedy === undefined ? error.message : `${error.message}; ${error.remedy}`
  }
}

/** Asks, tests, and keeps the answers, or leaves the draft as it was. Also for an entry that is there. */
export async function askNotification(wizard: Wizard, number: number): Promise<void> {
  const { draft, prompts, print } = wizard
  const prefix = entryPrefix('NOTIFY', number)
  const before = draft.state
  const isKept = await orBack(async () => {
    const form = await prompts.choose<Form>({
      message: 'How are you told?',
      choices: FORMS.map((each) => ({
        ...{ name: each.name, value: each, description: each.description },
      })),
    })
    const { url, password } = await form.ask(wizard)
    const stale = ['URL_FILE', 'PASSWORD_FILE', ...(password === undefined ? ['PASSWORD'] : [])]
    draft.change({
      remove: stale.map((name) => prefix + name),
      set: [
        [`${prefix}URL`, url],
        ...(password === undefined ? [] : [[`${prefix}PASSWORD`, password] as const]),
      ],
    })
    await askOccasions(wizard, number)
    return testUntilKept(wizard, number)
  }, false)
  if (isKept) return
  draft.restore(before)
  print('Nothing was changed.')
}

const OCCASIONS = [
  [
    'failure,recovery',
    'When a run fails or a source has no new archives, and when it is well again',
  ],
  ['warning,recovery', 'Also when a run ends with warnings'],
  ['always', 'After every run'],
  ['always,warning', 'After every run; warnings count as failures (for a ping)'],
] as const

export async function askOccasions(wizard: Wizard, number: number): Promise<void> {
  const { draft, prompts } = wizard
  const variable = `${entryPrefix('NOTIFY', number)}ON`
  const present = draft.value(variable)
  const isPing = draft.value(`${entryPrefix('NOTIFY', number)}URL`).startsWith('ping+')
  const usual = isPing ? 'always' : 'failure,recovery'
  const known = OCCASIONS.map(([on]) => on as string)
  const answer = await prompts.choose<string>({
    message: 'What are you told of?',
    choices: [
      ...OCCASIONS.map(([on, name]) => ({
        ...{ name, value: on, description: on },
      })),
      // What was written by hand is not lost by looking at it.
      ...(present === '' || known.includes(present)
        ? []
        : [{ name: `As it is: ${oneLine(present)}`, value: present }]),
    ],
    initial: present || usual,
  })
  if (answer !== (present || usual)) draft.change({ set: [[variable, answer]] })
}

/** Whether it is kept; when the test fails, the operator decides. */
async function testUntilKept(wizard: Wizard, number: number): Promise<boolean> {
  for (;;) {
    if (await sendTest(wizard, number)) return true
    const answer = await orBack(
      () =>
        wizard.prompts.choose<'again' | 'keep' | 'undo'>({
          message: 'No message could be sent. What now?',
          choices: [
            { name: 'Send it again', value: 'again' },
            {
              name: 'Keep it as it is',
              value: 'keep',
              description: 'each run will try it and warn',
            },
            { name: 'Undo', value: 'undo' },
          ],
        }),
      'undo',
    )
    if (answer !== 'again') return answer === 'keep'
  }
}

/** Whether it was taken; what is wrong is printed. */
export async function sendTest(wizard: Wizard, number: number): Promise<boolean> {
  const { draft, print, testNotification } = wizard
  const problems: Problem[] = []
  const { joined, envFileDir } = draft
  const notification = readNotification(joined, number, { envFileDir }, problems)
  if (notification === undefined) {
    for (const problem of problems) print(`  ${oneLine(formatProblem(problem))}`)
    return false
  }
  print(`Sending a test message to ${oneLine(notification.label)} ...`)
  const { problem, hint } = await testNotification(notification, draft.surroundings)
  // What a receiver answers may repeat what it was sent.
  const redact = createRedactor(notification.secrets)
  if (problem === null) {
    print('It was taken. That it arrives, only you can see: look for it.')
    return true
  }
  print(`  ${oneLine(redact(problem))}`)
  // The hint of the table is this very test.
  if (hint !== null && !hint.includes('notify-test')) print(`  -> ${oneLine(redact(hint))}`)
  return false
}
