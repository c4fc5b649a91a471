// How jobs and runs are called.

import type { Job, JobState, Run } from '../api-types.ts'
import type { Tone } from '../tone.ts'

const KINDS: Readonly<Record<Job['kind'], string>> = {
  run: 'Run',
  restore: 'Restore',
  verify: 'Verification',
  prune: 'Pruning',
  reconcile: 'Reconciliation',
}

export function jobTitle({ kind }: Pick<Job, 'kind'>): string {
  return KINDS[kind]
}

export function jobBadge({ state, exit }: Pick<Job, 'state' | 'exit'>): readonly [Tone, string] {
  if (state === 'done') return exit === 3 ? ['warning', 'done, with warnings'] : ['good', 'done']
  const words: Readonly<Record<Exclude<JobState, 'done'>, readonly [Tone, string]>> = {
    queued: ['quiet', 'queued'],
    running: ['info', 'under way'],
    failed: ['bad', 'failed'],
    cancelled: ['quiet', 'cancelled'],
    lost: ['bad', 'lost: the daemon was killed'],
  }
  return words[state]
}

export function runBadge({ state, exit }: Pick<Run, 'state' | 'exit'>): readonly [Tone, string] {
  if (state === 'running') return ['info', 'under way']
  if (state === 'lost') return ['bad', 'lost: it was killed']
  if (exit === 130) return ['quiet', 'broken off']
  if (state === 'failed') return ['bad', 'failed']
  return exit === 3 ? ['warning', 'with warnings'] : ['good', 'ended well']
}

const ORIGINS: Readonly<Record<string, string>> = {
  schedule: 'the schedule',
  api: 'this page or the API',
  command: 'the command line',
}

export function originText(origin: string): string {
  return ORIGINS[origin] ?? origin
}
