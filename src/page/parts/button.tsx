// Buttons. One that may not be pressed says why, also to those who cannot point at it.

import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import { Icon } from './icon.tsx'
import type { IconName } from './icon.tsx'

export type ButtonProps = {
  readonly children?: ComponentChildren
  readonly onPress?: () => void
  readonly kind?: 'primary' | 'plain' | 'danger' | 'quiet'
  readonly icon?: IconName
  readonly isBusy?: boolean
  /** A sentence: why it cannot be pressed now. */
  readonly refusal?: string | undefined
  readonly isSubmit?: boolean
  /** Of a button that shows an icon alone. */
  readonly label?: string
  readonly isPressed?: boolean
}

export function Button(props: ButtonProps) {
  const { children, onPress, kind = 'plain', icon, isBusy = false, refusal, label } = props
  const id = useId()
  const isOff = refusal !== undefined || isBusy
  return (
    <>
      <button
        type={props.isSubmit === true && !isOff ? 'submit' : 'button'}
        class={`button button-${kind}${children === undefined ? ' button-icon' : ''}`}
        // Not "disabled": it stays reachable by keyboard, and says why.
        aria-disabled={isOff ? 'true' : undefined}
        aria-describedby={refusal === undefined ? undefined : id}
        aria-label={label}
        aria-pressed={props.isPressed}
        title={refusal ?? label}
        onClick={() => {
          if (!isOff) onPress?.()
        }}
      >
        {isBusy ? <Icon name="busy" /> : icon !== undefined && <Icon name={icon} />}
        {children !== undefined && <span>{children}</span>}
      </button>
      {refusal !== undefined && (
        <span id={id} class="unseen">
          {refusal}
        </span>
      )}
    </>
  )
}

export function LinkButton(input: {
  readonly href: string
  readonly children: ComponentChildren
  readonly kind?: 'primary' | 'plain' | 'quiet'
  readonly icon?: IconName
}) {
  return (
    <a class={`button button-${input.kind ?? 'plain'}`} href={input.href}>
      {input.icon !== undefined && <Icon name={input.icon} />}
      <span>{input.children}</span>
    </a>
  )
}
