// The events of a run as lines for people: one line per event, with its facts.

import { plural } from './output.ts'
import type { Style } from './output.ts'
import { oneLine } from './text.ts'
import { withCode, withoutPlace } from '../domain/failure-text.ts'
import type { RunEvent } from '../domain/run-events.ts'
import { formatBytes, formatRate, formatSeconds } from '../domain/sizes.ts'

/** Levels as syslog numbers them: 3 err, 4 warning, 5 notice, 6 info. */
export type EventLine = { readonly text: string; readonly level: 3 | 4 | 5 | 6 }

export const LEVEL_STYLES: Readonly<Record<EventLine['level'], Style | undefined>> = {
  3: 'bad',
  4: 'warning',
  5: undefined,
  6: undefined,
}

/** undefined for events that are no news by themselves. */
export function eventLine(event: RunEvent): EventLine | undefined {
  const line = lineOf(event)
  return line === undefined ? undefined : { ...line, text: oneLine(line.text) }
}

function lineOf(event: RunEvent): EventLine | undefined {
  switch (event.kind) {
    case 'packing':
    case 'uploading':
      return undefined
    case 'recovering':
      return info(
        `settling what an interrupted run left: ${plural(event.archives, 'archive')}, ` +
          `${plural(event.copies, 'copy', 'copies')}`,
      )
    case 'source-started':
      return info(`source ${event.source}: archiving ${event.path}`)
    case 'packed':
      return packedLine(event)
    case 'upload-started':
      return info(
        `sending ${event.file} to ${event.server}` +
          (event.totalBytes === undefined ? ', while it is packed' : ''),
      )
    case 'attempt-ended':
      return attemptLine(event)
    case 'stored':
      return {
        level: 5,
        text:
          `stored ${event.file} on ${event.server}: ${formatBytes(event.sizeBytes)} ` +
          `in ${spent(event.sizeBytes, event.seconds)}`,
      }
    case 'waiting':
      return {
        level: event.isStored ? 4 : 3,
        text: `waiting: ${event.file} (${formatBytes(event.sizeBytes)}) stays in the spool: ${event.reason}`,
      }
    case 'source-failed':
      return {
        level: 3,
        text:
          `source ${event.source} failed: ${withCode(event.message, event.code)}` +
          (event.hint === undefined ? '' : ` (${event.hint})`),
      }
    case 'source-postponed':
      return info(`source ${event.source} is read when the others are done: ${event.reason}`)
    case 'warning':
      return { level: 4, text: `warning: ${about(event)}` }
    case 'damage':
      return { level: 3, text: `damage: ${event.message}` }
    case 'note':
      return info(`note: ${about(event)}`)
    case 'run-ended':
      return endLine(event)
  }
}

function packedLine(event: Extract<RunEvent, { kind: 'packed' }>): EventLine {
  const warnings = event.warningCount === 0 ? '' : `, ${plural(event.warningCount, 'warning')}`
  return {
    level: event.warningCount === 0 ? 6 : 4,
    text:
      `packed ${event.file}: ${plural(event.memberCount, 'file')}, ` +
      `${formatBytes(event.sourceBytes)} read, ${formatBytes(event.sizeBytes)} written ` +
      `in ${spent(event.sourceBytes, event.seconds)}${warnings}`,
  }
}

function attemptLine(event: Extract<RunEvent, { kind: 'attempt-ended' }>): EventLine | undefined {
  // The copy that was stored gets its line when that is proven.
  if (event.outcome === 'stored') return undefined
  const sent =
    event.bytesSent === 0
      ? ''
      : ` after ${formatBytes(event.bytesSent)} in ${formatSeconds(event.seconds)}`
  return {
    // Going past a full server is what Spillway is for.
    level: event.outcome === 'full' ? 5 : 4,
    text: `${event.server} is ${event.outcome}${sent}${reasonOf(event)}: no copy of ${event.file} to count on`,
  }
}

function reasonOf(event: Extract<RunEvent, { kind: 'attempt-ended' }>): string {
  const reason = withCode(withoutPlace(event.message ?? '', event.server), event.code)
  return reason === '' ? '' : `, ${reason}`
}

function endLine(event: Extract<RunEvent, { kind: 'run-ended' }>): EventLine {
  const parts = [
    `${plural(event.stored, 'archive')} stored (${formatBytes(event.storedBytes)})`,
    ...(event.waiting === 0 ? [] : [`${event.waiting} waiting`]),
    ...(event.failed === 0 ? [] : [`${plural(event.failed, 'source')} failed`]),
  ]
  return {
    level: event.outcome === 'ok' ? 5 : event.outcome === 'warnings' ? 4 : 3,
    text:
      `run ended: ${event.outcome}, ${parts.join(', ')}, ` +
      `in ${formatSeconds(event.seconds)} (exit ${event.exit})`,
  }
}

function about(event: { readonly about: string | undefined; readonly message: string }): string {
  return event.about === undefined ? event.message : `${event.about}: ${event.message}`
}

function spent(bytes: number, seconds: number): string {
  return `${formatSeconds(seconds)} (${formatRate(bytes, seconds)})`
}

function info(text: string): EventLine {
  return { level: 6, text }
}
