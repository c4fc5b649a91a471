// What this host remembers of sources without a new archive: since when that is known, and who was told. One
// mark for each source, so that the daemon and a run never write over each other's.

import type { RunReport } from '../domain/run-report.ts'
import type { Marks } from '../state/marks.ts'

export type Silence = {
  /** Of a source that never had an archive: when it was first looked for. */
  readonly seenAt: string
  /** The archive that no other has followed; null: there never was one. */
  readonly lastGoodAt: string | null
  /** When it was first seen to be late; null: it is not. */
  readonly noticedAt: string | null
  /** Numbers of NOTIFY_N_URL. Not empty: an alarm that no good archive has ended. */
  readonly told: readonly number[]
}

export function silenceOf(marks: Marks, source: string): Silence | undefined {
  const found = marks.get(nameOf(source)) as Partial<Silence> | undefined
  // Of another version, or of somebody's own hand: it is begun anew.
  return typeof found?.seenAt === 'string' && Array.isArray(found.told)
    ? (found as Silence)
    : undefined
}

export function keepSilence(marks: Marks, source: string, silence: Silence, now: Date): void {
  marks.set(nameOf(source), silence, now)
}

/** Of these sources, those that an alarm is out for. */
export function alarmedAmong(marks: Marks, sources: readonly string[]): readonly string[] {
  return sources.filter((source) => (silenceOf(marks, source)?.told.length ?? 0) > 0)
}

/** A run has told that they are good again. */
export function endAlarms(
  marks: Marks,
  { sources, archives }: Pick<RunReport, 'sources' | 'archives'>,
  now: Date,
): void {
  const isStored = (name: string): boolean =>
    archives.some(({ source, state }) => source === name && state === 'stored')
  for (const { name, outcome } of sources) {
    const silence = silenceOf(marks, name)
    if (silence === undefined || silence.told.length === 0) continue
    const isGood = (outcome === 'ok' || outcome === 'warnings') && isStored(name)
    if (isGood) keepSilence(marks, name, { ...silence, told: [] }, now)
  }
}

function nameOf(source: string): string {
  return `SILENCE ${source}`
}
