// Light or dark: as the system has it, unless somebody chose. The choice stays on this device.

import { Store } from './store.ts'

export type Theme = 'auto' | 'light' | 'dark'

const KEY = 'spillway-theme'

export const theme = new Store<Theme>(remembered())

export function setTheme(chosen: Theme): void {
  if (chosen === 'auto') localStorage.removeItem(KEY)
  else localStorage.setItem(KEY, chosen)
  theme.set(chosen)
  show()
}

export function show(): void {
  document.documentElement.dataset['theme'] = theme.value
}

function remembered(): Theme {
  const text = localStorage.getItem(KEY)
  return text === 'light' || text === 'dark' ? text : 'auto'
}
