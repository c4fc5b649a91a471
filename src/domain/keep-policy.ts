// Retention as it is configured: which archives of a source to keep. Days are UTC days.

export type KeepPolicy = {
  readonly last: number | undefined
  readonly daily: number | undefined
  readonly weekly: number | undefined
  readonly monthly: number | undefined
  readonly yearly: number | undefined
  readonly withinDays: number | undefined
}

/** No rule set means: keep everything. */
export function keepsEverything(policy: KeepPolicy): boolean {
  return Object.values(policy).every((rule) => rule === undefined)
}
