// A form over settings: what was typed, what of it is a change, and what the daemon says is wrong with it.

import { useEffect, useRef, useState } from 'preact/hooks'
import type { ApiProblem } from './api.ts'
import type { FieldError } from './api-types.ts'
import type { SettingsGroup } from './settings-types.ts'

export type Changes = Readonly<Record<string, string | null>>

export type Form = {
  /** As it is shown: typed, or saved. */
  readonly value: (name: string) => string
  readonly set: (name: string, value: string) => void
  /** What differs from what is saved; null: to be removed. */
  readonly changes: Changes
  readonly isChanged: boolean
  readonly isSecretSet: (name: string) => boolean
  readonly isFixed: (name: string) => boolean
  readonly reset: () => void
}

const NOTHING: SettingsGroup = { settings: {}, secretsSet: [], fromEnvironment: [] }

/** `saved` undefined: an entry that is not there yet. */
export function useForm(
  saved: SettingsGroup = NOTHING,
  first: Readonly<Record<string, string>> = {},
): Form {
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>(first)
  const changes: Record<string, string | null> = {}
  for (const [name, value] of Object.entries(typed))
    if (value !== (saved.settings[name] ?? '')) changes[name] = value === '' ? null : value
  return {
    value: (name) => typed[name] ?? saved.settings[name] ?? '',
    set: (name, value) => setTyped((before) => ({ ...before, [name]: value })),
    changes,
    isChanged: Object.keys(changes).length > 0,
    isSecretSet: (name) => saved.secretsSet.includes(name),
    isFixed: (name) => saved.fromEnvironment.includes(name),
    reset: () => setTyped({}),
  }
}

export type Errors = {
  readonly of: (name: string) => string | undefined
  /** Of settings that have no field here. */
  readonly others: (names: readonly string[]) => readonly FieldError[]
}

export function errorsOf(
  problem: ApiProblem | undefined,
  known: readonly FieldError[] = [],
): Errors {
  const all = problem !== undefined && problem.errors.length > 0 ? problem.errors : known
  return {
    of: (name) => {
      const found = all.find((error) => error.name === name)
      return found === undefined ? undefined : errorText(found)
    },
    others: (names) => all.filter(({ name }) => name === null || !names.includes(name)),
  }
}

export function errorText({ reason, remedy }: FieldError): string {
  return remedy === null || remedy === '' ? reason : `${reason}; ${remedy}`
}

/** The place of a form; with each new problem the first wrong field gets the focus. */
export function useFocusOnError(problem: ApiProblem | undefined) {
  const place = useRef<HTMLFormElement>(null)
  useEffect(() => {
    if (problem === undefined) return
    const wrong = place.current?.querySelector<HTMLElement>('[aria-invalid="true"]')
    const hidden = wrong?.closest('details')
    if (hidden instanceof HTMLDetailsElement) hidden.open = true
    wrong?.focus()
  }, [problem])
  return place
}
