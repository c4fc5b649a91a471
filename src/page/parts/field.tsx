// One field of a form: label, help, the input, and what is wrong with it right beside it.

import type { ComponentChildren, JSX } from 'preact'
import { useId } from 'preact/hooks'
import { sentence } from '../text.ts'
import { Icon } from './icon.tsx'

export type FieldProps = {
  readonly label: string
  readonly help?: ComponentChildren
  readonly error?: string | undefined
  /** Name of the setting behind it: finds the field of an error. */
  readonly name?: string
  readonly isRequired?: boolean
}

type Described = {
  readonly id: string
  readonly name: string | undefined
  readonly 'aria-describedby': string | undefined
  readonly 'aria-invalid': 'true' | undefined
  readonly 'aria-required': 'true' | undefined
}

function Framed({
  field,
  children,
}: {
  readonly field: FieldProps
  readonly children: (described: Described) => ComponentChildren
}) {
  const id = useId()
  const { label, help, error, name, isRequired = false } = field
  const described = [
    ...(help === undefined ? [] : [`${id}-help`]),
    ...(error === undefined ? [] : [`${id}-error`]),
  ]
  return (
    <div class={error === undefined ? 'field' : 'field field-wrong'}>
      <label for={id}>
        {label}
        {isRequired && <span class="required"> (needed)</span>}
      </label>
      {children({
        id,
        name,
        'aria-describedby': described.join(' ') || undefined,
        'aria-invalid': error === undefined ? undefined : 'true',
        'aria-required': isRequired ? 'true' : undefined,
      })}
      {error !== undefined && (
        <p id={`${id}-error`} class="field-error">
          <Icon name="bad" size={14} /> {sentence(error)}
        </p>
      )}
      {help !== undefined && (
        <p id={`${id}-help`} class="field-help">
          {help}
        </p>
      )}
    </div>
  )
}

export function TextField(
  props: FieldProps & {
    readonly value: string
    readonly onInput: (value: string) => void
    readonly type?: 'text' | 'password' | 'search' | 'time'
    readonly placeholder?: string | undefined
    readonly isLong?: boolean
    readonly autoComplete?: string
  },
) {
  const { value, onInput, type = 'text', placeholder, isLong = false } = props
  const shared = {
    class: 'input',
    value,
    placeholder,
    spellcheck: false,
    autocomplete: props.autoComplete ?? 'off',
    autocapitalize: 'off' as const,
  }
  return (
    <Framed field={props}>
      {(described) => {
        if (isLong)
          return (
            <textarea
              {...described}
              {...shared}
              rows={3}
              onInput={(event) => onInput(event.currentTarget.value)}
            />
          )
        // The types of attributes know one kind of input at a time.
        const attributes = {
          ...described,
          ...shared,
          type,
        } as JSX.IntrinsicElements['input']
        return <input {...attributes} onInput={(event) => onInput(event.currentTarget.value)} />
      }}
    </Framed>
  )
}

export type Choice = { readonly value: string; readonly label: string }

export function SelectField(
  props: FieldProps & {
    readonly value: string
    readonly choices: readonly Choice[]
    readonly onChange: (value: string) => void
  },
) {
  const { value, choices, onChange } = props
  return (
    <Framed field={props}>
      {(described) => (
        <select
          {...described}
          class="input"
          value={value}
          onChange={(event) => onChange(event.currentTarget.value)}
        >
          {choices.map((choice) => (
            <option key={choice.value} value={choice.value} selected={choice.value === value}>
              {choice.label}
            </option>
          ))}
        </select>
      )}
    </Framed>
  )
}

export function CheckField(props: {
  readonly label: ComponentChildren
  readonly isChecked: boolean
  readonly onChange: (isChecked: boolean) => void
  readonly help?: string
}) {
  const id = useId()
  return (
    <div class="check">
      <input
        id={id}
        type="checkbox"
        checked={props.isChecked}
        aria-describedby={props.help === undefined ? undefined : `${id}-help`}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      <label for={id}>{props.label}</label>
      {props.help !== undefined && (
        <p id={`${id}-help`} class="field-help">
          {props.help}
        </p>
      )}
    </div>
  )
}

/** What cannot be changed here, and why. */
export function FixedField(props: {
  readonly label: string
  readonly value: string
  readonly why: string
}) {
  return (
    <div class="field">
      <span class="field-label">{props.label}</span>
      <output class="fixed">{props.value === '' ? 'not set' : props.value}</output>
      <p class="field-help">{props.why}</p>
    </div>
  )
}
