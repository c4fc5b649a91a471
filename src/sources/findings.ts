// What a walk has to say besides its members: warnings (something is missing or changed) and notes
// (left out on purpose). Both lists are bounded, since a broken disk can produce millions.

import type { Warning } from '../domain/archive.ts'
import type { ByteString } from './member.ts'
import type { OutputFindings } from './output.ts'
import { printablePath } from '../lib/printable-path.ts'

export class Findings {
  readonly warnings: Warning[] = []
  readonly notes: Warning[] = []
  /** Of all warnings, also of those that were not kept. */
  warningCount = 0
  readonly #keptMax: number

  constructor(keptMax: number) {
    this.#keptMax = keptMax
  }

  warn(path: ByteString, reason: string): void {
    this.warningCount += 1
    if (this.warnings.length < this.#keptMax) this.warnings.push({ path: shown(path), reason })
  }

  /** What the main thread has found: its paths can be shown. */
  add({ warnings, notes }: OutputFindings): void {
    this.warningCount += warnings.length
    this.warnings.push(...warnings.slice(0, this.#keptMax - this.warnings.length))
    this.notes.push(...notes.slice(0, this.#keptMax - this.notes.length))
  }

  note(path: ByteString, reason: string): void {
    if (this.notes.length < this.#keptMax) this.notes.push({ path: shown(path), reason })
  }
}

// Paths have no limit; a line of a report has. The ends of a path tell most.
const SHOWN_CHARACTERS_MAX = 1_000

function shown(path: ByteString): string {
  const text = printablePath(path)
  if (text.length <= SHOWN_CHARACTERS_MAX) return text
  const half = SHOWN_CHARACTERS_MAX / 2
  return `${text.slice(0, half)}[...]${text.slice(-half)}`
}

/** The system's reason in words. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  return (code !== undefined && REASONS[code]) || code || String(error)
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EIO: 'the disk failed to read it (EIO)',
  ENOENT: 'it vanished',
  ESTALE: 'it vanished on its file server (ESTALE)',
  ELOOP: 'it was replaced by a symbolic link',
  ENOTDIR: 'it is no folder any more',
  ENXIO: 'it was replaced by something that cannot be read (ENXIO)',
}
