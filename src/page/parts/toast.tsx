// A word about what was just done, for a moment, and for those who listen instead of looking.

import { Store, useStore } from '../store.ts'
import { Icon } from './icon.tsx'

const SHOWN_MS = 6_000

const told = new Store<string>('')
let timer: ReturnType<typeof setTimeout> | undefined

export function tell(text: string): void {
  clearTimeout(timer)
  told.set(text)
  timer = setTimeout(() => told.set(''), SHOWN_MS)
}

export function Toast() {
  const text = useStore(told)
  return (
    <div class="toast-place" role="status" aria-live="polite">
      {text !== '' && (
        <p class="toast">
          <Icon name="good" /> {text}
        </p>
      )}
    </div>
  )
}
