// Text of others (file names, answers of servers) never becomes markup: preact makes text nodes of it. This
// adds what text nodes cannot do: characters that hide or reverse text are shown as escapes, in every text
// and every tooltip of the page, so no screen has to remember it.

import { options } from 'preact'
import { visible } from './text.ts'

const SPOKEN = ['title', 'aria-label', 'placeholder'] as const

export function installSafeText(): void {
  options.vnode = (vnode) => {
    if (typeof vnode.type === 'string') clean(vnode.props)
  }
}

function clean(props: object & Record<string, unknown>): void {
  props['children'] = cleaned(props['children'])
  for (const name of SPOKEN) {
    const value = props[name]
    if (typeof value === 'string') props[name] = visible(value, true)
  }
}

function cleaned(children: unknown): unknown {
  if (typeof children === 'string') return visible(children, true)
  if (Array.isArray(children)) return children.map(cleaned)
  return children
}
