// One setting as a field: by its kind, and by whether it may be changed here at all.

import type { Field } from '../settings-types.ts'
import type { Errors, Form } from '../settings-form.ts'
import { titleOf } from '../setting-names.ts'
import { sentence } from '../text.ts'
import { FixedField, SelectField, TextField } from './field.tsx'

export function SettingField(input: {
  readonly field: Field
  readonly form: Form
  readonly errors: Errors
  readonly isRequired?: boolean
  /** Instead of what the settings say. */
  readonly help?: string | undefined
}) {
  const { field, form, errors, isRequired = false } = input
  const { name, isReadOnly, readOnlyReason, kind } = field
  // Half of a key that is known to be shown: its other half is the secret.
  const isSecret = field.isSecret && name !== 'ACCESS_KEY'
  const title = titleOf(name)
  if (form.isFixed(name))
    return (
      <FixedField
        label={title}
        value={isSecret ? 'set' : form.value(name)}
        why="It is set in the environment of the daemon, which wins over the file."
      />
    )
  if (isReadOnly)
    return (
      <FixedField
        label={title}
        value={form.isSecretSet(name) ? 'set' : form.value(name) || unsetText(field)}
        why={hostOnlyText(readOnlyReason)}
      />
    )
  const help = input.help ?? field.help
  const shared = {
    ...{ label: title, name, isRequired, error: errors.of(name), value: form.value(name) },
    help: (
      <>
        {sentence(help)}
        {restOf(field)} <code class="variable">{name}</code>
      </>
    ),
  }
  const set = (value: string): void => form.set(name, value)
  if (kind === 'boolean' || kind === 'boolean-or-auto')
    return <SelectField {...shared} choices={choicesOf(field)} onChange={set} />
  return (
    <TextField
      {...shared}
      onInput={set}
      type={isSecret ? 'password' : 'text'}
      isLong={name === 'EXCLUDE'}
      placeholder={placeholderOf(field, form)}
      autoComplete={isSecret ? 'new-password' : 'off'}
    />
  )
}

function unsetText({ fallback, otherwise }: Field): string {
  const normal = otherwise ?? fallback
  return normal === null || normal === '' ? 'not set' : `not set: ${normal}`
}

/** Why it is changed on the host, and not here. */
export function hostOnlyText(reason: string | null): string {
  const rule = 'can only be changed on the host'
  return reason === null ? `It ${rule}.` : `It ${reason}, so it ${rule}.`
}

function restOf({ fallback, otherwise, kind }: Field): string {
  // Its first choice says so.
  if (kind === 'boolean' || kind === 'boolean-or-auto') return '.'
  const normal = otherwise ?? fallback
  return normal === null || normal === '' ? '.' : `; otherwise: ${normal}.`
}

function placeholderOf(
  { name, isSecret, example, fallback }: Field,
  form: Form,
): string | undefined {
  if (isSecret) return form.isSecretSet(name) ? 'set; type to replace' : undefined
  if (fallback !== null && fallback !== '') return fallback
  return example === null || example === '' ? undefined : `as in: ${example}`
}

function choicesOf({ kind, fallback }: Field) {
  const words: Readonly<Record<string, string>> = { true: 'yes', false: 'no', auto: 'as it fits' }
  const normal = fallback === null ? 'as usual' : `as usual (${words[fallback] ?? fallback})`
  return [
    { value: '', label: normal },
    { value: 'true', label: 'yes' },
    { value: 'false', label: 'no' },
    ...(kind === 'boolean-or-auto' ? [{ value: 'auto', label: 'as it fits' }] : []),
  ]
}
