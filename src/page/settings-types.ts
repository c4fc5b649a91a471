// The shapes of what the daemon tells of its settings: once, and checked against real answers by
// test/daemon/page-types.test.ts.

import type { FieldError } from './api-types.ts'

export type SettingValues = Readonly<Record<string, string>>

export type SettingsGroup = {
  readonly settings: SettingValues
  readonly secretsSet: readonly string[]
  readonly fromEnvironment: readonly string[]
}

export type Entry = SettingsGroup & {
  readonly number: number
  /** As reports call it; null while it has problems. */
  readonly label: string | null
  readonly problems: readonly FieldError[]
}

export type Field = {
  readonly name: string
  readonly help: string
  readonly fallback: string | null
  /** What is taken where nothing is set, in words. */
  readonly otherwise: string | null
  readonly example: string | null
  readonly isSecret: boolean
  readonly isReadOnly: boolean
  readonly readOnlyReason: string | null
  readonly kind: 'text' | 'number' | 'boolean' | 'boolean-or-auto' | 'schedule'
  /** null: all kinds of sources have it. */
  readonly sourceKinds: readonly string[] | null
}

export type Provider = {
  readonly id: string
  readonly name: string
  readonly endpoint: string
  readonly endpointHint: string
  readonly region: string | null
  readonly regionHint: string
  readonly note: string | null
}

export type EntryGroup = 'servers' | 'sources' | 'notifications'

export type Settings = {
  readonly file: string
  readonly revision: string
  readonly isWritable: boolean
  readonly problems: readonly FieldError[]
  readonly general: SettingsGroup
  readonly servers: readonly Entry[]
  readonly sources: readonly Entry[]
  readonly notifications: readonly Entry[]
  readonly fields: {
    readonly general: readonly Field[]
    readonly server: readonly Field[]
    readonly source: readonly Field[]
    readonly notification: readonly Field[]
  }
  readonly providers: readonly Provider[]
}
