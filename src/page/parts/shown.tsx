// How single things are shown everywhere: a state with icon and word, a time with its exact moment, a name of
// somebody else's choosing, a problem with what to do about it.

import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { ApiProblem } from '../api.ts'
import { agoText, exactText, sentence, visible } from '../text.ts'
import { Icon } from './icon.tsx'
import type { IconName } from './icon.tsx'
import type { Tone } from '../tone.ts'

const TONE_ICONS: Readonly<Record<Tone, IconName>> = {
  good: 'good',
  warning: 'warning',
  bad: 'bad',
  info: 'info',
  quiet: 'none',
}

export function Badge(input: {
  readonly tone: Tone
  readonly children: ComponentChildren
  readonly icon?: IconName
  readonly title?: string | undefined
}) {
  const { tone, icon, title, children } = input
  return (
    <span class={`badge tone-${tone}`} title={title}>
      <Icon name={icon ?? TONE_ICONS[tone]} size={14} />
      {children}
    </span>
  )
}

// Ages are told in minutes at the finest.
const TICK_MS = 30_000

export function useNow(everyMs = TICK_MS): Date {
  const [now, setNow] = useState(() => new Date())
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}

/** `5 hours ago`; pointing at it tells the exact moment. */
export function Ago({ at }: { readonly at: string }) {
  const now = useNow()
  const then = new Date(at)
  return (
    <time dateTime={at} title={exactText(then)}>
      {agoText(then, now)}
    </time>
  )
}

/** A name that others chose: nothing in it is hidden, and it moves nothing around it. */
export function Name({
  children,
  isPath = false,
}: {
  readonly children: string
  readonly isPath?: boolean
}) {
  const text = visible(children)
  return (
    <bdi class={isPath ? 'path' : 'name'} title={text.length > 40 ? text : undefined}>
      {text}
    </bdi>
  )
}

export function Note(input: {
  readonly tone: Tone
  readonly children: ComponentChildren
  readonly title?: string
}) {
  return (
    <div class={`note tone-${input.tone}`}>
      <Icon name={TONE_ICONS[input.tone]} />
      <div class="note-text">
        {input.title !== undefined && <p class="note-title">{input.title}</p>}
        {input.children}
      </div>
    </div>
  )
}

/** What went wrong, and what to do: announced where it appears. */
export function ProblemNote({ problem }: { readonly problem: ApiProblem | undefined }) {
  return (
    <div role="alert">
      {problem !== undefined && (
        <Note tone="bad">
          <p>{sentence(problem.message)}</p>
          {problem.hint !== undefined && <p class="hint">{sentence(problem.hint)}</p>}
        </Note>
      )}
    </div>
  )
}

/** Where there is nothing: what it would be, and what to do to have some. */
export function Empty(input: {
  readonly icon: IconName
  readonly title: string
  readonly children?: ComponentChildren
}) {
  return (
    <div class="empty">
      <Icon name={input.icon} size={32} />
      <p class="empty-title">{input.title}</p>
      {input.children}
    </div>
  )
}

export function Waiting({ what }: { readonly what: string }) {
  return (
    <p class="loading" role="status">
      <Icon name="busy" /> Loading {what}…
    </p>
  )
}
