// A dialog: the browser's own <dialog>, which keeps the focus inside, closes with Escape and gives the focus
// back to where it came from.

import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { Button } from './button.tsx'

export function Dialog(input: {
  readonly title: string
  readonly onClose: () => void
  readonly children: ComponentChildren
  readonly isWide?: boolean
}) {
  const { title, onClose, children, isWide = false } = input
  const place = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const dialog = place.current
    const before = document.activeElement
    dialog?.showModal()
    return () => {
      dialog?.close()
      if (before instanceof HTMLElement) before.focus()
    }
  }, [])
  return (
    <dialog
      ref={place}
      class={isWide ? 'dialog dialog-wide' : 'dialog'}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <div class="dialog-head">
        <h2 id={id}>{title}</h2>
        <Button kind="quiet" icon="close" label="Close" onPress={onClose} />
      </div>
      <div class="dialog-body">{children}</div>
    </dialog>
  )
}

/** Asks before something that cannot be undone. */
export function Confirm(input: {
  readonly title: string
  readonly children: ComponentChildren
  readonly verb: string
  readonly onConfirm: () => void
  readonly onClose: () => void
  readonly isBusy?: boolean
}) {
  return (
    <Dialog title={input.title} onClose={input.onClose}>
      {input.children}
      <div class="actions">
        <Button kind="danger" onPress={input.onConfirm} isBusy={input.isBusy ?? false}>
          {input.verb}
        </Button>
        <Button onPress={input.onClose}>Cancel</Button>
      </div>
    </Dialog>
  )
}
