// The head of a screen: its title, also as the title of the window, what can be done, and the way back.

import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { visible } from '../text.ts'
import { Icon } from './icon.tsx'

export function Head(input: {
  readonly title: string
  readonly children?: ComponentChildren
  readonly back?: { readonly href: string; readonly title: string }
  readonly sub?: ComponentChildren
}) {
  const { title, children, back, sub } = input
  useEffect(() => {
    document.title = `${visible(title)} · Spillway`
  }, [title])
  return (
    <div class="head-row">
      <div class="head-title">
        {back !== undefined && (
          <a class="back" href={back.href}>
            <span class="turned">
              <Icon name="next" size={14} />
            </span>
            {back.title}
          </a>
        )}
        <h1>{title}</h1>
        {sub !== undefined && <p class="sub">{sub}</p>}
      </div>
      {children !== undefined && <div class="head-actions">{children}</div>}
    </div>
  )
}

export function Panel(input: {
  readonly title: string
  readonly children: ComponentChildren
  readonly aside?: ComponentChildren
  readonly isBare?: boolean
}) {
  const { title, children, aside, isBare = false } = input
  return (
    <section class={isBare ? 'panel panel-bare' : 'panel'}>
      <div class="panel-head">
        <h2>{title}</h2>
        {aside !== undefined && <div class="panel-aside">{aside}</div>}
      </div>
      {children}
    </section>
  )
}

/** Facts in pairs. */
export function Facts({
  facts,
}: {
  readonly facts: readonly (readonly [name: string, value: ComponentChildren])[]
}) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
